"""Opening the catalog's database and bringing it up to date."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, OperationalError, ProgrammingError

from wk_jupyter.errors import Conflict, CorruptData, InvalidInput, Unreachable, WkError
from wk_jupyter.store.catalog.migrations import HEAD

_SCRIPTS: Final = Path(__file__).parent / "migrations"
_BUSY_SECONDS: Final = 30
_MAPPED_BYTES: Final = 1 << 30  # of the file, as it is read: no memory of its own
# PostgreSQL: the catalog fits into memory, and no statement is long enough to be compiled first.
_FOR_SHORT_QUERIES: Final = "-c random_page_cost=1.1 -c jit=off"
_WRITE_LOCK: Final = 0x776B6A75  # any number of our own, by which PostgreSQL knows the lock


def open_database(url: str) -> sa.Engine:
    """Open the catalog; make or upgrade its tables.

    Raises Conflict where it is newer than this program, CorruptData where it is no catalog, InvalidInput
    where its file cannot be opened, Unreachable where its server does not answer.
    """
    try:
        engine = sa.create_engine(
            url,
            pool_pre_ping=not url.startswith("sqlite"),
            connect_args={}
            if url.startswith("sqlite") or "options=" in url
            else {"options": _FOR_SHORT_QUERIES},
            json_serializer=lambda value: msgspec.json.encode(value).decode(),
            json_deserializer=msgspec.json.decode,
        )
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise InvalidInput(
            f"the address of the catalog is not usable: {error}.",
            hint="It looks like sqlite:////path/to/file or postgresql+psycopg://user@host/database.",
        ) from None
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
    try:
        _upgrade(engine)
    except DatabaseError as error:
        engine.dispose()
        raise _in_words(engine, error) from None
    return engine


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that may read first and write then: nobody else writes in between.

    SQLite would let two of them read, and refuse the second one's write at once, however long it may wait.
    """
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_WRITE_LOCK)))
        yield connection


def new_id() -> str:
    """Return a fresh id of 24 hexadecimal digits, which begin with the time, so that they sort by age."""
    return f"{int(time.time()):08x}{secrets.token_hex(8)}"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout = {_BUSY_SECONDS * 1000}",
        "journal_mode = WAL",
        "synchronous = NORMAL",
        f"mmap_size = {_MAPPED_BYTES}",  # else it reads page after page, and forgets them at each write
        "foreign_keys = ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _upgrade(engine: sa.Engine) -> None:
    revision = _revision(engine)
    if revision == HEAD:
        return
    # Imported here alone: it takes a third of a second, and nearly every start finds the tables up to date.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision is not None and revision not in known:
        raise Conflict(
            f"the catalog has the revision {revision}, which this version of wk_jupyter does not know.",
            hint="It was written by a newer version: upgrade wk_jupyter.",
        )
    with writing(engine) as connection:  # two servers may start on one folder
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _revision(engine: sa.Engine) -> str | None:
    try:
        with engine.connect() as connection:
            found: str | None = connection.execute(
                sa.text("SELECT version_num FROM alembic_version")
            ).scalar()
            return found
    except (OperationalError, ProgrammingError) as error:
        if "alembic_version" in str(error.orig):
            return None
        raise


def _in_words(engine: sa.Engine, error: DatabaseError) -> WkError:
    where = engine.url.render_as_string(hide_password=True)
    reason = " ".join(str(error.orig).split()) or type(error.orig).__name__
    if not isinstance(error, OperationalError):
        return CorruptData(
            f"the catalog {where} cannot be used: {reason}.",
            path=engine.url.database or "",
            hint="Restore the file from a backup, or move it away: datasets on disk are found again.",
        )
    if engine.dialect.name != "sqlite":
        return Unreachable(f"the catalog {where} does not answer: {reason}.", hint="Is its server running?")
    return InvalidInput(
        f"the catalog {where} cannot be opened: {reason}.",
        hint="Its folder must be one that you may write to, with room on its disk.",
    )
