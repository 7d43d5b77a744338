from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import postgres_server

from wk_jupyter.store.catalog.database import open_database

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """A folder of real files with their truth, which lies beside some checkouts."""
    if not (SHARED_DATA / "manifest.json").exists():
        pytest.skip(f"the real sample files are not here ({SHARED_DATA})")
    return SHARED_DATA


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgres_server.PostgresServer]:
    """A real PostgreSQL, started once."""
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(postgres_server.running())
        except postgres_server.NoPostgres as missing:
            pytest.skip(str(missing))
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a catalog that is not made yet; a test that asks for it runs on each database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'catalog.sqlite'}"
    server: postgres_server.PostgresServer = request.getfixturevalue("postgres")
    return server.url()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a catalog with its tables, and nothing in them; on each database."""
    if request.param == "sqlite":
        made: Path = request.getfixturevalue("made_sqlite")
        copy = shutil.copy(made, tmp_path / "catalog.sqlite")
        return f"sqlite:///{copy}"
    server: postgres_server.PostgresServer = request.getfixturevalue("postgres")
    return server.url(template=request.getfixturevalue("made_postgres"))


@pytest.fixture(scope="session")
def made_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog to copy: to make one takes longer than most tests."""
    path = tmp_path_factory.mktemp("made") / "catalog.sqlite"
    open_database(f"sqlite:///{path}").dispose()
    return path


@pytest.fixture(scope="session")
def made_postgres(postgres: postgres_server.PostgresServer) -> str:
    url = postgres.url()
    open_database(url).dispose()
    return url
