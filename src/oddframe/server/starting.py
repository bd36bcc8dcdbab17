"""From a folder or a store to a page that is served, and the one way in for programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from oddframe.errors import InputError
from oddframe.extras import imported

LOOPBACK, PORT = "127.0.0.1", 8400


@dataclass(frozen=True)
class ReviewOptions:
    """How the review page is served.

    Attributes:
        host: address to listen on. Any but that of this machine itself needs a token.
        port: 0 takes one that is free.
        token_file: its one line is the token that people have to show.
        names: by which browsers reach the page besides its address, as behind a reverse proxy.
        run: the bundle that made the scores, and that can learn from marks; None looks for it.
    """

    host: str = LOOPBACK
    port: int = PORT
    token_file: str | Path | None = None
    names: Sequence[str] = ()
    run: str | Path | None = None


def review(
    place: str | Path,
    options: ReviewOptions = ReviewOptions(),
    ready: Callable[[str], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> int:
    """Serve the review page of what was found, until Ctrl-C, SIGTERM or SIGHUP.

    Args:
        place: a folder of `score` or `watch`, a file of SQLite, or the URL of an event store. A folder of scores
            without a store gets one.
        ready: is called with the address of the page once it can be opened.
        say: takes what there is to say of the store, a line each.

    Returns:
        The number of the signal that ended it, or 0.

    Raises:
        InputError: there is nothing to show, the port is taken, or others could reach the page and there is no token.
        StoreError: the store cannot be opened.
    """
    check_place(place)
    for name in ("sqlalchemy", "alembic", "fastapi", "uvicorn"):
        imported(name, "review")
    from oddframe.server.access import access_for
    from oddframe.server.app import make_app
    from oddframe.server.library import open_library
    from oddframe.server.serving import Server, listening
    from oddframe.store.store import current_user

    token_file = None if options.token_file is None else Path(options.token_file)
    access = access_for(options.host, options.names, token_file, current_user())
    with listening(options.host, options.port) as one:
        library, lines = open_library(str(place), None if options.run is None else Path(options.run))
        for line in lines:
            if say is not None:
                say(line)
        host = f"[{options.host}]" if ":" in options.host else options.host
        address = f"http://{host}:{one.getsockname()[1]}/"
        server = Server(make_app(library, access), None if ready is None else lambda: ready(address))
        server.run([one])
    return server.signal


def check_place(place: str | Path) -> None:
    """See, before anything is loaded, that there is something of this name.

    Raises:
        InputError: there is not.
    """
    if "://" not in str(place) and not Path(place).exists():
        raise InputError(f"{place}: no such file or folder; give the folder of `oddframe score --out`, or a store")
