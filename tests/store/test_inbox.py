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
def config(root: Path, database_url: str) -> StoreConfig:
    return StoreConfig(root.parents[1], "lab", owner_name="ada", database_url=database_url)


@pytest.fixture
def store(config: StoreConfig):
    opened = Store(config)
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
    assert store.warnings(records["inner"]) == ()


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
    warnings = store.warnings(records["partly"])
    assert len(warnings) == 2
    assert f"the link color/2 points to {tmp_path}/unmounted/2, which is not there" in warnings[1]
    assert f"the link extra points to {tmp_path}/unmounted/layer, which is not there" in warnings[0]
    assert store.warnings(records["gone"]) == ()  # said by its status


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
    assert "link ring points to" in records["ring"].status_reason
    (warning,) = store.warnings(records["inside"])
    assert "the link color/loop points to" in warning


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


def test_a_scan_that_is_killed_leaves_the_catalog_whole(config, store, root):
    for number in range(50):
        write_dataset(root, f"d{number:02d}")
    store.close()
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from wk_jupyter.store import Store, StoreConfig\n"
        "store = Store(StoreConfig(Path(sys.argv[1]), 'lab', database_url=sys.argv[2]))\n"
        "def wait(done, total):\n"
        "    if done == 30:\n"
        "        print('half', flush=True)\n"
        "        sys.stdin.read()\n"
        "store.scan(progress=wait)\n"
    )
    command = [sys.executable, "-c", program, str(config.data_dir), config.database_url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"half\n"
        os.kill(process.pid, signal.SIGKILL)
    reopened = Store(config)
    assert listed(reopened) == {}
    assert reopened.scan().added == 50
    assert len(listed(reopened)) == 50
    reopened.close()


def die_in_the_transaction(config: StoreConfig) -> int:
    """Scan in a process that is killed after its rows are inserted and before they are committed."""
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "import sqlalchemy as sa\n"
        "from wk_jupyter.store import Store, StoreConfig\n"
        "store = Store(StoreConfig(Path(sys.argv[1]), 'lab', database_url=sys.argv[2]))\n"
        "@sa.event.listens_for(store._engine, 'commit')\n"
        "def die(connection):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "store.scan()\n"
    )
    command = [sys.executable, "-c", program, str(config.data_dir), config.database_url]
    return subprocess.run(command, check=False).returncode


def test_a_scan_that_is_killed_while_it_writes_leaves_the_catalog_whole(config, root):
    for number in range(50):
        write_dataset(root, f"d{number:02d}")
    Store(config).close()
    assert die_in_the_transaction(config) == -signal.SIGKILL
    reopened = Store(config)
    assert listed(reopened) == {}
    assert reopened.scan().added == 50
    if reopened._engine.dialect.name == "sqlite":
        with reopened._engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    reopened.close()


def test_other_organizations_are_named_in_a_notice(store, root):
    write_dataset(root.parent / "other_lab", "secret")
    (notice,) = store.scan().notices
    assert "other_lab" in notice
    assert "secret" not in notice
    store.people.create_organization(owner("ada"), "other_lab", "eve")
    assert store.scan().notices == ()


def test_a_name_that_is_no_text_is_left_out_and_said(store, root):
    (root / os.fsdecode(b"caf\xe9")).mkdir()
    write_dataset(root, "sound")
    (notice,) = store.scan().notices
    assert "UTF-8" in notice
    assert "caf\\udce9" in notice
    assert set(listed(store)) == {"sound"}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (os.mkfifo, "is not a file"),
        (lambda path: path.mkdir(), "is not a file"),
        (lambda path: path.symlink_to("/nowhere/at/all"), "points to /nowhere/at/all, which is not there"),
        (lambda path: path.symlink_to(path), "cannot be reached"),
        (lambda path: path.symlink_to("/dev/zero"), "is not a file"),
    ],
    ids=["pipe", "folder", "dangling", "loop", "device"],
)
def test_what_is_no_file_in_place_of_the_properties_is_told(store, root, make, said):
    folder = write_dataset(root, "odd")
    (folder / "datasource-properties.json").unlink()
    make(folder / "datasource-properties.json")
    store.scan()
    assert listed(store)["odd"].status == "unreadable"
    assert said in listed(store)["odd"].status_reason


@pytest.mark.parametrize("levels", [500, 900, 2000, 5000])
def test_deep_nesting_breaks_nothing_wherever_it_stands(store, root, levels):
    deep = b"[" * levels + b"]" * levels
    sound = json.dumps(properties()).encode()
    write_dataset(root, "unknown", sound[:-1] + b',"x":' + deep + b"}")
    write_dataset(root, "view", sound[:-1] + b',"defaultViewConfiguration":{"x":' + deep + b"}}")
    write_dataset(root, "sound")
    store.scan()
    records = listed(store)
    assert records["sound"].is_active
    for name in ("unknown", "view"):
        if records[name].is_active:  # then all of it can be used
            source = store.data_source(records[name])
            assert source.to_document()["scale"] == {"factor": [11.24, 11.24, 28], "unit": "nanometer"}
            assert store.view_configuration(records[name])["layers"]
        else:
            assert "nested" in records[name].status_reason


def test_a_long_file_is_read_whole(store, root):
    document = properties(notes=["x" * 1000] * 10_000)
    write_dataset(root, "long", document)
    store.scan()
    record = listed(store)["long"]
    assert record.is_active
    assert len(store.data_source(record).document["notes"]) == 10_000


