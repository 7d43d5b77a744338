"""One step from a mag to the next, against arithmetic voxel by voxel; and which mags there are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conversions import pyramid
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from wk_jupyter.geometry import BoundingBox, Mag, VoxelSize
from wk_jupyter.store.convert.downsample import halve
from wk_jupyter.store.convert.ladder import mag_ladder

_steps = st.tuples(*[st.integers(1, 2)] * 3)


@pytest.mark.parametrize("method", ["mean", "median", "mode"])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint32", "int64", "uint64"])
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_any_box_of_any_values(data: st.DataObject, dtype: str, method: Any) -> None:
    shape = (1, *data.draw(st.tuples(*[st.integers(1, 5)] * 3)))
    limits = np.iinfo(dtype)
    ends = st.sampled_from([limits.min, limits.min + 1, 0, 1, limits.max - 1, limits.max])
    voxels = data.draw(arrays.arrays(dtype, shape, elements=ends | st.integers(limits.min, limits.max)))
    start = data.draw(st.tuples(*[st.integers(0, 3)] * 3))
    factors = data.draw(_steps)
    model = pyramid(voxels, start[::-1], [Mag(1), Mag(factors[::-1])], method)[Mag(factors[::-1])]
    np.testing.assert_array_equal(halve(voxels, start, factors, method), model)


@pytest.mark.parametrize("method", ["mean", "median"])
def test_floats_stay_what_they_are(method: Any) -> None:
    voxels = np.linspace(-1e30, 1e30, 4 * 6 * 8, dtype=np.float32).reshape(1, 4, 6, 8)
    found = halve(voxels, (0, 0, 0), (2, 2, 2), method)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, pyramid(voxels, (0, 0, 0), [Mag(1), Mag(2)], method)[Mag(2)], rtol=1e-6)


def test_ids_that_no_float_can_hold() -> None:
    top = np.uint64(2**64 - 1)
    voxels = np.array([top, top - np.uint64(1), top - np.uint64(1), 3], np.uint64).reshape(1, 1, 2, 2)
    assert halve(voxels, (0, 0, 0), (1, 2, 2), "mode").item() == 2**64 - 2


def ladder(size: tuple[int, int, int], voxel_size: tuple[float, float, float], **options: Any) -> list[str]:
    return [mag.name for mag in mag_ladder([BoundingBox((0, 0, 0), size)], VoxelSize(voxel_size), **options)]


def test_mags_bring_voxels_closer_to_cubes() -> None:
    assert ladder((1024, 1024, 1024), (11.24, 11.24, 28)) == ["1", "2-2-1", "4-4-2", "8-8-4", "16-16-8"]
    assert ladder((1024, 1024, 512), (4, 4, 40)) == ["1", "2-2-1", "4-4-1", "8-8-1", "16-16-2"]
    assert ladder((300, 300, 300), (10, 10, 10)) == ["1", "2", "4"]


def test_an_overview_is_always_there_and_no_axis_vanishes() -> None:
    assert ladder((10, 10, 10), (1, 1, 1)) == ["1", "2", "4"]
    assert ladder((5000, 4000, 1), (1, 1, 1))[-1] == "64-64-1"
    assert ladder((1, 1, 1), (1, 1, 1)) == ["1"]


def test_the_coarsest_mag_may_be_chosen() -> None:
    assert ladder((4096, 4096, 4096), (1, 1, 1), max_mag=2) == ["1", "2"]
    assert ladder((4096, 4096, 4096), (1, 1, 1), max_mag=1) == ["1"]
