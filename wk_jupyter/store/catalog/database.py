"""Opening the catalog's database and bringing it up to date."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError, OperationalError, ProgrammingError

from wk_jupyter.errors import Conflict, CorruptData
from wk_jupyter.store.catalog.migrations import HEAD

_SCRIPTS: Final = Path(__file__).parent / "migrations"
_BUSY_MILLISECONDS: Final = 30_000


def open_database(url: str) -> sa.Engine:
    """Open the catalog; make or upgrade its tables. Raises Conflict where it is newer than this program."""
    engine = sa.create_engine(
        url,
        pool_pre_ping=not url.startswith("sqlite"),
        json_serializer=lambda value: msgspec.json.encode(value).decode(),
        json_deserializer=msgspec.json.decode,
    )
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
    try:
        _upgrade(engine)
    except DatabaseError as error:
        engine.dispose()
        raise CorruptData(
            f"the catalog {engine.url.render_as_string(hide_password=True)} cannot be used: {error.orig}.",
            hint="Restore the file from a backup, or move it away: datasets on disk are found again.",
        ) from None
    return engine


def new_id() -> str:
    """Return a fresh id of 24 hexadecimal digits, which begin with the time, so that they sort by age."""
    return f"{int(time.time()):08x}{secrets.token_hex(8)}"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout = {_BUSY_MILLISECONDS}",
        "journal_mode = WAL",
        "synchronous = NORMAL",
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
    config.set_main_option("script_location", str(_SCRIPTS))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision is not None and revision not in known:
        raise Conflict(
            f"the catalog has the revision {revision}, which this version of wk_jupyter does not know.",
            hint="It was written by a newer version: upgrade wk_jupyter.",
        )
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # two servers may start on one folder
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
