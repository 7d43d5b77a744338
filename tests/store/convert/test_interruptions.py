"""Whatever dies or is missing in the middle: the caller lives, and in the end the same bytes are there."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from conversions import converted, digest, layer_of, plan_of, read_layer

from wk_jupyter.errors import CorruptData, InvalidInput
from wk_jupyter.geometry import Mag
from wk_jupyter.properties_document import PROPERTIES_FILE
from wk_jupyter.store.convert import Cancelled, ConversionPlan, ConversionProgress, LayerPlan, convert
from wk_jupyter.store.readers.base import ImageRef

SCRIPT = Path(__file__).with_name("convert_script.py")


@pytest.fixture(scope="module")
def plans(tmp_path_factory) -> dict[str, ConversionPlan]:
    """Two layers of some dozens of tasks, larger than what is converted without worker processes."""
    folder = tmp_path_factory.mktemp("sources")
    rng = np.random.default_rng(5)
    grey = rng.integers(0, 255, (1, 1, 1000, 130, 70), np.uint8)
    ids = rng.integers(0, 3, (1, 1, 100, 40, 300), np.uint64)
    layers = (
        layer_of(folder, grey, topleft=(400, 400, 30)),
        layer_of(folder, ids, name="ids", category="segmentation"),
    )
    return {data_format: plan_of(*layers, format=data_format) for data_format in ("zarr3", "wkw")}


@pytest.fixture(scope="module")
def undisturbed(plans, tmp_path_factory) -> dict[str, dict[str, str]]:
    return {
        data_format: digest(converted(plan, tmp_path_factory.mktemp(data_format)))
        for data_format, plan in plans.items()
    }


def started(plan: ConversionPlan, work_dir: Path, workers: int = 2) -> subprocess.Popen[str]:
    path = work_dir.parent / "asked.json"
    path.write_bytes(plan.encode())
    command = [sys.executable, str(SCRIPT), str(path), str(work_dir), str(workers)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task")
    return [int(child) for task in tasks.iterdir() for child in (task / "children").read_text().split()]


def lines_of(process: subprocess.Popen[str], count: int) -> str:
    """Wait for so many lines, and return the last one."""
    assert process.stdout is not None
    line = ""
    for _ in range(count):
        line = process.stdout.readline() or line
    return line


@pytest.mark.parametrize("takes_workers_along", [True, False])
@pytest.mark.parametrize("data_format", ["zarr3", "wkw"])
def test_killed_again_and_again_it_ends_with_the_same_bytes(
    tmp_path, plans, undisturbed, data_format: str, *, takes_workers_along: bool
) -> None:
    moments = random.Random(data_format)
    work_dir = tmp_path / "work"
    last, killed = "", 0
    while last != "converted\n":
        with started(plans[data_format], work_dir) as process:
            last = lines_of(process, moments.randint(3, 8))
            if last == "converted\n":
                break
            assert not (work_dir / "dataset" / PROPERTIES_FILE).exists()
            if takes_workers_along:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
            killed += 1
    assert killed >= 2
    assert digest(work_dir / "dataset") == undisturbed[data_format]


@pytest.mark.parametrize("data_format", ["zarr3", "wkw"])
def test_a_killed_worker_is_replaced(tmp_path, plans, undisturbed, data_format: str) -> None:
    with started(plans[data_format], tmp_path / "work") as process:
        lines_of(process, 1)
        os.kill(children(process.pid)[0], signal.SIGKILL)
        assert lines_of(process, 1000) == "converted\n"
    assert process.returncode == 0
    assert digest(tmp_path / "work" / "dataset") == undisturbed[data_format]


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_any_number_of_workers_writes_the_same(tmp_path, plans, undisturbed, workers: int) -> None:
    folder = converted(plans["zarr3"], tmp_path / "work", workers=workers)
    assert digest(folder) == undisturbed["zarr3"]


@pytest.fixture
def crashing(tmp_path, monkeypatch) -> LayerPlan:
    """A layer whose reader takes its process down."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text("import crashing_reader\n")
    path = os.pathsep.join([str(tmp_path / "site"), str(Path(__file__).parent)])
    monkeypatch.setenv("PYTHONPATH", path)
    return LayerPlan("color", "color", ImageRef("crashing", ("some/cells.xyz",)), (1024, 512, 64))


def test_a_reader_that_crashes_fails_the_conversion_alone(tmp_path, crashing) -> None:
    with pytest.raises(CorruptData, match=r"cells\.xyz has crashed twice \(SIGSEGV\)"):
        convert(plan_of(crashing), tmp_path / "work")
    assert not (tmp_path / "work" / "dataset" / PROPERTIES_FILE).exists()


def test_a_crash_that_does_not_come_again_is_no_matter(tmp_path, crashing) -> None:
    source = ImageRef("crashing", ("cells.xyz",), hints={"once": str(tmp_path / "crashed")})
    layer = LayerPlan("color", "color", source, crashing.size)
    convert(plan_of(layer), tmp_path / "work", workers=1)
    assert (tmp_path / "crashed").exists()
    assert (read_layer(tmp_path / "work" / "dataset", "color", Mag(1)) == 7).all()


