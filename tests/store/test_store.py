from __future__ import annotations

import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from wk_jupyter.errors import (
    CorruptData,
    DatasetNotFound,
    InvalidDataSource,
    InvalidInput,
    LayerNotFound,
    MagNotFound,
)
from wk_jupyter.geometry import Mag
from wk_jupyter.store import DatasetQuery, Store, StoreConfig, cache
from wk_jupyter.store.access import ANONYMOUS, owner
from wk_jupyter.store.catalog.tables import datasets

sys.path.insert(0, str(Path(__file__).parent))
from datasets_on_disk import properties, write_dataset

ADA = owner("ada")


@pytest.fixture
def config(tmp_path: Path, database_url: str) -> StoreConfig:
    return StoreConfig(tmp_path / "data", "lab", owner_name="ada", database_url=database_url)


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
        (DatasetQuery(search="segmentation"), []),
        (DatasetQuery(search="[ ,"), []),
        (DatasetQuery(search="a\0b"), []),
        (DatasetQuery(limit=1, offset=1), ["Cortex_L4"]),
        (DatasetQuery(descending=True), ["retina", "Cortex_L4", "broken"]),
    ],
)
def test_lists_are_searched_filtered_and_paged(store, query, expected):
    assert names(store, query) == expected


def test_lists_are_ordered_by_age_too(store):
    with store._engine.begin() as connection:
        for name, created in (("retina", 1), ("broken", 2), ("Cortex_L4", 3)):
            at = datasets.c.directory_name == name
            connection.execute(sa.update(datasets).where(at).values(created=created))
    assert names(store, DatasetQuery(order="created")) == ["retina", "broken", "Cortex_L4"]
    newest = DatasetQuery(order="created", descending=True, limit=1)
    assert names(store, newest) == ["Cortex_L4"]


def test_names_are_in_the_order_of_code_points_on_every_database(config, store):
    root = config.data_dir / "binaryData" / "lab"
    for name in ("a-b", "a b", "ab", "a_c", "äb", "zz", "Zy", "1"):
        write_dataset(root, name)
    store.scan()
    found = names(store, DatasetQuery())
    expected = ["1", "a b", "a-b", "a_c", "ab", "broken", "Cortex_L4", "retina", "Zy", "zz", "äb"]
    assert found == expected
    assert names(store, DatasetQuery(descending=True)) == expected[::-1]
    pages = [names(store, DatasetQuery(limit=2, offset=start)) for start in range(0, 12, 2)]
    assert sum(pages, []) == expected  # noqa: RUF017


@pytest.mark.parametrize(
    "query",
    [
        DatasetQuery(created_from=2**63),
        DatasetQuery(bytes_to=-(2**70)),
        DatasetQuery(offset=2**64),
        DatasetQuery(limit=-1),
        DatasetQuery(folder_id="a\0b"),
        DatasetQuery(tags=("fine", "a\0b")),
        DatasetQuery(tags=("a",) * 101),
    ],
)
def test_what_no_database_can_be_asked_is_refused(store, query):
    with pytest.raises(InvalidInput):
        names(store, query)


def test_what_has_no_size_yet_is_counted_in_the_background(config, store):
    root = config.data_dir / "binaryData" / "lab"
    for name in ("retina", "Cortex_L4"):
        (root / name / "color" / "1" / "x").write_bytes(b"x" * len(name))
    store.usage.count_new()
    store.usage.count(record_of(store, "retina").id).result(30)
    waiting = time.monotonic() + 30
    while record_of(store, "Cortex_L4").used_storage_bytes is None and time.monotonic() < waiting:
        threading.Event().wait(0.01)
    assert names(store, DatasetQuery(bytes_from=7)) == ["Cortex_L4"]
    assert names(store, DatasetQuery(bytes_from=6, bytes_to=6)) == ["retina"]
    assert record_of(store, "broken").used_storage_bytes is None


