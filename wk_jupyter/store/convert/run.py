"""A conversion from beginning to end; begun again on the same folder it goes on where it was.

``work_dir`` holds ``plan.json``, ``done.jsonl`` (see ``journal.py``) and ``dataset``, in which the
properties file is written last. Tasks that are done twice write the same bytes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from wk_jupyter.api import ngff
from wk_jupyter.datasource import DataSource, LayerSource, read_properties, write_properties
from wk_jupyter.errors import WkError
from wk_jupyter.properties_document import PROPERTIES_FILE
from wk_jupyter.store.convert.journal import Journal
from wk_jupyter.store.convert.plan import DATASET_FOLDER, PLAN_FILE, ConversionPlan, ConversionProgress
from wk_jupyter.store.convert.pool import WorkerPool
from wk_jupyter.store.convert.shards import write_file
from wk_jupyter.store.convert.statistics import Statistics, intensity_range, merged
from wk_jupyter.store.convert.tasks import SCRATCH_FOLDER, UNPACK, Layout, Task
from wk_jupyter.store.convert.work import Worker, attempt, statistics_in, told

_DONE: Final = "done.jsonl"
_SMALL: Final = 2**23  # bytes of voxels that are converted here: a process would take longer to start


class Cancelled(WkError):
    """Somebody wanted it to stop."""

    code = "cancelled"


def convert(
    plan: ConversionPlan,
    work_dir: Path,
    *,
    workers: int = 2,
    progress: Callable[[ConversionProgress], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> DataSource:
    """Make the dataset of a plan in ``work_dir/dataset``, and return what it is.

    ``workers``: processes; 0: none but this one. ``progress`` is called often, on this thread.
    Raises Cancelled, and WkError naming the file where an image cannot be read or written.
    """
    plan.require_possible()
    try:
        return _converted(plan, work_dir, workers, progress, cancelled)
    except OSError as error:
        raise told(error, work_dir) from None


def _converted(
    plan: ConversionPlan,
    work_dir: Path,
    workers: int,
    progress: Callable[[ConversionProgress], None],
    cancelled: Callable[[], bool],
) -> DataSource:
    _take_up(plan, work_dir)
    layout = Layout(plan, work_dir / DATASET_FOLDER)
    if (layout.folder / PROPERTIES_FILE).is_file():
        return replace(read_properties(layout.folder), name=plan.name)
    _prepare(layout)
    total = sum(layout.voxels_of(task) for number in range(layout.rounds()) for task in layout.tasks(number))
    with Journal(work_dir / _DONE) as journal:
        if journal.is_after_restart:
            shutil.rmtree(work_dir / SCRATCH_FOLDER, ignore_errors=True)
        written = sum(map(layout.voxels_of, journal.done))
        for number in range(layout.rounds()):
            todo = list(layout.todo(number, journal.done))
            count = layout.workers(number, workers)
            for task, found in _run(layout, work_dir, todo, workers=count, cancelled=cancelled):
                if task.stage != UNPACK:  # sections that are unpacked are looked for themselves
                    journal.add(task, found)
                written += layout.voxels_of(task)
                progress(ConversionProgress(written, total, _message(layout, task)))
            if cancelled():
                raise Cancelled("the conversion was stopped.")
            layout.tidy(number)
        source = _described(layout, journal.done)
    shutil.rmtree(work_dir / SCRATCH_FOLDER, ignore_errors=True)
    _remove_parts(layout.folder)
    os.sync()  # what is complete from here on shall be so after a power cut, too
    write_properties(layout.folder, source)
    return source


def _take_up(plan: ConversionPlan, work_dir: Path) -> None:
    """Begin, or go on with the same plan; what another plan left behind is removed."""
    work_dir.mkdir(parents=True, exist_ok=True)
    encoded = plan.encode()
    path = work_dir / PLAN_FILE
    if path.is_file() and path.read_bytes() != encoded:
        path.unlink()
    if not path.is_file():
        (work_dir / _DONE).unlink(missing_ok=True)
        for folder in (DATASET_FOLDER, SCRATCH_FOLDER):
            shutil.rmtree(work_dir / folder, ignore_errors=True)
        write_file(path, [encoded])


def _prepare(layout: Layout) -> None:
    for number, stages in enumerate(layout.stages):
        for stage in stages:
            for mag in stage.mags:
                layout.output(number, stage, mag).prepare()


def _remove_parts(folder: Path) -> None:
    """Remove what a process that was killed had begun to write."""
    for path in folder.rglob(".*"):
        if path.is_file():
            path.unlink(missing_ok=True)


def _run(
    layout: Layout,
    work_dir: Path,
    todo: list[Task],
    *,
    workers: int,
    cancelled: Callable[[], bool],
) -> Iterator[tuple[Task, Statistics | None]]:
    small = sum(layer.box.volume * layer.voxel_bytes * layer.times for layer in layout.plan.layers) <= _SMALL
    if workers == 0 or small or len(todo) == 0:
        worker = Worker(layout)
        try:
            for task in todo:
                if cancelled():
                    return
                yield task, statistics_in(attempt(worker, task))
        finally:
            worker.close()
        return
    pool = WorkerPool(work_dir, min(workers, len(todo)), lambda task: source_name(layout, task))
    yield from pool.run(todo, cancelled)


def source_name(layout: Layout, task: Task) -> str:
    """Return the name of the file that a task reads, for errors."""
    return Path(layout.plan.layers[task.layer].source.paths[0]).name


def _message(layout: Layout, task: Task) -> str:
    if task.stage == UNPACK:
        return f"unpacking sections of {layout.plan.layers[task.layer].name}"
    stage = layout.stages[task.layer][task.stage]
    mags = ", ".join(mag.name for mag in stage.mags)
    return f"writing {layout.plan.layers[task.layer].name}, mag {mags}"


def _described(layout: Layout, done: dict[Task, Statistics | None]) -> DataSource:
    """Return the dataset with what its voxels have told, and describe its layers for other tools."""
    plan = layout.plan
    layers = []
    for number in range(len(plan.layers)):
        found = merged(
            statistics for task, statistics in done.items() if task.layer == number and statistics is not None
        )
        layers.append(_with_findings(layout.layer_source(number), layout, number, found))
    source = DataSource(plan.name, plan.voxel_size, tuple(layers), document=plan.properties)
    if plan.format == "zarr3":
        for layer in source.layers:
            group = ngff.zarr3_layer_group(layer, source.voxel_size)
            raw = msgspec.json.format(msgspec.json.encode(group))
            write_file(layout.folder / layer.name / "zarr.json", [raw])
        write_file(layout.folder / "zarr.json", [msgspec.json.encode(ngff.zarr3_group())])
    return source


def _with_findings(layer: LayerSource, layout: Layout, number: int, found: Statistics) -> LayerSource:
    planned = layout.plan.layers[number]
    if layer.category == "segmentation":
        return replace(layer, largest_segment_id=max(0, int(found.largest)))
    view: dict[str, Any] = {}
    window = planned.intensity_range or intensity_range(found, np.dtype(planned.dtype))
    if window is not None:
        view["intensityRange"] = list(window)
    if planned.color is not None:
        view["color"] = list(planned.color)
    return replace(layer, default_view_configuration=view)
