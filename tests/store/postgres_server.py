"""A server of PostgreSQL for tests, which ends with them."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USER = "postgres"


class NoServer(Exception):
    """There is no server on this machine, or none that this user may start; the message says why."""


@contextmanager
def postgres(fsync: str = "off") -> Iterator[str]:
    """A new server on this machine; gives the URL of its first database, without the name of the database.

    Args:
        fsync: "on" brings each commit to the disk.

    Raises:
        NoServer: it cannot be started.
    """
    home = next(
        (path for path in sorted(Path("/usr/lib/postgresql").glob("*/bin")) if (path / "initdb").exists()), None
    )
    found = shutil.which("initdb") or (home and str(home / "initdb"))
    if found is None:
        raise NoServer("PostgreSQL is not installed")
    try:
        user = pwd.getpwnam(USER) if os.getuid() == 0 else None  # it refuses to run as root
    except KeyError:
        raise NoServer(f"PostgreSQL does not run as root, and there is no user {USER}") from None
    name = USER if user else pwd.getpwuid(os.getuid()).pw_name
    folder = Path(tempfile.mkdtemp(prefix="oddframe-postgres-"))
    if user:
        os.chown(folder, user.pw_uid, user.pw_gid)
    programs, data, port = Path(found).parent, folder / "data", free_port()

    def run(program: str, *words: str) -> None:
        done = subprocess.run(
            [str(programs / program), *words], user=name if user else None, cwd=folder, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, env={"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C"},
        )  # fmt: skip
        if done.returncode:
            raise NoServer(f"{program}: {done.stderr.strip()[-300:]}")

    try:
        run("initdb", "-D", str(data), "-A", "trust", "-E", "UTF8", "-U", USER, "--no-sync")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c fsync={fsync}"
        run("pg_ctl", "-D", str(data), "-o", options, "-l", str(folder / "log"), "-w", "start")
        try:
            yield f"postgresql://{USER}@127.0.0.1:{port}"
        finally:
            run("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def emptied(server: str) -> str:
    """The URL of an empty database, always the same, since each takes 300 files."""
    import psycopg

    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'd'")
        if not connection.execute("select 1 from pg_database where datname = 'd'").fetchall():
            connection.execute("create database d")
    with psycopg.connect(f"{server}/d", autocommit=True) as connection:
        connection.execute("drop schema public cascade")
        connection.execute("create schema public")
    return f"{server}/d"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