def test_counting_ends_with_the_store(config):
    store = Store(config)
    store.scan()
    waiting = [store.usage.count("0" * 24) for _ in range(3)]
    store.close()
    assert all(each.cancelled() for each in waiting)
    assert store.usage.count("0" * 24).cancelled()


@pytest.mark.parametrize("search", ["a " * 51, "x" * 1001])
def test_endless_searches_are_refused(store, search):
    with pytest.raises(InvalidInput, match="search"):
        names(store, DatasetQuery(search=search))


@pytest.mark.parametrize("search", ["M\xdcLLER", "mu\u0308ller", "STRASSE", "stra\xdfe"])
def test_letters_are_found_in_every_case_and_composition(config, store, search):
    write_dataset(config.data_dir / "binaryData" / "lab", "M\xfcller Stra\xdfe")
    store.scan()
    assert names(store, DatasetQuery(search=search)) == ["M\xfcller Stra\xdfe"]


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
    assert store.usage.count(record.id).result(30) == 16
    assert record_of(store, "retina").used_storage_bytes == 16


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


def test_one_dataset_is_looked_at_again_and_its_files_are_opened_anew(store):
    record = record_of(store, "retina")
    reader = store.layer(record, "color")
    (store.folder(record) / "datasource-properties.json").write_text("{")
    found = store.check_disk(record)
    assert (found.id, found.status) == (record.id, "unreadable")
    write_dataset(store.folder(record).parent, "retina")
    found = store.check_disk(found)
    assert found.is_active
    assert store.layer(found, "color") is not reader
    (store.folder(record)).rename(store.folder(record).parent / ".gone")
    assert store.check_disk(found).status == "missing"


def test_readers_of_what_did_not_change_outlive_a_scan(store):
    record = record_of(store, "retina")
    reader = store.layer(record, "color")
    write_dataset(store.folder(record).parent, "another")
    store.scan()
    assert store.layer(record, "color") is reader


def test_a_bounded_number_of_readers_is_kept(config, store):
    bounded = Store(replace(config, max_open_layers=2))
    record = record_of(bounded, "retina")
    first = bounded.layer(record, "color")
    bounded.layer(record, "cells")
    assert bounded.layer(record, "color") is first  # asked for last: it stays
    bounded.layer(record_of(bounded, "Cortex_L4"), "color")
    assert bounded.cached_layer(record, "color") is first
    assert bounded.cached_layer(record, "cells") is None
    bounded.close()


def test_threads_share_one_reader(store):
    record, found, start = record_of(store, "retina"), [], threading.Barrier(8)

    def ask() -> None:
        start.wait()
        found.append(store.layer(record, "color"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(map(id, found))) == 1


def test_a_row_is_known_without_the_database_for_a_moment_only(store, monkeypatch):
    wanted = record_of(store, "retina").id
    assert store.cached_dataset(ADA, wanted) is None
    store.dataset(ADA, wanted)
    assert store.cached_dataset(ADA, wanted) is not None
    with pytest.raises(DatasetNotFound):
        store.cached_dataset(ANONYMOUS, wanted)
    now = cache.time.monotonic()
    monkeypatch.setattr(cache.time, "monotonic", lambda: now + 60)
    assert store.cached_dataset(ADA, wanted) is None


@pytest.mark.parametrize("broken", [b"", b"half", b"\xff" * 32])
def test_an_id_that_was_not_written_whole_is_made_anew(config, store, broken):
    (config.data_dir / ".wk_jupyter_id").write_bytes(broken)
    first, second = Store(config), Store(config)
    assert len(first.data_dir_id) == 32
    assert first.data_dir_id == second.data_dir_id
    first.close()
    second.close()


def test_a_new_data_directory_is_closed_to_others(config):
    Store(config).close()
    assert config.data_dir.stat().st_mode & 0o007 == 0


def test_the_owner_is_a_user_with_one_id(config, store):
    again = Store(config)
    assert again.owner == store.owner
    assert (again.owner.name, again.owner.is_admin) == ("ada", True)
    other = Store(replace(config, owner_name="bob"))
    assert other.owner.id != store.owner.id
    again.close()
    other.close()
