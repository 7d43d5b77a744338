"""What every reader of image files must do, written once. Subclass ``ReaderContract`` for each format.

A subclass says how a small image is written, and what reading it must give; the tests are inherited::

    class TestNifti(ReaderContract):
        reader = "nifti"

        def write(self, folder): return Written([path], voxels)

``require_image``, ``read_whole`` and ``require_regions`` serve tests of single features as well.
"""

from __future__ import annotations

import json
import math
import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from wk_jupyter.errors import WkError
from wk_jupyter.store.readers import open_image, reader_for, reader_named
from wk_jupyter.store.readers.base import Image, ImageFile, ImageInfo, ImageRef, Region

DTYPES = frozenset(f"{kind}{bits}" for kind in ("uint", "int") for bits in (8, 16, 32, 64)) | {
    "float16",
    "float32",
    "float64",
}
_READ_BYTES = 2**28
"""More than any image of these tests has: what promises more after damage is not read."""


@dataclass
class Written:
    """Files of one image and the voxels (t, c, z, y, x) that the reader must give of them."""

    paths: list[Path]
    voxels: NDArray[Any]
    hints: Mapping[str, Any] = field(default_factory=dict)
    image: int = 0


def require_info(info: ImageInfo) -> None:
    """What is told of an image agrees with itself."""
    assert min(info.size) >= 1
    assert info.dtype.name in DTYPES, info.dtype
    assert info.dtype.isnative
    for grain, length in zip(info.grain, info.size[2:], strict=True):
        assert 1 <= grain <= length, (info.grain, info.size)
    assert not info.rgb or info.size.c == 3
    assert not info.channels or len(info.channels) == info.size.c
    assert all(size is None or (0 < size < math.inf) for size in info.voxel_size)
    assert all(note.endswith(".") for note in info.notes)
    for channel in info.channels:
        assert channel.color is None or all(0 <= part <= 255 for part in channel.color)
        assert channel.window is None or channel.window[0] < channel.window[1]


def whole(image: Image, time: int = 0) -> Region:
    _, c, z, y, x = image.info.size
    return Region(time, (0, c), (0, z), (0, y), (0, x))


def read_whole(image: Image) -> NDArray[Any]:
    """All voxels of an image (t, c, z, y, x)."""
    return np.stack([image.read(whole(image, time)) for time in range(image.info.size.t)])


def require_region(image: Image, voxels: NDArray[Any], region: Region) -> None:
    part = image.read(region)
    assert part.shape == region.shape
    assert part.dtype == image.info.dtype
    assert part.flags.c_contiguous
    t, *ranges = region
    np.testing.assert_array_equal(part, voxels[(t, *(slice(*each) for each in ranges))])


def require_regions(image: Image, voxels: NDArray[Any], count: int = 20) -> None:
    """The whole, the last voxel, and some random regions are what ``voxels`` (t, c, z, y, x) say."""
    assert image.info.size == voxels.shape
    assert image.info.dtype == voxels.dtype
    require_info(image.info)
    np.testing.assert_array_equal(read_whole(image), voxels)
    t, *lengths = voxels.shape
    require_region(image, voxels, Region(t - 1, *((n - 1, n) for n in lengths)))
    dice = random.Random(7)
    for _ in range(count):
        ranges = (sorted(dice.choices(range(n + 1), k=2)) for n in lengths)
        require_region(image, voxels, Region(dice.randrange(t), *((a, b) for a, b in ranges)))


def require_image(
    reader: str, paths: Sequence[Path], voxels: NDArray[Any], hints: Mapping[str, Any] | None = None
) -> ImageInfo:
    """Open files of one image, compare it with ``voxels`` (t, c, z, y, x), and return what it tells."""
    with closing(reader_named(reader).open(paths, hints or {})) as opened:
        assert len(opened.images) == 1
        require_regions(opened.images[0], voxels)
        return opened.images[0].info


def refusal(reader: str, paths: Sequence[Path], hints: Mapping[str, Any] | None = None) -> WkError | None:
    """Open and read all that is promised; return what it was refused with. Any other error is the test's."""
    try:
        with closing(reader_named(reader).open(paths, hints or {})) as opened:
            for image in opened.images:
                require_info(image.info)
                if math.prod(image.info.size) * image.info.dtype.itemsize <= _READ_BYTES:
                    read_whole(image)
    except WkError as error:
        return error
    return None


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _regions(draw: st.DrawFn, lengths: tuple[int, ...]) -> Region:
    t, *others = lengths
    ranges = (sorted(draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in others)
    return Region(draw(st.integers(0, t - 1)), *((a, b) for a, b in ranges))


_SHARED = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)