@pytest.mark.parametrize("workers", [0, 2])
def test_cancelled_it_stops_and_can_go_on(tmp_path, plans, undisturbed, workers: int) -> None:
    seen: list[ConversionProgress] = []
    with pytest.raises(Cancelled):
        convert(
            plans["zarr3"],
            tmp_path / "work",
            workers=workers,
            progress=seen.append,
            cancelled=lambda: len(seen) >= 2,
        )
    assert 0 < seen[-1].done < seen[-1].total
    assert not (tmp_path / "work" / "dataset" / PROPERTIES_FILE).exists()
    again: list[ConversionProgress] = []
    folder = converted(plans["zarr3"], tmp_path / "work", progress=again.append)
    assert again[0].done > seen[-1].done
    assert again[-1].fraction == 1
    assert digest(folder) == undisturbed["zarr3"]


def test_what_is_whole_is_not_made_again(tmp_path, plans) -> None:
    plan = plans["zarr3"]
    converted(plan, tmp_path / "work")
    before = (tmp_path / "work" / "dataset" / PROPERTIES_FILE).stat().st_mtime_ns
    seen: list[ConversionProgress] = []
    assert convert(plan, tmp_path / "work", progress=seen.append).name == "a dataset"
    assert not seen
    assert (tmp_path / "work" / "dataset" / PROPERTIES_FILE).stat().st_mtime_ns == before


def test_another_plan_begins_anew(tmp_path, plans, undisturbed) -> None:
    first = plan_of(*plans["zarr3"].layers, downsampling="median", max_mag=64)
    converted(first, tmp_path / "work")
    assert digest(converted(plans["zarr3"], tmp_path / "work")) == undisturbed["zarr3"]


def test_parts_of_files_that_a_kill_left_are_removed(tmp_path, plans, undisturbed) -> None:
    left = tmp_path / "work" / "dataset" / "color" / "1" / "c" / "0" / "0" / "0" / ".0.4711.part"
    with pytest.raises(Cancelled):
        convert(plans["zarr3"], tmp_path / "work", workers=0, cancelled=lambda: True)
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    assert digest(converted(plans["zarr3"], tmp_path / "work")) == undisturbed["zarr3"]


def test_after_a_power_cut_only_what_was_flushed_is_believed(tmp_path, plans, undisturbed) -> None:
    work_dir = tmp_path / "work"
    written: list[set[Path]] = []  # after each task
    done: list[int] = []

    def look(progress: ConversionProgress) -> None:
        written.append({path for path in (work_dir / "dataset").rglob("c/**/*") if path.is_file()})
        done.append(progress.done)

    with pytest.raises(Cancelled):
        convert(plans["zarr3"], work_dir, workers=0, progress=look, cancelled=lambda: len(done) == 3)
    journal = work_dir / "done.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    other = msgspec.json.encode({"boot": "another start of the machine"}) + b"\n"
    flushed = [other, lines[1], b"{}\n"]
    journal.write_bytes(b"".join([*flushed, *lines[2:], b"\0\0\0\0"]))
    for path in written[-1] - written[0]:
        path.write_bytes(b"")
    folder = converted(plans["zarr3"], work_dir, progress=look)
    assert done[3] == done[1]  # the second task has been done again, the first has not
    assert digest(folder) == undisturbed["zarr3"]


def test_a_full_disk_is_told_and_can_be_gone_on_from(tmp_path, plans, undisturbed) -> None:
    work_dir = tmp_path / "work"
    with pytest.raises(Cancelled):
        convert(plans["zarr3"], work_dir, workers=0, cancelled=lambda: True)
    full = work_dir / "dataset" / "color" / "1" / "c" / "0" / "0" / "0" / f".0.{os.getpid()}.part"
    full.parent.mkdir(parents=True)
    full.symlink_to("/dev/full")
    with pytest.raises(InvalidInput, match="the disk is full") as caught:
        convert(plans["zarr3"], work_dir, workers=0)
    assert "Make room" in caught.value.hint
    assert not full.is_symlink()
    assert digest(converted(plans["zarr3"], work_dir)) == undisturbed["zarr3"]


def test_a_full_disk_for_what_is_noted_is_told_as_well(tmp_path, plans) -> None:
    work_dir = tmp_path / "work"
    with pytest.raises(Cancelled):
        convert(plans["zarr3"], work_dir, workers=0, cancelled=lambda: True)
    (work_dir / "done.jsonl").unlink()
    (work_dir / "done.jsonl").symlink_to("/dev/full")
    with pytest.raises(InvalidInput, match="the disk is full"):
        convert(plans["zarr3"], work_dir, workers=0)


def test_an_image_that_is_gone_is_named(tmp_path) -> None:
    layer = layer_of(tmp_path, np.zeros((1, 1, 64, 512, 300), np.uint8))
    Path(layer.source.paths[0]).unlink()
    with pytest.raises(CorruptData, match=r"color\.npy"):
        convert(plan_of(layer), tmp_path / "work")
