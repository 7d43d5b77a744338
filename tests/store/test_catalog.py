"""The database itself: how it is made, upgraded, shared and refused."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from wk_jupyter.errors import Conflict, CorruptData, InvalidInput
from wk_jupyter.store import DatasetQuery, Store, StoreConfig
from wk_jupyter.store.access import owner
from wk_jupyter.store.catalog import database
from wk_jupyter.store.catalog.database import new_id, open_database, writing
from wk_jupyter.store.catalog.migrations import HEAD
from wk_jupyter.store.catalog.tables import datasets, metadata

sys.path.insert(0, str(Path(__file__).parent))
from datasets_on_disk import write_dataset

SCRIPTS = Path(database.__file__).parent / "migrations"


def alembic_config(connection: sa.Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.attributes["connection"] = connection
    return config


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'catalog.sqlite'}"


def defaults_differ(context, inspected, column, inspected_default, default, rendered) -> bool | None:
    """PostgreSQL cannot compare JSON, as Alembic asks it to; None leaves the question to Alembic."""
    if context.dialect.name != "postgresql" or not isinstance(column.type, sa.JSON):
        return None
    return (inspected_default or "").removesuffix("::json") != (f"'{default.arg}'" if default else "")


def differences(engine: sa.Engine) -> list:
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": defaults_differ}
        )
        return compare_metadata(context, metadata)


def test_migrations_make_the_tables_that_the_code_uses(empty_database_url):
    engine = open_database(empty_database_url)
    assert differences(engine) == []
    engine.dispose()


def test_the_newest_migration_is_known():
    assert ScriptDirectory.from_config(alembic_config()).get_heads() == [HEAD]


def test_migrations_go_back_and_forth_and_keep_datasets(tmp_path, empty_database_url):
    config = StoreConfig(tmp_path / "data", "lab", database_url=empty_database_url)
    write_dataset(config.data_dir / "binaryData" / "lab", "Größe")
    store = Store(config)
    store.scan()
    before = store.list_datasets(owner("ada"), DatasetQuery()).records
    with writing(store._engine) as connection:
        command.downgrade(alembic_config(connection), "0001")
    store.close()
    again = Store(config)
    assert differences(again._engine) == []
    assert again.list_datasets(owner("ada"), DatasetQuery(search="GRÖSSE")).records == before
    assert again.list_datasets(owner("ada"), DatasetQuery(search="cells")).records == before
    again.close()


def test_sqlite_keeps_a_log_and_waits_for_others(sqlite_url):
    engine = open_database(sqlite_url)
    with engine.connect() as connection:
        pragmas = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "busy_timeout")
        ]
        assert pragmas == ["wal", 1, 30_000]
    engine.dispose()


def test_what_the_first_version_wrote_is_kept(tmp_path, empty_database_url):
    """Rows as revision 0001 wrote them, upgraded by a store that opens them."""
    engine = open_database(empty_database_url)
    with writing(engine) as connection:
        command.downgrade(alembic_config(connection), "base")
        command.upgrade(alembic_config(connection), "0001")
        lab, root, dataset = "a" * 24, "b" * 24, "c" * 24
        connection.execute(sa.text("INSERT INTO organizations VALUES (:lab, 'lab', 1)").bindparams(lab=lab))
        connection.execute(
            sa.text("INSERT INTO folders VALUES (:root, :lab, NULL, 'Datasets')").bindparams(
                root=root, lab=lab
            )
        )
        row = {"id": dataset, "organization_id": lab, "folder_id": root, "directory_name": "d1"}
        row |= {"name": "Größe 100%", "description": "Zürich", "tags": '["Retina", "x_y"]', "created": 5}
        row |= {"metadata": '[{"key": "Animal", "type": "string[]", "value": ["Maus", "Ratte"]}]'}
        row |= {"is_public": True, "status": "active", "status_reason": "", "warnings": '["odd"]'}
        row |= {"layers": '[["EM", "color"]]', "disk_key": "1", "admin_view_configuration": '{"zoom": 2}'}
        columns = ", ".join(row)
        values = ", ".join(f":{name}" for name in row)
        connection.execute(sa.text(f"INSERT INTO datasets ({columns}) VALUES ({values})"), row)
    engine.dispose()
    store = Store(StoreConfig(tmp_path, "lab", owner_name="ada", database_url=empty_database_url))
    assert differences(store._engine) == []
    (record,) = store.list_datasets(owner("ada"), DatasetQuery()).records
    assert (record.id, record.name, record.description) == (dataset, "Größe 100%", "Zürich")
    assert (record.tags, record.created, record.is_public) == (("Retina", "x_y"), 5, True)
    assert record.admin_view_configuration == {"zoom": 2}
    assert store.home.root_folder_id == root
    for search in ("GRÖSSE", "100%", "zürich", "retina", "x_y", "d1", "em", "animal", "ratte maus"):
        assert store.list_datasets(owner("ada"), DatasetQuery(search=search)).total == 1, search
    for search in ("10_%", "x%y", "pferd"):
        assert store.list_datasets(owner("ada"), DatasetQuery(search=search)).total == 0, search
    assert store.list_datasets(owner("ada"), DatasetQuery(tags=("Retina", "x_y"))).total == 1
    store.close()


def test_references_are_minded(empty_database_url):
    engine = open_database(empty_database_url)
    row = {"organization_id": "0" * 24, "folder_id": "0" * 24, "created": 0, "disk_key": "", "layers": []}
    row |= {"id": new_id(), "directory_name": "d", "name": "d", "status": "active"}
    with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
        connection.execute(sa.insert(datasets).values(row))
    engine.dispose()


def test_a_damaged_catalog_is_told(tmp_path):
    (tmp_path / "wk_jupyter.sqlite").write_bytes(b"this is no database, but long enough to look at" * 20)
    with pytest.raises(CorruptData, match=r"wk_jupyter\.sqlite"):
        Store(StoreConfig(data_dir=tmp_path))


def test_a_catalog_that_cannot_be_opened_is_told(tmp_path):
    (tmp_path / "wk_jupyter.sqlite").mkdir()
    with pytest.raises(InvalidInput, match=r"wk_jupyter\.sqlite cannot be opened"):
        Store(StoreConfig(data_dir=tmp_path))


@pytest.mark.parametrize("url", ["", "nonsense", "oracle99://host/db"])
def test_an_address_that_is_none_is_told(url):
    with pytest.raises(InvalidInput, match="address of the catalog"):
        open_database(url)


def test_a_newer_catalog_is_refused(empty_database_url):
    engine = open_database(empty_database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(Conflict, match="newer version"):
        open_database(empty_database_url)


def test_an_up_to_date_catalog_opens_without_alembic(tmp_path):
    program = (
        "import sys; from pathlib import Path; from wk_jupyter.store import Store, StoreConfig\n"
        "Store(StoreConfig(data_dir=Path(sys.argv[1])))\n"
        "sys.exit('alembic' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    assert subprocess.run(command, check=False).returncode == 1  # the first time, it makes the tables
    assert subprocess.run(command, check=False).returncode == 0


def test_servers_that_start_at_once_make_one_catalog(tmp_path, empty_database_url):
    program = (
        "import sys; from pathlib import Path; from wk_jupyter.store import Store, StoreConfig\n"
        "sys.stdin.readline()\n"
        "store = Store(StoreConfig(Path(sys.argv[1]), 'lab', 'ada', database_url=sys.argv[2]))\n"
        "store.scan()\n"
        "print(store.data_dir_id, store.owner.id, store.home.root_folder_id)"
    )
    for number in range(20):
        write_dataset(tmp_path / "binaryData" / "lab", f"d{number}")
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path), empty_database_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    told = {process.communicate(timeout=120)[0] for process in started}
    assert [process.returncode for process in started] == [0] * 4
    assert len(told) == 1
    store = Store(StoreConfig(tmp_path, "lab", database_url=empty_database_url))
    assert store.list_datasets(owner("ada"), DatasetQuery()).total == 20
    store.close()


def test_writers_that_read_first_take_turns(empty_database_url):
    engine = open_database(empty_database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE counter (n INTEGER)")
        connection.exec_driver_sql("INSERT INTO counter VALUES (0)")

    def count() -> None:
        for _ in range(10):
            with writing(engine) as connection:
                seen = connection.exec_driver_sql("SELECT n FROM counter").scalar_one()
                connection.exec_driver_sql(f"UPDATE counter SET n = {seen + 1}")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT n FROM counter").scalar_one() == 40
    engine.dispose()
