"""A real PostgreSQL of one's own: from Debian's package, on a socket in a temporary folder, gone with it."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

_DEBIAN = Path("/usr/lib/postgresql")
_SETTINGS = {
    "listen_addresses": "''",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "jit": "off",
}


class NoPostgres(Exception):
    """There is no server to start here; the message says what is missing."""


class PostgresServer:
    """``url`` makes an empty database. The server is started by ``running``."""

    def __init__(self, socket_folder: Path, user: str) -> None:
        self._folder = socket_folder
        self._user = user
        self._numbers = count()

    def url(self, *, template: str = "") -> str:
        """Make a database, empty or a copy of the one at an address, and return its address."""
        import psycopg

        name = f"test_{next(self._numbers)}"
        copied = f" TEMPLATE {urlsplit(template).path[1:]}" if template else ""
        with psycopg.connect(
            host=str(self._folder), user=self._user, dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(f"CREATE DATABASE {name}{copied}".encode())
        return f"postgresql+psycopg://{self._user}@/{name}?host={self._folder}"


@contextlib.contextmanager
def running(**settings: str) -> Iterator[PostgresServer]:
    """Start a server for as long as the context lasts. Raises NoPostgres.

    It sorts as a language does, not by bytes: what a lab's server may do as well.
    """
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise NoPostgres("psycopg is not installed (the extra 'postgres')") from None
    binaries = _binaries()
    user = _unprivileged_user()
    # Not pytest's folder: another user must get there, and a socket's path has 107 characters at most.
    with tempfile.TemporaryDirectory(prefix="wk-pg-", ignore_cleanup_errors=True) as home:
        as_user = (
            {} if os.geteuid() else {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
        )
        if as_user:
            os.chown(home, pwd.getpwnam(user).pw_uid, -1)
        cluster = Path(home) / "data"
        make = [
            binaries / "initdb", "--no-sync", "--auth=trust", f"--username={user}", "--encoding=UTF8",
            "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US", f"--pgdata={cluster}",
        ]  # fmt: skip
        _call(make, home, as_user)
        options = " ".join(
            f"-c {name}={value}"
            for name, value in {**_SETTINGS, "unix_socket_directories": home, **settings}.items()
        )
        control = [binaries / "pg_ctl", f"--pgdata={cluster}", f"--log={home}/log", "--wait", "--silent"]
        _call([*control, "-o", options, "start"], home, as_user)
        try:
            yield PostgresServer(Path(home), user)
        finally:
            _call([*control, "--mode=immediate", "stop"], home, as_user)


def _call(command: list[str | Path], home: str, as_user: dict) -> None:
    # Not captured by pipes: the server would inherit them, and they would never end.
    with open(f"{home}/output", "w+") as output:  # noqa: PTH123
        done = subprocess.run(
            command, cwd=home, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False, **as_user
        )
        if done.returncode:
            output.seek(0)
            log = Path(home) / "log"
            told = output.read() + (log.read_text() if log.exists() else "")
            raise RuntimeError(f"{command[0]} failed: {told[-2000:]}")


def _binaries() -> Path:
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    versions = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if not versions:
        raise NoPostgres("PostgreSQL's server is not installed (Debian's package postgresql)")
    return versions[-1].parent


def _unprivileged_user() -> str:
    """The server refuses to run as root."""
    if os.geteuid():
        return pwd.getpwuid(os.geteuid()).pw_name
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise NoPostgres("PostgreSQL does not run as root, and there is no user 'postgres' or 'nobody'")
