"""The work of a conversion as independent tasks: which voxels each reads, and which files it writes.

A stage reads an image, or a mag that is there already, and writes one mag or several. Its grid is such
that every file of these mags belongs to one task: tasks run in any order, in any process, and again.
Where an image can be decoded by whole sections only, these are unpacked before, slab by slab.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from wk_jupyter.datasource import AdditionalAxis, LayerSource, MagSource, element_class_of
from wk_jupyter.geometry import BoundingBox, Mag
from wk_jupyter.store.convert.ladder import mag_ladder
from wk_jupyter.store.convert.outputs import ZYX, MagOutput, WkwMag, ZarrMag
from wk_jupyter.store.convert.plan import ConversionPlan, LayerPlan
from wk_jupyter.store.convert.scratch import Scratch
from wk_jupyter.store.convert.shards import BRICK
from wk_jupyter.store.convert.statistics import samples_of_task

TASK_BYTES: Final = 2**25  # of the voxels that a task reads, about
_ZARR_UNIT: Final[ZYX] = (64, 512, 512)  # voxels of a shard of a stage's finest mag
_WKW_SIDE: Final = 256
_WKW_BYTES: Final = 2**26  # of the voxels of a cube
_LEAST_ROWS: Final = 128  # voxels along y of a shard that was made lower, so that a task has whole rows
UNPACK: Final = -1  # the stage that comes before the first one
SCRATCH_FOLDER: Final = "scratch"
_TOO_MUCH: Final = 1.5
_UNPACK_BYTES: Final = 2**29  # that all processes may hold of sections
_COPIES: Final = 3  # packed, decoded, and cast


class Task(NamedTuple):
    """``cell``: where in the stage's grid; ``time``: the point in time, from 0.

    Of the stage ``UNPACK``, ``cell`` is the first section, the slab that it is for, and how many there are.
    """

    layer: int
    stage: int
    time: int
    cell: ZYX

    @property
    def name(self) -> str:
        return f"{self.layer}/{self.stage}/{self.time}/{'.'.join(map(str, self.cell))}"


class Round(NamedTuple):
    """Tasks of one layer that need those of the rounds before: a whole stage, or one slab of its tasks."""

    stage: int
    time: int | None = None
    slab: int | None = None


@dataclass(frozen=True)
class Stage:
    """``finer``: the mag that is read, None: the image. ``mags`` are written, finest first.

    ``unit``: voxels (z, y, x) of the first mag in one of its files; ``step``: those of a task.
    """

    finer: Mag | None
    mags: tuple[Mag, ...]
    unit: ZYX
    step: ZYX

    def file_of(self, mag: Mag) -> ZYX:
        """Return the voxels (z, y, x) in a file of one of the mags."""
        z, y, x = (
            max(BRICK, side // ratio)
            for side, ratio in zip(self.unit, ratio_of(mag, self.mags[0]), strict=True)
        )
        return (z, y, x)


class Layout:
    """All that a plan comes to: mags, stages and outputs of its layers in ``folder``."""

    def __init__(self, plan: ConversionPlan, folder: Path) -> None:
        self.plan = plan
        self.folder = folder
        self.mags = mag_ladder((layer.box for layer in plan.layers), plan.voxel_size, plan.max_mag)
        self.stages = [self._stages(layer) for layer in plan.layers]
        self._rounds = [
            _rounds_of(layer, stages) for layer, stages in zip(plan.layers, self.stages, strict=True)
        ]

    def layer_source(self, number: int) -> LayerSource:
        """Return how a layer is described, without what its voxels tell."""
        layer = self.plan.layers[number]
        axes = {"c": 0, "x": 1, "y": 2, "z": 3} if layer.times == 1 else {"c": 0, "x": 2, "y": 3, "z": 4}
        is_zarr = self.plan.format == "zarr3"
        return LayerSource(
            name=layer.name,
            category=layer.category,
            bounding_box=layer.box,
            element_class=element_class_of(np.dtype(layer.dtype), layer.num_channels),
            data_format=self.plan.format,
            mags=tuple(
                MagSource(mag, f"./{layer.name}/{mag.name}", axes if is_zarr else None) for mag in self.mags
            ),
            num_channels=layer.num_channels,
            additional_axes=() if layer.times == 1 else (AdditionalAxis("t", 0, layer.times, 1),),
        )

    def output(self, number: int, stage: Stage, mag: Mag) -> MagOutput:
        """Return where the voxels of a mag go."""
        source = self.layer_source(number)
        folder = self.folder / source.name / mag.name
        if self.plan.format == "wkw":
            return WkwMag(folder, source, min(stage.file_of(mag)), self.plan.compression)
        level = int(self.plan.compression.partition(":")[2] or 1)
        return ZarrMag(folder, source, mag, stage.file_of(mag), level)

    def stage_of(self, number: int, mag: Mag) -> Stage:
        """Return the stage that writes a mag."""
        return next(stage for stage in self.stages[number] if mag in stage.mags)

    def rounds(self) -> int:
        """Return how many rounds follow each other."""
        return max(map(len, self._rounds))

    def tasks(self, round_number: int) -> Iterator[Task]:
        """Return those tasks that may be done when all of the rounds before are."""
        for number, rounds in enumerate(self._rounds):
            if round_number < len(rounds):
                yield from self._tasks_of(number, rounds[round_number])

    def todo(self, round_number: int, done: Container[Task]) -> Iterator[Task]:
        """Return those tasks of a round that are left. Sections are unpacked while somebody needs them."""
        for task in self.tasks(round_number):
            if task.stage != UNPACK:
                if task not in done:
                    yield task
            elif any(
                each not in done for each in self._tasks_of(task.layer, Round(0, task.time, task.cell[1]))
            ):
                scratch = self.scratch(task.layer, task.time, task.cell[1])
                if not all(map(scratch.has, range(task.cell[0], task.cell[0] + task.cell[2]))):
                    yield task

    def tidy(self, round_number: int) -> None:
        """Remove the sections that were unpacked for a round which is done."""
        for number, rounds in enumerate(self._rounds):
            if round_number < len(rounds):
                _, time, slab = rounds[round_number]
                if time is not None and slab is not None and rounds[round_number].stage == 0:
                    self.scratch(number, time, slab).remove()

    def workers(self, round_number: int, asked: int) -> int:
        """Return how many processes may work at once: sections that are unpacked are held as a whole."""
        for number, rounds in enumerate(self._rounds):
            if round_number < len(rounds) and rounds[round_number].stage == UNPACK:
                layer = self.plan.layers[number]
                rows = min(layer.size[1], self.band(number) * self.stages[number][0].step[1])
                held = rows * layer.size[0] * layer.voxel_bytes * _COPIES
                asked = min(asked, max(1, _UNPACK_BYTES // held))
        return asked

    def scratch(self, number: int, time: int, slab: int) -> Scratch:
        """Return where the sections of a slab are unpacked to."""
        layer, stage = self.plan.layers[number], self.stages[number][0]
        start, step = layer.topleft, stage.step
        cuts = []
        for axis in (1, 0):  # y, x
            origin, size, side = start[axis], layer.size[axis], step[2 - axis]
            inner = range(-(-(origin + 1) // side) * side, origin + size, side)
            cuts.append((0, *(at - origin for at in inner), size))
        folder = self.folder.parent / SCRATCH_FOLDER / str(number) / str(time) / str(slab)
        return Scratch(folder, cuts[0], cuts[1], layer.num_channels, np.dtype(layer.dtype))

    def is_unpacked(self, number: int) -> bool:
        """Whether the sections of a layer are unpacked before the tasks take parts of them."""
        return self._rounds[number][0].stage == UNPACK

    def band(self, number: int) -> int:
        """Return how many rows of pieces of a section are decoded together."""
        return -(-self.plan.layers[number].grain[1] // self.stages[number][0].step[1])

    def samples(self, number: int) -> int:
        """Return how many voxels a task that reads the image of a layer keeps for statistics."""
        layer = self.plan.layers[number]
        return samples_of_task(layer.times * prod(map(len, _cells(layer, self.stages[number][0]))))

    def voxels_of(self, task: Task) -> int:
        """Return how many voxels a task writes, of all its mags."""
        if task.stage == UNPACK:
            return 0
        stage = self.stages[task.layer][task.stage]
        return sum(prod(self.part(task, mag)[1]) for mag in stage.mags)

    def part(self, task: Task, mag: Mag) -> tuple[ZYX, ZYX]:
        """Return the start and the shape (z, y, x) of a task's voxels of a mag."""
        stage = self.stages[task.layer][task.stage]
        start, size = box_of(self.plan.layers[task.layer], mag)
        ratio = ratio_of(mag, stage.mags[0])
        low, high = [], []
        for number, step, part, s, n in zip(task.cell, stage.step, ratio, start, size, strict=True):
            low.append(max(s, number * step // part))
            high.append(min(s + n, -(-(number + 1) * step // part)))
        shape = tuple(b - a for a, b in zip(low, high, strict=True))
        return (low[0], low[1], low[2]), (shape[0], shape[1], shape[2])

    def _tasks_of(self, number: int, which: Round) -> Iterator[Task]:
        layer = self.plan.layers[number]
        if which.stage == UNPACK:
            assert which.time is not None
            assert which.slab is not None
            yield from self._sections(number, which.time, which.slab)
            return
        slabs, rows, columns = _cells(layer, self.stages[number][which.stage])
        times = range(layer.times) if which.time is None else [which.time]
        for time, z, y, x in product(times, slabs if which.slab is None else [which.slab], rows, columns):
            yield Task(number, which.stage, time, (z, y, x))

    def _sections(self, number: int, time: int, slab: int) -> Iterator[Task]:
        """Return the tasks that unpack the sections of a slab: some at once where they are small."""
        layer, depth = self.plan.layers[number], self.stages[number][0].step[0]
        first, size = layer.topleft[2], layer.size[2]
        low, high = max(first, slab * depth), min(first + size, (slab + 1) * depth)
        each = layer.size[0] * layer.size[1] * layer.voxel_bytes
        count = max(layer.grain[0], min(high - low, TASK_BYTES // (4 * each)), 1)
        for z in range(low, high, count):
            yield Task(number, UNPACK, time, (z, slab, min(count, high - z)))

    def _stages(self, layer: LayerPlan) -> list[Stage]:
        stages: list[Stage] = []
        left = list(self.mags)
        while left:
            unit = self._unit(layer, left[0])
            count = 1
            while count < len(left) and _fits(unit, layer, left[0], left[count]):
                count += 1
            finer = stages[-1].mags[-1] if stages else None
            stages.append(Stage(finer, tuple(left[:count]), unit, _step(unit, layer, left[0])))
            left = left[count:]
        return stages

    def _unit(self, layer: LayerPlan, mag: Mag) -> ZYX:
        start, size = box_of(layer, mag)
        ends = [s + n for s, n in zip(start, size, strict=True)]
        if self.plan.format == "wkw":
            side = min(_WKW_SIDE, max(map(_power_of_two, ends)))
            while side**3 * layer.voxel_bytes > _WKW_BYTES and side > BRICK:
                side //= 2
            return (side, side, side)
        z, y, x = (min(most, _power_of_two(end)) for most, end in zip(_ZARR_UNIT, ends, strict=True))
        while z * y * x * layer.voxel_bytes > TASK_BYTES and max(y, x) > BRICK:
            y, x = max(BRICK, y // 2), max(BRICK, x // 2)
        across = -(-ends[2] // x) - start[2] // x
        row = z * x * across * layer.voxel_bytes
        if row * _LEAST_ROWS <= TASK_BYTES:  # a bit lower, so that a task has whole rows of the image
            while y > _LEAST_ROWS and row * y > TASK_BYTES:
                y //= 2
        return (z, y, x)


def _rounds_of(layer: LayerPlan, stages: list[Stage]) -> list[Round]:
    rounds = [Round(number) for number in range(len(stages))]
    if not _decodes_too_much(layer, stages[0]):
        return rounds
    slabs = [
        Round(stage, time, slab)
        for time in range(layer.times)
        for slab in _cells(layer, stages[0])[0]
        for stage in (UNPACK, 0)
    ]
    return [*slabs, *rounds[1:]]


def _decodes_too_much(layer: LayerPlan, stage: Stage) -> bool:
    """Whether tasks, each for itself, would decode far more than they use. Single rows are never packed."""
    _, height, width = layer.grain
    if height <= 1:
        return False
    used, decoded = 1, 1
    for side, length, step in zip((height, width), layer.size[1::-1], stage.step[1:], strict=True):
        asked = min(step, length)
        used *= asked
        decoded *= min(length, (-(-asked // side) + (asked % side > 0)) * side)
    return decoded > _TOO_MUCH * used


def _cells(layer: LayerPlan, stage: Stage) -> list[range]:
    """Return the cells (z, y, x) of a stage's grid that hold something."""
    start, size = box_of(layer, stage.mags[0])
    return [
        range(low // step, -(-(low + extent) // step))
        for low, extent, step in zip(start, size, stage.step, strict=True)
    ]


def box_of(layer: LayerPlan, mag: Mag) -> tuple[ZYX, ZYX]:
    """Return the start and the size (z, y, x) of a layer's box in voxels of a mag."""
    box: BoundingBox = layer.box.in_mag(mag)
    (x, y, z), (width, height, depth) = box.topleft, box.size
    return (z, y, x), (depth, height, width)


def ratio_of(coarse: Mag, fine: Mag) -> ZYX:
    """Return how many voxels of the finer mag along z, y, x make one of the coarser."""
    x, y, z = (a // b for a, b in zip(coarse, fine, strict=True))
    return (z, y, x)


def _fits(unit: ZYX, layer: LayerPlan, first: Mag, mag: Mag) -> bool:
    """Whether a mag's files can belong to the tasks of a stage: whole bricks, or one file along an axis."""
    start, size = box_of(layer, first)
    return all(
        side // ratio >= BRICK or s + n <= side
        for side, ratio, s, n in zip(unit, ratio_of(mag, first), start, size, strict=True)
    )


def _step(unit: ZYX, layer: LayerPlan, mag: Mag) -> ZYX:
    """As many files as may be read at once, whole rows of them first."""
    start, size = box_of(layer, mag)
    z, y, x = unit
    room = TASK_BYTES // (z * y * x * layer.voxel_bytes)
    columns = max(1, min(room, -(-(start[2] + size[2]) // x)))
    rows = max(1, min(room // columns, -(-(start[1] + size[1]) // y)))
    return (z, y * rows, x * columns)


def _power_of_two(number: int) -> int:
    return max(BRICK, 1 << (number - 1).bit_length())
