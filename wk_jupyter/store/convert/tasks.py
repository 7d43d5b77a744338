"""The work of a conversion as independent tasks: which voxels each reads, and which files it writes.

A stage reads an image, or a mag that is there already, and writes one mag or several. Its grid is such
that every file of these mags belongs to one task: tasks run in any order, in any process, and again.
"""

from __future__ import annotations

from collections.abc import Iterator
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
from wk_jupyter.store.convert.shards import BRICK
from wk_jupyter.store.convert.statistics import samples_of_task

TASK_BYTES: Final = 2**26  # of the voxels that a task reads
_ZARR_UNIT: Final[ZYX] = (64, 512, 512)  # voxels of a shard of a stage's finest mag
_WKW_SIDE: Final = 256


class Task(NamedTuple):
    """``cell``: where in the stage's grid; ``time``: the point in time, from 0."""

    layer: int
    stage: int
    time: int
    cell: ZYX

    @property
    def name(self) -> str:
        return f"{self.layer}/{self.stage}/{self.time}/{'.'.join(map(str, self.cell))}"


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
        """Return how many stages follow each other."""
        return max(map(len, self.stages))

    def tasks(self, round_number: int) -> Iterator[Task]:
        """Return those tasks that may be done when all of the rounds before are."""
        for number, (layer, stages) in enumerate(zip(self.plan.layers, self.stages, strict=True)):
            if round_number >= len(stages):
                continue
            cells = _cells(layer, stages[round_number])
            for time in range(layer.times):
                for z, y, x in product(*cells):
                    yield Task(number, round_number, time, (z, y, x))

    def samples(self, number: int) -> int:
        """Return how many voxels a task that reads the image of a layer keeps for statistics."""
        layer = self.plan.layers[number]
        return samples_of_task(layer.times * prod(map(len, _cells(layer, self.stages[number][0]))))

    def voxels_of(self, task: Task) -> int:
        """Return how many voxels a task writes, of all its mags."""
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
            while side**3 * layer.voxel_bytes > TASK_BYTES and side > BRICK:
                side //= 2
            return (side, side, side)
        z, y, x = (min(most, _power_of_two(end)) for most, end in zip(_ZARR_UNIT, ends, strict=True))
        while z * y * x * layer.voxel_bytes > TASK_BYTES and max(y, x) > BRICK:
            y, x = max(BRICK, y // 2), max(BRICK, x // 2)
        return (z, y, x)


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
