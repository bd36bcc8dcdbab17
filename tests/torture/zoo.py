"""A zoo of hostile and strange inputs: what they are, the command that meets them, and how it has to end.

    OMP_NUM_THREADS=1 python -m tests.torture.zoo                  prints the table of all groups in Markdown
    OMP_NUM_THREADS=1 python -m tests.torture.zoo videos names     those groups alone

Every beast is written next to a good video where there can be one, and given to a command through `oddframe.cli.main`
in this process. Right is: the exit status that the beast states; one line that names it; not one control character on
the terminal; no traceback; at most `SECONDS` and `MEMORY`; and the good video is done.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.torture import odd_networks, odd_records, odd_videos
from tests.torture.cages import ZOO, Cage, meet, prepare

GROUPS = (odd_videos, odd_records, odd_networks)  # importing them has filled `ZOO`


def visit(groups: Sequence[str]) -> bool:
    """Meet all beasts of some groups, and print a table; whether all was well."""
    rows, well = [], True
    with tempfile.TemporaryDirectory() as name:
        shared = Path(name) / "shared"
        os.environ["ODDFRAME_CACHE"] = str(shared / "cache")
        prepare(shared)
        for group in dict.fromkeys(one.group for one in ZOO if not groups or one.group in groups):
            counts: Counter[int] = Counter()
            slowest, largest = 0.0, 0
            for number, one in enumerate(own for own in ZOO if own.group == group):
                folder = Path(name) / group / str(number)
                folder.mkdir(parents=True)
                met = meet(one, Cage(folder, shared))
                shutil.rmtree(folder, ignore_errors=True)
                counts[met.status] += 1
                slowest, largest = max(slowest, met.seconds), max(largest, met.memory)
                if met.faults:
                    well = False
                    print(f"{one}: {'; '.join(met.faults)}\n  {met.err.strip()[-600:]}", file=sys.stderr)
            outcome = ", ".join(f"{count} with status {status}" for status, count in sorted(counts.items()))
            rows.append(f"| {group} | {counts.total()} | {outcome} | {slowest:.1f} s | {largest >> 20} MB |")
    print("| group | inputs | ended | slowest | most memory |\n|---|---|---|---|---|")
    print("\n".join(rows))
    return well


if __name__ == "__main__":
    sys.exit(not visit(sys.argv[1:]))
