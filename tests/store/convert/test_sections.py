"""Images of which only whole sections can be decoded: unpacked once, with the same voxels at the end."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conversions import converted, digest, layer_of, plan_of

from wk_jupyter.store.convert import Cancelled, ConversionPlan, ConversionProgress, LayerPlan, convert
from wk_jupyter.store.readers.base import ImageRef

WIDTH, HEIGHT = 5000, 1700
SECTION = (1, HEIGHT, WIDTH)  # the grain of these images
MIB = 2**20


@pytest.fixture(scope="module")
def layer(tmp_path_factory) -> LayerPlan:
    rng = np.random.default_rng(8)
    coarse = rng.integers(0, 255, (1, 1, 3, 17, 50), np.uint8)
    voxels = coarse.repeat(100, 3).repeat(100, 4) + rng.integers(0, 3, (1, 1, 3, HEIGHT, WIDTH), np.uint8)
    return layer_of(tmp_path_factory.mktemp("source"), voxels, topleft=(130, 70, 31))


@pytest.fixture(scope="module")
def whole(layer, tmp_path_factory) -> dict[str, str]:
    return digest(converted(plan_of(layer), tmp_path_factory.mktemp("whole")))


def packed(plan: ConversionPlan) -> ConversionPlan:
    return replace(plan, layers=tuple(replace(layer, grain=SECTION) for layer in plan.layers))


@pytest.mark.parametrize("data_format", ["zarr3", "wkw"])
def test_it_comes_to_the_same(tmp_path: Path, layer: LayerPlan, data_format: str) -> None:
    plan = plan_of(layer, format=data_format)
    said: list[str] = []
    folder = converted(
        packed(plan), tmp_path / "packed", workers=2, progress=lambda progress: said.append(progress.message)
    )
    assert "unpacking sections of color" in said
    assert digest(folder) == digest(converted(plan, tmp_path / "plain"))
    assert not (tmp_path / "packed" / "scratch").exists()


def test_points_in_time_come_to_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    voxels = rng.integers(0, 2, (2, 3, 1, HEIGHT, WIDTH), np.uint8)
    plan = plan_of(layer_of(tmp_path, voxels, topleft=(0, 500, 0)))
    found = digest(converted(packed(plan), tmp_path / "packed"))
    assert found == digest(converted(plan, tmp_path / "plain"))


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 7])
def test_stopped_anywhere_it_goes_on(
    tmp_path: Path, layer: LayerPlan, whole: dict[str, str], steps: int
) -> None:
    plan = packed(plan_of(layer))
    seen: list[ConversionProgress] = []
    with pytest.raises(Cancelled):
        convert(
            plan, tmp_path / "work", workers=0, progress=seen.append, cancelled=lambda: len(seen) >= steps
        )
    folder = converted(plan, tmp_path / "work", progress=seen.append)
    assert seen[-1].fraction == 1
    assert digest(folder) == whole


def peak(plan: ConversionPlan, work_dir: Path) -> int:
    """Return the most bytes that a conversion in this process holds at once."""
    tracemalloc.start()
    try:
        converted(plan, work_dir)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def sparse(path: Path, shape: tuple[int, ...]) -> ImageRef:
    """An image of zeros that takes no room on the disk."""
    np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    return ImageRef("array", (str(path),))


def test_memory_does_not_grow_with_the_number_of_sections(tmp_path: Path) -> None:
    peaks = []
    for depth in (64, 640):
        source = sparse(tmp_path / f"{depth}.npy", (depth, 700, 700))
        plan = plan_of(LayerPlan("color", "color", source, (700, 700, depth)))
        peaks.append(peak(plan, tmp_path / str(depth)))
    assert peaks[1] < peaks[0] + 10 * MIB  # what is kept of a layer's values has a bound of its own


def test_memory_does_not_grow_with_the_size_of_sections(tmp_path: Path) -> None:
    source = sparse(tmp_path / "wide.npy", (2, 20_000, 20_000))
    plan = plan_of(LayerPlan("color", "color", source, (20_000, 20_000, 2)))
    assert peak(plan, tmp_path / "work") < 256 * MIB
