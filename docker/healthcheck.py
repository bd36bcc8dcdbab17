"""Whether the `oddframe watch` of this container lives: its metrics answer, and at least one camera is connected.

`oddframe watch ... --metrics 127.0.0.1:9464` serves them. The variable ODDFRAME_METRICS names another HOST:PORT.
Exit status 0 for healthy, 1 for not. A container that scores files serves no metrics and counts as unhealthy: start
it with `docker run --no-healthcheck`.
"""

import os
import re
import sys
import urllib.request

CONNECTED = re.compile(r'^oddframe_camera_state\{.*state="running".*\} 1', re.MULTILINE)


def main() -> int:
    """Ask once."""
    address = os.environ.get("ODDFRAME_METRICS", "127.0.0.1:9464")
    try:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=4) as answer:
            page = answer.read().decode("utf-8")
    except OSError as error:
        print(f"http://{address}/metrics does not answer: {error}", file=sys.stderr)
        return 1
    if CONNECTED.search(page):
        return 0
    print("no camera is connected", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
