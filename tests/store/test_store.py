from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from wk_jupyter.errors import (
    Conflict,
    CorruptData,
    DatasetNotFound,
    Forbidden,
    InvalidDataSource,
    InvalidInput,
    LayerNotFound,
    MagNotFound,
)
from wk_jupyter.geometry import Mag
from wk_jupyter.store import DatasetQuery, Store, StoreConfig
from wk_jupyter.store.access import ANONYMOUS, AccessPolicy, Action, owner
from wk_jupyter.store.catalog import database
from wk_jupyter.store.catalog.migrations import HEAD
from wk_jupyter.store.catalog.tables import datasets, metadata

sys.path.insert(0, str(Path(__file__).parent))
from datasets_on_disk import properties, write_dataset

ADA = owner("ada")


@pytest.fixture
def config(tmp_path: Path) -> StoreConfig:
    return StoreConfig(data_dir=tmp_path / "data", organization="lab", owner_name="ada")


@pytest.fixture
def store(config: StoreConfig):
    root = config.data_dir / "binaryData" / "lab"
    for name in ("retina", "Cortex_L4", "broken"):
        write_dataset(root, name, b"{" if name == "broken" else None)
    opened = Store(config)
    opened.scan()
    yield opened
    opened.close()


def names(store: Store, query: DatasetQuery, principal=ADA) -> list[str]:
    return [record.name for record in store.list_datasets(principal, query).records]


def make_public(store: Store, name: str) -> None:
    with store._engine.begin() as connection:
        connection.execute(
            sa.update(datasets).where(datasets.c.directory_name == name).values(is_public=True)
        )
    store.scan()


def record_of(store: Store, name: str):
    return store.dataset_in_folder(ADA, "lab", name)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (DatasetQuery(), ["broken", "Cortex_L4", "retina"]),
        (DatasetQuery(search="cortex"), ["Cortex_L4"]),
        (DatasetQuery(search="L4 CORT"), ["Cortex_L4"]),
        (DatasetQuery(search="cells"), ["Cortex_L4", "retina"]),
        (DatasetQuery(search="cells retina"), ["retina"]),
        (DatasetQuery(search="100%"), []),
        (DatasetQuery(search="' OR 1=1 --"), []),
        (DatasetQuery(is_active=True), ["Cortex_L4", "retina"]),
        (DatasetQuery(is_active=False), ["broken"]),
        (DatasetQuery(organization="other"), []),
        (DatasetQuery(limit=1, offset=1), ["Cortex_L4"]),
    ],
)
def test_lists_are_searched_filtered_and_paged(store, query, expected):
    assert names(store, query) == expected


def test_the_total_counts_beyond_the_page(store):
    assert store.list_datasets(ADA, DatasetQuery(limit=1)).total == 3
    assert store.list_datasets(ADA, DatasetQuery(limit=5, offset=100)).total == 3


def test_anonymous_sees_public_datasets_alone(store):
    assert names(store, DatasetQuery(), ANONYMOUS) == []
    make_public(store, "retina")
    assert names(store, DatasetQuery(), ANONYMOUS) == ["retina"]
    assert store.list_datasets(ANONYMOUS, DatasetQuery()).total == 1
    assert store.dataset(ANONYMOUS, record_of(store, "retina").id).name == "retina"


def test_what_may_not_be_seen_is_not_there(store):
    hidden = record_of(store, "Cortex_L4").id
    store.dataset(ADA, hidden)  # now it is cached, and still hidden
    with pytest.raises(DatasetNotFound) as seen:
        store.dataset(ANONYMOUS, hidden)
    with pytest.raises(DatasetNotFound) as absent:
        store.dataset(ANONYMOUS, "0" * 24)
    assert str(seen.value).replace(hidden, "0" * 24) == str(absent.value)


def test_what_may_be_seen_may_not_be_changed_by_everybody(store):
    make_public(store, "retina")
    policy, record = AccessPolicy(), record_of(store, "retina")
    policy.require(ANONYMOUS, Action.READ, record)
    policy.require(ADA, Action.EDIT, record)
    with pytest.raises(Forbidden):
        policy.require(ANONYMOUS, Action.EDIT, record)


@pytest.mark.parametrize(
    "ref", ["", "nonsense", "0" * 23, "0" * 25, "g" * 24, "x" * 100_000, "a\0b", "../etc"]
)
def test_odd_references_are_not_found(store, ref):
    with pytest.raises(DatasetNotFound):
        store.dataset(ADA, ref)


