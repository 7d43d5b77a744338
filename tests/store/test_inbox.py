from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from wk_jupyter.store import DatasetQuery, Store, StoreConfig
from wk_jupyter.store.access import owner
from wk_jupyter.store.records import DatasetRecord
from wk_jupyter.store.volumes.wkw_format import WkwHeader
from wk_jupyter.store.volumes.wkw_writer import WkwWriter

sys.path.insert(0, str(Path(__file__).parent))
from datasets_on_disk import properties, write_dataset

ADA = owner("ada")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "binaryData" / "lab"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def store(root: Path):
    opened = Store(StoreConfig(data_dir=root.parents[1], organization="lab", owner_name="ada"))
    yield opened
    opened.close()


def listed(store: Store) -> dict[str, DatasetRecord]:
    return {record.directory_name: record for record in store.list_datasets(ADA, DatasetQuery()).records}


def test_a_folder_with_properties_becomes_a_dataset_without_any_further_step(store, root):
    write_dataset(root, "retina")
    report = store.scan()
    record = listed(store)["retina"]
    assert (report.datasets, report.added, report.unusable) == (1, 1, 0)
    assert record.is_active
    assert record.name == "retina"
    assert record.layers == (("color", "color"), ("cells", "segmentation"))
    assert store.data_source(record).name == "retina"


def test_scanning_again_changes_nothing_and_keeps_ids(store, root):
    write_dataset(root, "retina")
    store.scan()
    before = listed(store)
    report = store.scan()
    assert (report.added, report.changed, report.missing) == (0, 0, 0)
    assert listed(store) == before


def test_a_changed_properties_file_is_read_anew(store, root):
    folder = write_dataset(root, "retina")
    store.scan()
    before = listed(store)["retina"]
    document = properties(scale=[1, 2, 3])
    (folder / "datasource-properties.json").write_text(json.dumps(document, indent=3))
    assert store.scan().changed == 1
    after = listed(store)["retina"]
    assert after.id == before.id
    assert store.data_source(after).voxel_size.factor == (1, 2, 3)


def test_a_dataset_that_is_gone_is_told_so_and_comes_back_as_itself(store, root, tmp_path):
    folder = write_dataset(root, "retina")
    store.scan()
    before = listed(store)["retina"]
    folder.rename(tmp_path / "elsewhere")
    assert store.scan().missing == 1
    gone = listed(store)["retina"]
    assert (gone.status, gone.status_reason) == ("missing", "No longer available on datastore.")
    assert store.scan().missing == 0
    (tmp_path / "elsewhere").rename(folder)
    store.scan()
    assert listed(store)["retina"].id == before.id
    assert listed(store)["retina"].is_active


def test_dot_folders_files_and_other_organizations_are_left_alone(store, root):
    write_dataset(root, ".trash")
    write_dataset(root.parent / "other_lab", "secret")
    (root / "notes.txt").write_text("not a dataset")
    assert store.scan().datasets == 0


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (b"{ no json", "not valid JSON"),
        (b"\xff\xfe\x00", "not valid JSON"),
        (b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}", "nested"),
        (properties(scale=[0, 1, 1]), "scale"),
        (properties(dataLayers=[]), "dataLayers"),
        (b'{"scale":[NaN,1,1],"dataLayers":[]}', "JSON"),
        (b" " * (17 * 2**20), "bytes"),
    ],
    ids=["no json", "utf-16", "nested", "scale", "no layers", "nan", "huge"],
)
def test_a_dataset_that_cannot_be_read_is_listed_with_its_reason(store, root, document, said):
    write_dataset(root, "broken", document)
    write_dataset(root, "sound")
    report = store.scan()
    records = listed(store)
    assert report.unusable == 1
    assert records["broken"].status == "unreadable"
    assert said in records["broken"].status_reason
    assert "datasource-properties.json" in records["broken"].status_reason
    assert records["sound"].is_active


