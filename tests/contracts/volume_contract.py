"""What every stored format must do, written once. Subclass ``VolumeContract`` for each format.

A subclass says how voxels are stored, opened and damaged; the tests are inherited::

    class TestWkw(VolumeContract):
        def store(self, folder, voxels): ...
        def open(self, folder): ...
        def damage(self, folder): ...
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from wk_jupyter.errors import CorruptData, InvalidInput
from wk_jupyter.geometry import BoundingBox, Vec3Int
from wk_jupyter.store.volumes.base import ReadsMany, Volume


def random_voxels(dtype: str, shape: tuple[int, ...], seed: int = 1) -> NDArray[Any]:
    """Voxels over the whole range of a type, its least and greatest value among them."""
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return (rng.standard_normal(shape) * 1e6).astype(kind)
    limits = np.iinfo(kind)
    voxels = rng.integers(limits.min, limits.max, shape, kind, endpoint=True)
    voxels.flat[:2] = limits.min, limits.max
    return voxels


def expected(voxels: NDArray[Any], box: BoundingBox) -> NDArray[Any]:
    """What a read of ``box`` must give where ``voxels`` (c, x, y, z) start at 0 and all else is 0."""
    result = np.zeros((voxels.shape[0], *box.size), voxels.dtype)
    inside = box.intersection(BoundingBox((0, 0, 0), voxels.shape[1:]))
    if not inside.is_empty:
        source = tuple(slice(a, b) for a, b in zip(inside.topleft, inside.bottomright, strict=True))
        target = tuple(
            slice(a - o, b - o)
            for a, b, o in zip(inside.topleft, inside.bottomright, box.topleft, strict=True)
        )
        result[:, *target] = voxels[:, *source]
    return result


_boxes = st.builds(
    BoundingBox,
    st.tuples(st.integers(-40, 110), st.integers(-40, 90), st.integers(-40, 80)),
    st.tuples(st.integers(0, 90), st.integers(0, 70), st.integers(0, 60)),
)


class VolumeContract(ABC):
    """Class attributes may be overridden: they describe the voxels that the tests store."""

    dtype: ClassVar[str] = "uint16"
    channels: ClassVar[int] = 1
    size: ClassVar[tuple[int, int, int]] = (75, 50, 40)
    empty: ClassVar[BoundingBox] = BoundingBox((32, 0, 0), (32, 50, 40))
    """The part that is all 0: chunks that lie wholly within must be left out of what is stored."""

    @abstractmethod
    def store(self, folder: Path, voxels: NDArray[Any]) -> None:
        """Write voxels (c, x, y, z), the first at voxel 0 of the mag, below the empty ``folder``."""

    @abstractmethod
    def open(self, folder: Path) -> Volume:
        """Open what ``store`` has written."""

    @abstractmethod
    def damage(self, folder: Path) -> Path:
        """Spoil one stored file so that it cannot be decoded; return it."""

    @pytest.fixture
    def voxels(self) -> NDArray[Any]:
        voxels = random_voxels(self.dtype, (self.channels, *self.size))
        corners = zip(self.empty.topleft, self.empty.bottomright, strict=True)
        voxels[:, *(slice(a, b) for a, b in corners)] = 0
        return voxels

    @pytest.fixture
    def folder(self, tmp_path: Path, voxels: NDArray[Any]) -> Path:
        folder = tmp_path / "stored"
        folder.mkdir()
        self.store(folder, voxels)
        return folder

    @pytest.fixture
    def volume(self, folder: Path) -> Iterator[Volume]:
        volume = self.open(folder)
        yield volume
        volume.close()

    @property
    def whole(self) -> BoundingBox:
        return BoundingBox((0, 0, 0), self.size)

    def test_info_tells_type_channels_and_extent(self, volume: Volume, folder: Path) -> None:
        info = volume.info
        assert info.dtype == np.dtype(self.dtype)
        assert info.dtype.isnative
        assert info.num_channels == self.channels
        assert info.bounds.contains(self.whole)
        assert min(info.chunk_shape) >= 1
        assert str(folder) in info.label

    def test_the_whole_is_read(self, volume: Volume, voxels: NDArray[Any]) -> None:
        array = volume.read(self.whole)
        assert array.shape == (self.channels, *self.size)
        assert array.dtype == np.dtype(self.dtype)
        assert array.dtype.isnative
        np.testing.assert_array_equal(array, voxels)

    # The fixtures are only read, so examples may share them.
    @settings(
        max_examples=30,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(box=_boxes)
    def test_any_box_is_read(self, volume: Volume, voxels: NDArray[Any], box: BoundingBox) -> None:
        np.testing.assert_array_equal(volume.read(box), expected(voxels, box))

    @pytest.mark.parametrize("topleft", [(-50, -50, -50), (5000, 10, 10), (10, 5000, 10), (0, 0, -9)])
    def test_outside_of_what_is_stored_voxels_are_zero(
        self, volume: Volume, topleft: tuple[int, int, int]
    ) -> None:
        array = volume.read(BoundingBox(topleft, (9, 8, 7)))
        assert array.shape == (self.channels, 9, 8, 7)
        assert not array.any()

    def test_parts_that_were_never_written_are_zero(self, volume: Volume) -> None:
        array = volume.read(self.empty)
        assert array.shape == (self.channels, *self.empty.size)
        assert not array.any()

    def test_an_empty_box_has_no_voxels(self, volume: Volume) -> None:
        assert volume.read(BoundingBox((3, 3, 3), (4, 0, 5))).shape == (self.channels, 4, 0, 5)

    def test_what_was_read_belongs_to_the_caller(self, volume: Volume, voxels: NDArray[Any]) -> None:
        array = volume.read(self.whole)
        array[...] = 1
        np.testing.assert_array_equal(volume.read(self.whole), voxels)

    def test_awaited_reads_are_the_same(self, volume: Volume, voxels: NDArray[Any]) -> None:
        boxes = [BoundingBox((x, 7, 3), (30, 20, 10)) for x in (-5, 0, 20, 44, 70)]

        async def read_all() -> list[NDArray[Any]]:
            return await asyncio.gather(*(volume.read_async(box) for box in boxes))

        for box, array in zip(boxes, asyncio.run(read_all()), strict=True):
            assert array.dtype == np.dtype(self.dtype)
            np.testing.assert_array_equal(array, expected(voxels, box))

    def test_many_boxes_are_read_as_one_after_the_other(self, volume: Volume, voxels: NDArray[Any]) -> None:
        if not isinstance(volume, ReadsMany):
            pytest.skip("an ability that this format does not have")
        boxes = [BoundingBox((n % 40, n % 7, n % 3), (30, 20 + n % 5, 9)) for n in range(50)]
        boxes += [self.whole, BoundingBox((-5, -5, -5), (20, 20, 20)), BoundingBox((10**6, 0, 0), (2, 2, 2))]
        for array, box in zip(volume.read_many(boxes), boxes, strict=True):
            np.testing.assert_array_equal(array, expected(voxels, box))
        with pytest.raises(InvalidInput):
            list(volume.read_many(boxes, {"no such axis": 0}))

    def test_a_damaged_box_among_many_harms_no_other(self, folder: Path) -> None:
        self.damage(folder)
        volume = self.open(folder)
        if not isinstance(volume, ReadsMany):
            volume.close()
            pytest.skip("an ability that this format does not have")
        beyond = BoundingBox((10**6, 0, 0), (2, 2, 2))
        before, damaged, after = volume.read_many([beyond, self.whole, beyond])
        volume.close()
        assert isinstance(damaged, CorruptData)
        for array in (before, after):
            np.testing.assert_array_equal(array, np.zeros((self.channels, 2, 2, 2)))

    def test_threads_may_share_a_volume(self, volume: Volume, voxels: NDArray[Any]) -> None:
        boxes = [
            BoundingBox(Vec3Int(x, y, 2), (25, 20, 30)) for x in range(-10, 70, 8) for y in range(-5, 45, 10)
        ]
        with ThreadPoolExecutor(8) as threads:
            for box, array in zip(boxes, threads.map(volume.read, boxes), strict=True):
                np.testing.assert_array_equal(array, expected(voxels, box))

    def test_damage_is_told_with_the_name_of_the_file(self, folder: Path) -> None:
        file = self.damage(folder)
        volume = self.open(folder)
        with pytest.raises(CorruptData) as caught:
            volume.read(self.whole)
        assert file.name in str(caught.value)
        assert str(folder) in caught.value.path
        assert caught.value.hint
        with pytest.raises(CorruptData):
            asyncio.run(volume.read_async(self.whole))
        volume.close()

    def test_closing_twice_does_no_harm(self, folder: Path) -> None:
        volume = self.open(folder)
        volume.read(BoundingBox((0, 0, 0), (1, 1, 1)))
        volume.close()
        volume.close()