def layer_with(**changes):
    return properties(dataLayers=[properties()["dataLayers"][0] | changes])


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (layer_with(name="../../etc"), "dataLayers[0].name"),
        (layer_with(name="a/b"), "dataLayers[0].name"),
        (layer_with(name=".hidden"), "dataLayers[0].name"),
        (
            layer_with(boundingBox={"topLeft": [0, 0, 0], "width": 10**30, "height": 1, "depth": 1}),
            "dataLayers[0].boundingBox.width",
        ),
        (
            layer_with(boundingBox={"topLeft": [0, 0, 0], "width": -5, "height": 1, "depth": 1}),
            "dataLayers[0].boundingBox.width",
        ),
        (layer_with(elementClass="complex128"), "dataLayers[0].elementClass"),
        (layer_with(mags=[{"mag": [0, 1, 1]}]), "datasource-properties.json"),
        (layer_with(mags=[{"mag": [1, 1, 1]}, {"mag": [1, 1, 1]}]), "twice"),
        (b'{"scale":[1e999,1,1],"dataLayers":[]}', "datasource-properties.json"),
    ],
)
def test_the_field_that_is_wrong_is_named(store, root, document, said):
    write_dataset(root, "broken", document)
    store.scan()
    assert listed(store)["broken"].status == "unreadable"
    assert said in listed(store)["broken"].status_reason


def test_what_was_recognised_is_looked_into_again_when_the_folder_changes(store, root, tmp_path):
    header = WkwHeader(np.dtype("uint8"), block_len=32, file_len=1)
    voxels = np.ones((32, 32, 32), np.uint8)
    WkwWriter(root / "plain" / "color" / "1", header).write((0, 0, 0), voxels)
    store.scan()
    first = listed(store)["plain"]
    assert store.scan().changed == 0
    WkwWriter(root / "plain" / "color" / "2", header).write((0, 0, 0), voxels)
    assert store.scan().changed == 1
    second = listed(store)["plain"]
    assert second.id == first.id
    assert len(store.data_source(second).layers[0].mags) == 2
    (root / "plain").rename(tmp_path / "plain")
    (root / "plain").symlink_to(tmp_path / "plain")
    store.scan()
    assert listed(store)["plain"].is_active
    (tmp_path / "plain").rename(tmp_path / "unmounted")
    store.scan()
    assert listed(store)["plain"].status == "unreadable"
    assert "the link plain points to" in listed(store)["plain"].status_reason


def test_what_is_not_recognised_is_not_looked_into_twice(store, root, monkeypatch):
    (root / "growing").mkdir()
    store.scan()
    monkeypatch.setattr("wk_jupyter.store.explore.explore", None)  # calling it would be told as a reason
    report = store.scan()
    assert (report.changed, report.unusable) == (0, 1)


def test_an_unforeseen_error_in_one_folder_stays_there(store, root, monkeypatch):
    def explore(folder: Path) -> None:
        raise ZeroDivisionError(folder.name)

    monkeypatch.setattr("wk_jupyter.store.explore.explore", explore)
    (root / "strange").mkdir()
    write_dataset(root, "sound")
    store.scan()
    assert listed(store)["sound"].is_active
    assert "ZeroDivisionError" in listed(store)["strange"].status_reason


def test_many_changed_datasets_are_all_written(store, root):
    for number in range(600):
        write_dataset(root, f"d{number}")
    store.scan()
    for number in range(600):
        os.utime(root / f"d{number}" / "datasource-properties.json", ns=(1, 1))
    report = store.scan()
    assert (report.changed, len(set(report.touched))) == (600, 600)
    assert store.scan().changed == 0


def test_a_folder_that_two_processes_find_is_one_dataset(config, store, root):
    write_dataset(root, "retina")
    other = Store(config)

    def meanwhile(done: int, total: int) -> None:
        if done == total:
            other.scan()

    store.scan(progress=meanwhile)
    other.close()
    assert len(listed(store)) == 1
    assert store.scan().changed == 0


def test_a_vanished_organization_takes_its_datasets_along(store, root, tmp_path):
    write_dataset(root, "retina")
    store.scan()
    root.rename(tmp_path / "away")
    assert store.scan().missing == 1
    (tmp_path / "away").rename(root)
    store.scan()
    assert listed(store)["retina"].is_active


def test_mags_that_lie_elsewhere_are_looked_at_for_links_too(store, root):
    document = properties()
    document["dataLayers"][0]["mags"] = [{"mag": 1, "path": "./raw/em/finest"}]
    folder = write_dataset(root, "elsewhere", document)
    (folder / "raw" / "em").mkdir(parents=True)
    (folder / "raw" / "em" / "finest").symlink_to("/not/mounted")
    store.scan()
    (warning,) = store.warnings(listed(store)["elsewhere"])
    assert "the link raw/em/finest points to /not/mounted" in warning


def test_closed_folders_say_so_and_open_again(config, root):
    if os.geteuid() == 0:
        pytest.skip("root may read everything: closed folders cannot be made")
    store = Store(config)
    closed = write_dataset(root, "closed")
    hidden = write_dataset(root, "hidden") / "datasource-properties.json"
    closed.chmod(0)
    hidden.chmod(0)
    store.scan()
    for name in ("closed", "hidden"):
        assert listed(store)[name].status == "unreadable"
        assert "Permission denied" in listed(store)[name].status_reason
    closed.chmod(0o755)
    hidden.chmod(0o644)
    store.scan()
    assert listed(store)["closed"].is_active
    assert listed(store)["hidden"].is_active
    root.chmod(0)
    (notice,) = store.scan().notices
    assert "Permission denied" in notice
    assert listed(store)["closed"].is_active
    root.chmod(0o755)
    store.close()
