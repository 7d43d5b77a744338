from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wk_jupyter.errors import InvalidInput
from wk_jupyter.geometry import BoundingBox, Mag, Vec3Int, VoxelSize

coordinate = st.integers(-10_000, 10_000)
extent = st.integers(0, 5_000)
boxes = st.builds(
    BoundingBox, st.tuples(coordinate, coordinate, coordinate), st.tuples(extent, extent, extent)
)
mags = st.builds(Mag, st.tuples(*[st.sampled_from([1, 2, 3, 4, 8, 16])] * 3))


def test_vectors_calculate_elementwise() -> None:
    a = Vec3Int(1, 2, 3)
    assert a + Vec3Int(10, 20, 30) == (11, 22, 33)
    assert a * 2 == (2, 4, 6)
    assert Vec3Int(-1, 7, 8) // 4 == (-1, 1, 2)
    assert Vec3Int(-1, 7, 8).ceildiv(4) == (0, 2, 2)
    assert isinstance(a - 1, Vec3Int)
    assert pickle.loads(pickle.dumps(a)) == a


@pytest.mark.parametrize(
    "value", ["123", (1, 2), (1, 2, 3, 4), (1, 2, "3"), (1, 2, 3.5), None, {"x": 1}, (1, True, 2)]
)
def test_what_is_no_vector_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput):
        Vec3Int.of(value)  # type: ignore[arg-type]


def test_numpy_numbers_and_whole_floats_make_vectors() -> None:
    assert Vec3Int.of(np.array([1, 2, 3])) == (1, 2, 3)
    assert Vec3Int.of([1.0, 2.0, np.int64(3)]) == (1, 2, 3)
    assert Vec3Int.of(np.int32(4)) == (4, 4, 4)


@pytest.mark.parametrize(
    ("value", "name", "long_name"),
    [(1, "1", "1-1-1"), ("4", "4", "4-4-4"), ("2-2-1", "2-2-1", "2-2-1"), ([4, 4, 2], "4-4-2", "4-4-2")],
)
def test_mags_are_written_in_many_ways(value: object, name: str, long_name: str) -> None:
    mag = Mag(value)  # type: ignore[arg-type]
    assert (mag.name, mag.long_name) == (name, long_name)
    assert Mag(mag.name) == Mag(mag.long_name) == mag
    assert eval(repr(mag)) == mag


@pytest.mark.parametrize("value", [0, -1, "2-2", "a", "1-1-1-1", (1, 2), 1.5, "2 - 2 - 1", "", (0, 1, 1)])
def test_what_is_no_mag_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput):
        Mag(value)  # type: ignore[arg-type]


def test_mags_sort_from_fine_to_coarse() -> None:
    names = ["16-16-4", "1", "2", "2-2-1", "8", "4-4-1"]
    assert [m.name for m in sorted(map(Mag, names))] == ["1", "2-2-1", "2", "4-4-1", "8", "16-16-4"]


@given(boxes, mags)
def test_a_box_in_a_mag_is_rounded_outward_by_less_than_a_voxel(box: BoundingBox, mag: Mag) -> None:
    around = box.in_mag(mag).from_mag(mag)
    if box.is_empty:
        return
    assert around.contains(box)
    for axis in range(3):
        assert box.topleft[axis] - around.topleft[axis] < tuple(mag)[axis]
        assert around.bottomright[axis] - box.bottomright[axis] < tuple(mag)[axis]
    assert around.aligned(mag) == around


@given(boxes, boxes)
def test_an_intersection_is_in_both_and_a_union_holds_both(a: BoundingBox, b: BoundingBox) -> None:
    common = a.intersection(b)
    assert common.is_empty or (a.contains(common) and b.contains(common))
    assert a.union(b).contains(a)
    assert a.union(b).contains(b)


def test_boxes_travel_as_json_and_text() -> None:
    box = BoundingBox((119, 1000, 27), (96, 80, 20))
    assert BoundingBox.from_json(box.to_json()) == box
    assert BoundingBox.parse("119, 1000,27, 96,80,20") == box
    assert box.volume == 96 * 80 * 20
    assert box.center == (167.0, 1040.0, 37.0)
    assert str(box) == "(119, 1000, 27) + 96 × 80 × 20"


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5,x", "1,2,3,4,5,-6"])
def test_what_is_no_box_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        BoundingBox.parse(text)


def test_an_absurd_box_is_refused() -> None:
    with pytest.raises(InvalidInput, match="absurdly large"):
        BoundingBox((0, 0, 0), (2**60, 1, 1))


@pytest.mark.parametrize(
    ("unit", "nanometers"),
    [
        ("nm", 2.0),
        ("nanometer", 2.0),
        ("µm", 2000.0),
        ("micrometer", 2000.0),
        ("Å", 0.2),
        ("mm", 2e6),
        ("inch", 5.08e7),
    ],
)
def test_voxel_sizes_know_their_unit(unit: str, nanometers: float) -> None:
    assert VoxelSize((2, 2, 2), unit).nanometers == pytest.approx((nanometers,) * 3)


@pytest.mark.parametrize(
    "factor", [(0, 1, 1), (-1, 1, 1), (float("nan"), 1, 1), (float("inf"), 1, 1), (1, 1)]
)
def test_voxel_sizes_are_positive_and_finite(factor: tuple[float, ...]) -> None:
    with pytest.raises(InvalidInput):
        VoxelSize(factor)  # type: ignore[arg-type]


def test_an_unknown_unit_is_named() -> None:
    with pytest.raises(InvalidInput, match="'furlong'"):
        VoxelSize((1, 1, 1), "furlong")


def test_a_voxel_size_reads_as_one_writes_it() -> None:
    assert str(VoxelSize((11.24, 11.24, 28))) == "11.24 × 11.24 × 28 nm"