def test_a_dataset_is_found_by_id_and_by_the_name_in_front_of_it(store):
    wanted = record_of(store, "retina")
    for ref in (wanted.id, wanted.id.upper(), f"retina-{wanted.id}", f"an-old-name-{wanted.id}"):
        assert store.dataset(ADA, ref).id == wanted.id


def test_an_unusable_dataset_says_why(store):
    with pytest.raises(InvalidDataSource, match="not valid JSON"):
        store.data_source(record_of(store, "broken"))


def test_layers_and_mags_that_are_not_there_are_named(store):
    record = record_of(store, "retina")
    with pytest.raises(LayerNotFound, match="'color', 'cells'"):
        store.layer(record, "colour")
    with pytest.raises(MagNotFound, match="It has 1"):
        store.mag_folder(record, "color", Mag(4))
    assert store.mag_folder(record, "color", Mag(1)) == store.folder(record) / "color" / "1"


@pytest.mark.parametrize("path", ["/etc", "../../../etc", "color/../../x", "a\0b"])
def test_hostile_paths_of_mags_are_refused(config, path):
    document = properties()
    document["dataLayers"][0]["mags"][0]["path"] = path
    write_dataset(config.data_dir / "binaryData" / "lab", "hostile", document)
    store = Store(config)
    store.scan()
    with pytest.raises(CorruptData, match=r"leaves the dataset|absolute"):
        store.mag_folder(record_of(store, "hostile"), "color", Mag(1))
    store.close()


def test_readers_are_kept_until_the_dataset_changes(store):
    record = record_of(store, "retina")
    assert store.layer(record, "color") is store.layer(record, "color")
    folder = store.folder(record)
    (folder / "datasource-properties.json").write_text(
        (folder / "datasource-properties.json").read_text() + " "
    )
    store.scan()
    assert store.layer(record_of(store, "retina"), "color") is not store.layer(record, "color")


def test_used_storage_counts_files_in_mags_alone(store):
    record = record_of(store, "retina")
    folder = store.folder(record)
    (folder / "color" / "1" / "header.wkw").write_bytes(b"x" * 16)
    (folder / "color" / "notes").write_bytes(b"x" * 1000)
    assert store.used_storage_bytes(record) == 16


def test_ids_survive_a_restart(config, store):
    before = record_of(store, "retina").id
    again = Store(config)
    again.scan()
    assert record_of(again, "retina").id == before
    assert again.data_dir_id == store.data_dir_id
    again.close()


def test_two_stores_share_a_data_directory(config, store):
    other = Store(config)
    write_dataset(config.data_dir / "binaryData" / "lab", "new")
    other.scan()
    assert "new" in names(store, DatasetQuery())
    other.close()


@pytest.mark.parametrize("organization", ["", ".hidden", "a/b", "..", "a\\b", "x\0"])
def test_organizations_that_cannot_be_folders_are_refused(tmp_path, organization):
    with pytest.raises(InvalidInput, match="organization"):
        Store(StoreConfig(data_dir=tmp_path, organization=organization))


def test_a_file_in_place_of_the_data_directory_is_told(tmp_path):
    (tmp_path / "data").write_text("in the way")
    with pytest.raises(InvalidInput, match=r"data directory .* cannot be used"):
        Store(StoreConfig(data_dir=tmp_path / "data"))


def test_a_damaged_catalog_is_told(tmp_path):
    (tmp_path / "wk_jupyter.sqlite").write_bytes(
        b"this is no database at all, but long enough to look at" * 20
    )
    with pytest.raises(CorruptData, match=r"wk_jupyter\.sqlite"):
        Store(StoreConfig(data_dir=tmp_path))


def test_a_newer_catalog_is_refused(config, store):
    store.close()
    with sqlite3.connect(config.data_dir / "wk_jupyter.sqlite") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(Conflict, match="newer version"):
        Store(config)


def test_migrations_make_the_tables_that_the_code_uses(store):
    with store._engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_the_newest_migration_is_known(store):
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_an_up_to_date_catalog_opens_without_alembic(config, store):
    import subprocess

    program = (
        "import sys; from pathlib import Path; from wk_jupyter.store import Store, StoreConfig\n"
        "Store(StoreConfig(data_dir=Path(sys.argv[1]), organization='lab'))\n"
        "sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(config.data_dir)], check=False).returncode == 0