def test_links_to_datasets_layers_and_mags_are_followed(store, root, tmp_path):
    elsewhere = write_dataset(tmp_path / "cluster", "raw")
    (root / "linked").symlink_to(elsewhere)
    inner = write_dataset(root, "inner")
    (inner / "color" / "1").rmdir()
    (inner / "color" / "1").symlink_to(elsewhere / "color" / "1")
    (inner / "cells" / "1").rmdir()
    (inner / "cells").rmdir()
    (inner / "cells").symlink_to(elsewhere / "cells")
    store.scan()
    records = listed(store)
    assert records["linked"].is_active
    assert records["inner"].is_active
    assert records["inner"].warnings == ()


def test_dangling_links_are_told_at_their_dataset(store, root, tmp_path):
    (root / "gone").symlink_to(tmp_path / "unmounted" / "gone")
    folder = write_dataset(root, "partly")
    (folder / "color" / "2").symlink_to(tmp_path / "unmounted" / "2")
    (folder / "extra").symlink_to(tmp_path / "unmounted" / "layer")
    store.scan()
    records = listed(store)
    assert records["gone"].status == "unreadable"
    assert str(tmp_path / "unmounted" / "gone") in records["gone"].status_reason
    assert records["partly"].is_active
    assert any("color/2" in warning and "unmounted/2" in warning for warning in records["partly"].warnings)
    assert any("extra" in warning for warning in records["partly"].warnings)


def test_loops_of_links_hang_nothing(store, root):
    (root / "ring").symlink_to(root / "ring2")
    (root / "ring2").symlink_to(root / "ring")
    folder = write_dataset(root, "inside")
    (folder / "color" / "loop").symlink_to(folder / "color" / "loop")
    (folder / "color" / "up").symlink_to(root)
    store.scan()
    records = listed(store)
    assert records["ring"].status == "unreadable"
    assert records["inside"].is_active
    assert any("loop" in warning for warning in records["inside"].warnings)


def test_a_folder_without_properties_is_recognised_and_says_what_it_assumes(store, root):
    header = WkwHeader(np.dtype("uint8"), block_len=32, file_len=1)
    WkwWriter(root / "plain" / "color" / "1", header).write((0, 0, 0), np.ones((32, 32, 32), np.uint8))
    (root / "empty").mkdir()
    store.scan()
    records = listed(store)
    assert records["plain"].is_active
    assert any("voxel size" in warning for warning in records["plain"].warnings)
    assert store.data_source(records["plain"]).layers[0].bounding_box.size == (32, 32, 32)
    assert records["empty"].status == "not imported yet"
    assert "empty" in records["empty"].status_reason


def test_a_folder_becomes_active_when_its_properties_arrive(store, root):
    (root / "growing").mkdir()
    store.scan()
    write_dataset(root, "growing")
    store.scan()
    assert listed(store)["growing"].is_active


def test_a_cancelled_scan_changes_nothing(store, root):
    write_dataset(root, "retina")
    cancelled = threading.Event()
    cancelled.set()
    assert store.scan(cancelled=cancelled).notices == ("cancelled",)
    assert listed(store) == {}


def test_progress_counts_all_datasets(store, root):
    for number in range(3):
        write_dataset(root, f"d{number}")
    told: list[tuple[int, int]] = []
    store.scan(progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_many_scans_at_once_agree(store, root):
    for number in range(20):
        write_dataset(root, f"d{number}")
    threads = [threading.Thread(target=store.scan) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(listed(store)) == 20


def test_a_scan_that_is_killed_leaves_the_catalog_whole(store, root):
    for number in range(50):
        write_dataset(root, f"d{number:02d}")
    store.close()
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from wk_jupyter.store import Store, StoreConfig\n"
        "store = Store(StoreConfig(data_dir=Path(sys.argv[1]), organization='lab'))\n"
        "def wait(done, total):\n"
        "    if done == 30:\n"
        "        print('half', flush=True)\n"
        "        sys.stdin.read()\n"
        "store.scan(progress=wait)\n"
    )
    command = [sys.executable, "-c", program, str(root.parents[1])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"half\n"
        os.kill(process.pid, signal.SIGKILL)
    reopened = Store(StoreConfig(data_dir=root.parents[1], organization="lab"))
    assert listed(reopened) == {}
    assert reopened.scan().added == 50
    assert len(listed(reopened)) == 50
    reopened.close()
