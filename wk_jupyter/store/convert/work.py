"""One task done: voxels read, made coarser, and written. What a worker process does."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from wk_jupyter.errors import CorruptData, InvalidInput, WkError
from wk_jupyter.store.convert.downsample import Method, halve
from wk_jupyter.store.convert.outputs import ZYX
from wk_jupyter.store.convert.plan import LayerPlan
from wk_jupyter.store.convert.statistics import Statistics, statistics_of
from wk_jupyter.store.convert.tasks import UNPACK, Layout, Stage, Task, box_of, ratio_of
from wk_jupyter.store.readers import open_image
from wk_jupyter.store.readers.base import Image, ImageFile, Region

_KINDS: Final[dict[str, type[WkError]]] = {"invalid_input": InvalidInput, "corrupt_data": CorruptData}


class Answer(msgspec.Struct, frozen=True):
    """What came of a task. ``error``: its code, message and hint."""

    statistics: Statistics | None = None
    error: tuple[str, str, str] | None = None


class Worker:
    """Does tasks of one layout. Files of images stay open from one task to the next."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._open: dict[int, tuple[ImageFile, Image]] = {}

    def do(self, task: Task) -> Statistics | None:
        """Do a task. Returns statistics of what was read of an image. Raises WkError, OSError."""
        layout = self._layout
        if task.stage == UNPACK:
            self._unpack(task)
            return None
        layer = layout.plan.layers[task.layer]
        stage = layout.stages[task.layer][task.stage]
        finest = stage.mags[0]
        start, shape = layout.part(task, finest)
        if stage.finer is None:
            voxels = self._read_first(task, start, shape)
        else:
            voxels = self._made_coarser(task, stage, start, shape)
        found = statistics_of(voxels, layout.samples(task.layer)) if stage.finer is None else None
        self._write(task, stage, start, voxels, layer)
        return found

    @property
    def folder(self) -> Path:
        """The dataset's folder, that it writes to."""
        return self._layout.folder

    def name_of(self, task: Task) -> str:
        """Return the name of the first file that a task's layer is made of, for errors."""
        return Path(self._layout.plan.layers[task.layer].source.paths[0]).name

    def close(self) -> None:
        for opened, _ in self._open.values():
            opened.close()
        self._open.clear()

    def _write(self, task: Task, stage: Stage, start: ZYX, voxels: NDArray[Any], layer: LayerPlan) -> None:
        before = stage.mags[0]
        for mag in stage.mags:
            ratio = ratio_of(mag, before)
            voxels = halve(voxels, start, ratio, self._method(layer))
            start = _floored(start, ratio)
            self._layout.output(task.layer, stage, mag).write(start, voxels, task.time)
            before = mag

    def _made_coarser(self, task: Task, stage: Stage, start: ZYX, shape: ZYX) -> NDArray[Any]:
        """Read what the first mag of a stage is made of, and make it."""
        layer = self._layout.plan.layers[task.layer]
        assert stage.finer is not None
        ratio = ratio_of(stage.mags[0], stage.finer)
        first, size = box_of(layer, stage.finer)
        low = [max(f, s * r) for f, s, r in zip(first, start, ratio, strict=True)]
        high = [
            min(f + n, (s + c) * r) for f, n, s, c, r in zip(first, size, start, shape, ratio, strict=True)
        ]
        finer = self._layout.output(task.layer, self._layout.stage_of(task.layer, stage.finer), stage.finer)
        extent = (high[0] - low[0], high[1] - low[1], high[2] - low[2])
        at = (low[0], low[1], low[2])
        return halve(finer.read(at, extent, task.time), at, ratio, self._method(layer))

    def _read_first(self, task: Task, start: ZYX, shape: ZYX) -> NDArray[Any]:
        """Read the image of a layer, or what of it was unpacked."""
        z, y, x = ((s, s + n) for s, n in zip(start, shape, strict=True))
        if not self._layout.is_unpacked(task.layer):
            return self._read_image(task, z, y, x)
        scratch = self._layout.scratch(task.layer, task.time, task.cell[0])
        x0, y0, _ = self._layout.plan.layers[task.layer].topleft
        return scratch.read(z, scratch.rows.index(y[0] - y0), scratch.columns.index(x[0] - x0))

    def _unpack(self, task: Task) -> None:
        """Decode sections as a whole, and leave them in pieces for the tasks that follow."""
        layer = self._layout.plan.layers[task.layer]
        first, slab, count = task.cell
        scratch = self._layout.scratch(task.layer, task.time, slab)
        x0, y0, _ = layer.topleft
        for z in range(first, first + count):

            def read(low: int, high: int, z: int = z) -> NDArray[Any]:
                y, x = (y0 + low, y0 + high), (x0, x0 + layer.size[0])
                return self._read_image(task, (z, z + 1), y, x)[:, 0]

            scratch.write(z, self._layout.band(task.layer), read)

    def _read_image(self, task: Task, *ranges: tuple[int, int]) -> NDArray[Any]:
        """Return the voxels in ranges along z, y, x of the dataset."""
        layer = self._layout.plan.layers[task.layer]
        z, y, x = (
            (low - origin, high - origin)
            for (low, high), origin in zip(ranges, layer.topleft[::-1], strict=True)
        )
        region = Region(layer.timepoints[0] + task.time, layer.channels, z, y, x)
        voxels = self._image(task.layer).read(region)
        if voxels.shape != region.shape:
            raise CorruptData(
                f"{layer.source.paths[0]} has given {voxels.shape} voxels in place of {region.shape}.",
                path=layer.source.paths[0],
            )
        return _cast(voxels, np.dtype(layer.dtype))

    def _image(self, number: int) -> Image:
        if number not in self._open:
            self._open[number] = open_image(self._layout.plan.layers[number].source)
        return self._open[number][1]

    def _method(self, layer: LayerPlan) -> Method:
        return "mode" if layer.category == "segmentation" else self._layout.plan.downsampling


def attempt(worker: Worker, task: Task) -> Answer:
    """Do a task, and say what came of it, whatever that is."""
    try:
        return Answer(statistics=worker.do(task))
    except WkError as error:
        return Answer(error=(error.code, error.message, error.hint))
    except OSError as error:
        known = told(error, worker.folder)
        return Answer(error=(known.code, known.message, known.hint))
    except MemoryError:
        return Answer(error=("too_large", "there was not enough memory for a part of it.", ""))
    except Exception as error:  # noqa: BLE001 - a reader's bug is told with the file, and fails this job alone
        what = f"{worker.name_of(task)} cannot be read: {type(error).__name__}: {error}."
        return Answer(error=("corrupt_data", what, ""))


def told(error: OSError, folder: Path) -> InvalidInput:
    """Return in words what the system has refused, while ``folder`` was written."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        reason = "the disk is full" if error.errno == errno.ENOSPC else "the quota of the disk is used up"
        return InvalidInput(
            f"{reason}: {folder} cannot be written.",
            hint="Make room, then try again: it goes on where it was.",
        )
    return InvalidInput(f"{error.filename or folder}: {error.strerror or error}.")


def statistics_in(answer: Answer) -> Statistics | None:
    """Return what a task found. Raises the WkError that it ended with."""
    if answer.error is None:
        return answer.statistics
    code, message, hint = answer.error
    raise _KINDS.get(code, WkError)(message, hint=hint)


def _cast(voxels: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    return voxels if voxels.dtype == dtype else voxels.astype(dtype)


def _floored(start: ZYX, ratio: ZYX) -> ZYX:
    z, y, x = (s // r for s, r in zip(start, ratio, strict=True))
    return (z, y, x)