class ReaderContract(ABC):
    """Class attributes may be overridden where a format differs."""

    reader: ClassVar[str]
    is_recognised: ClassVar[bool] = True
    """Its files are told by their first bytes or their names."""
    tells_cuts: ClassVar[bool] = True
    """A file that is too short is never read as if it were whole."""

    @abstractmethod
    def write(self, folder: Path) -> Written:
        """Write a small image below the empty ``folder``: a few kilobytes, all axes of different lengths."""

    @pytest.fixture
    def written(self, tmp_path: Path) -> Written:
        folder = tmp_path / "Bilder – 1"
        folder.mkdir()
        return self.write(folder)

    @pytest.fixture
    def opened(self, written: Written) -> Iterator[ImageFile]:
        opened = reader_named(self.reader).open(written.paths, written.hints)
        yield opened
        opened.close()

    @pytest.fixture
    def image(self, opened: ImageFile, written: Written) -> Image:
        return opened.images[written.image]

    def test_it_is_recognised(self, written: Written) -> None:
        if not self.is_recognised:
            pytest.skip("a format that is asked for by its name")
        reader = reader_for(written.paths[0])
        assert reader.name == self.reader
        assert written.paths[0].name.lower().endswith(tuple(reader.suffixes))
        assert all(suffix == suffix.lower() and suffix[0] == "." for suffix in reader.suffixes)

    def test_what_is_told_agrees_with_itself(self, image: Image, written: Written) -> None:
        require_info(image.info)
        assert image.info.size == written.voxels.shape
        assert image.info.dtype == written.voxels.dtype

    def test_the_whole_is_read(self, image: Image, written: Written) -> None:
        np.testing.assert_array_equal(read_whole(image), written.voxels)

    @_SHARED
    @given(data=st.data())
    def test_any_region_is_a_cut_of_the_whole(
        self, image: Image, written: Written, data: st.DataObject
    ) -> None:
        region = data.draw(st.composite(_regions)(written.voxels.shape))
        require_region(image, written.voxels, region)

    def test_what_was_read_belongs_to_the_caller(self, image: Image, written: Written) -> None:
        image.read(whole(image))[...] = 1
        np.testing.assert_array_equal(read_whole(image), written.voxels)

    def test_threads_may_share_an_image(self, image: Image, written: Written) -> None:
        dice = random.Random(3)
        t, *lengths = written.voxels.shape
        regions = []
        for _ in range(100):
            ranges = (sorted(dice.choices(range(n + 1), k=2)) for n in lengths)
            regions.append(Region(dice.randrange(t), *((a, b) for a, b in ranges)))
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda region: require_region(image, written.voxels, region), regions))

    def test_another_process_opens_it_by_its_reference(self, written: Written) -> None:
        ref = ImageRef(self.reader, tuple(map(str, written.paths)), written.image, dict(written.hints))
        told = json.loads(json.dumps(asdict(ref)))
        opened, image = open_image(ImageRef(**{**told, "paths": tuple(told["paths"])}))
        np.testing.assert_array_equal(read_whole(image), written.voxels)
        opened.close()

    def test_closing_gives_all_back_and_may_be_done_twice(self, written: Written) -> None:
        reader = reader_named(self.reader)
        reader.open(written.paths, written.hints).close()
        before = descriptors()
        for _ in range(5):
            opened = reader.open(written.paths, written.hints)
            opened.images[0].read(whole(opened.images[0]))
            opened.close()
            opened.close()
        assert descriptors() == before

    def test_files_that_are_not_there_are_told(self, written: Written) -> None:
        for path in written.paths:
            path.unlink()
        self.require_refusal(written)

    def test_folders_are_no_files(self, written: Written) -> None:
        for path in written.paths:
            path.unlink()
            path.mkdir()
        self.require_refusal(written)

    def test_empty_files_are_told(self, written: Written) -> None:
        written.paths[-1].write_bytes(b"")
        self.require_refusal(written)

    def test_cut_files_are_told(self, written: Written) -> None:
        path = written.paths[-1]
        data = path.read_bytes()
        for length in sorted({len(data) * part // 24 for part in range(24)} | {1, 4, 8, 64, len(data) - 1}):
            if length >= len(data):
                continue
            path.write_bytes(data[:length])
            error = self.refused(written)
            if error is not None:
                assert path.name in str(error), error
            elif self.tells_cuts:
                # What is missing was no voxel.
                with closing(reader_named(self.reader).open(written.paths, written.hints)) as opened:
                    np.testing.assert_array_equal(read_whole(opened.images[written.image]), written.voxels)

    def test_garbage_is_told(self, written: Written) -> None:
        path = written.paths[-1]
        data, dice = path.read_bytes(), random.Random(5)
        for kept in (0, 4, 16, 128):
            path.write_bytes(data[:kept] + dice.randbytes(len(data) - kept))
            error = self.refused(written)
            if error is not None:
                assert path.name in str(error), error

    def test_damage_anywhere_gives_voxels_or_a_refusal(self, written: Written) -> None:
        path = written.paths[-1]
        data, dice = path.read_bytes(), random.Random(11)
        before = descriptors()
        for _ in range(150):
            damaged = bytearray(data)
            for _ in range(dice.choice((1, 1, 2, 8))):
                # headers are at the ends
                spread = dice.choice((len(data), min(len(data), 512)))
                place = dice.randrange(spread) * dice.choice((1, -1))
                damaged[place] = dice.choice((0, 1, 127, 128, 255, dice.randrange(256)))
            path.write_bytes(damaged)
            error = self.refused(written)
            if error is not None:
                assert path.name in str(error), error
        assert descriptors() == before

    def refused(self, written: Written) -> WkError | None:
        return refusal(self.reader, written.paths, written.hints)

    def require_refusal(self, written: Written) -> None:
        before = descriptors()
        error = self.refused(written)
        assert error is not None
        assert any(path.name in str(error) for path in written.paths), error
        assert descriptors() == before
