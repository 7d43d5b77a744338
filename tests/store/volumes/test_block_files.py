"""Files kept open: the cache's bounds, replaced files, what is not in the page cache."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from wk_jupyter.api.frames import Encoding
from wk_jupyter.errors import CorruptData
from wk_jupyter.geometry import Vec3Int
from wk_jupyter.store.volumes import block_files
from wk_jupyter.store.volumes.base import COLD, MISSING, BlockError, BlockIndex, BlockLayout
from wk_jupyter.store.volumes.block_files import BlockFiles, BlockTable, FileCache, checked_table

BLOCK = 4096
RAW = BlockLayout(Vec3Int(16, 16, 16), Encoding.RAW, BLOCK)


class Rows:
    """A grid of our own: along x, files of four raw blocks each."""

    def __init__(self, folder: Path) -> None:
        self.layout = RAW
        self.folder = folder
        self.loaded: list[Path] = []

    def addresses(self, indices: Sequence[BlockIndex]) -> list[tuple[BlockIndex, int] | None]:
        return [None if x < 0 else ((x // 4, y, z), x % 4) for x, y, z in indices]

    def path(self, file: BlockIndex) -> Path:
        return self.folder / "-".join(map(str, file))

    def load_table(self, descriptor: int, size: int, path: Path) -> BlockTable:
        self.loaded.append(path)
        if os.pread(descriptor, 4, 0) == b"bad!":
            raise CorruptData(f"{path} is bad", path=str(path))
        return checked_table(np.arange(4) * BLOCK, np.full(4, BLOCK), size, self.layout)


def content(file: int, number: int) -> bytes:
    return bytes([file, number]) * (BLOCK // 2)


def write(folder: Path, file: int, *, change: int = 0, blocks: int = 4) -> Path:
    path = folder / f"{file}-0-0"
    fresh = folder / "fresh"
    fresh.write_bytes(b"".join(content(file + change, n) for n in range(blocks)))
    fresh.replace(path)
    return path


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    now = [1000.0]
    monkeypatch.setattr(block_files.time, "monotonic", lambda: now[0])

    def advance(seconds: float) -> None:
        now[0] += seconds

    return advance


@pytest.fixture
def grid(tmp_path: Path) -> Rows:
    for file in (1, 2):
        write(tmp_path, file)
    return Rows(tmp_path)


def nowait_works(folder: Path) -> bool:
    probe = folder / "probe"
    probe.write_bytes(b"x")
    with probe.open("rb") as stream:
        try:
            return os.preadv(stream.fileno(), [bytearray(1)], 0, os.RWF_NOWAIT) == 1
        except (OSError, AttributeError):
            return False


def test_blocks_come_from_the_page_cache_once_their_file_is_open(grid: Rows, tmp_path: Path) -> None:
    if not nowait_works(tmp_path):
        pytest.skip("this file system cannot tell what is in the page cache")
    files = BlockFiles(grid, FileCache())
    wanted = [(4, 0, 0), (11, 0, 0), (0, 0, 0), (-1, 0, 0)]
    assert files.fetch_cached(wanted) == [COLD, COLD, COLD, MISSING]
    assert files.fetch(wanted) == [content(1, 0), content(2, 3), MISSING, MISSING]
    assert files.fetch_cached(wanted) == [content(1, 0), content(2, 3), MISSING, MISSING]


def test_blocks_are_views_of_the_scratch_memory_as_far_as_it_reaches(grid: Rows, tmp_path: Path) -> None:
    if not nowait_works(tmp_path):
        pytest.skip("this file system cannot tell what is in the page cache")
    files = BlockFiles(grid, FileCache())
    wanted = [(4, 0, 0), (5, 0, 0), (6, 0, 0)]
    files.fetch(wanted)
    scratch = memoryview(bytearray(2 * BLOCK + 10))
    blocks = files.fetch_cached(wanted, scratch)
    assert blocks == [content(1, n) for n in range(3)]
    assert [type(block) for block in blocks] == [memoryview, memoryview, bytearray]
    assert scratch[: 2 * BLOCK] == content(1, 0) + content(1, 1)


def test_what_the_page_cache_has_dropped_is_cold(grid: Rows, tmp_path: Path) -> None:
    files = BlockFiles(grid, FileCache())
    files.fetch([(4, 0, 0)])
    with grid.path((1, 0, 0)).open("rb") as stream:
        os.fsync(stream.fileno())
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if files.fetch_cached([(4, 0, 0)]) != [COLD]:
        pytest.skip("this file system keeps everything in memory")
    assert files.fetch([(4, 0, 0)]) == [content(1, 0)]
    if nowait_works(tmp_path):
        assert files.fetch_cached([(4, 0, 0)]) == [content(1, 0)]


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EOPNOTSUPP])
def test_what_would_wait_is_cold(grid: Rows, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """The kernel's two answers, which cannot be had on demand from a real disk."""
    files = BlockFiles(grid, FileCache())
    assert files.fetch([(4, 0, 0)]) == [content(1, 0)]
    calls = []

    def preadv(*arguments: object) -> int:
        calls.append(arguments)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(block_files.os, "preadv", preadv)
    assert files.fetch_cached([(4, 0, 0), (5, 0, 0)]) == [COLD, COLD]
    # A file system that knows no such reads is not asked again.
    assert len(calls) == (2 if number == errno.EAGAIN else 1)
    assert files.fetch([(4, 0, 0), (5, 0, 0)]) == [content(1, 0), content(1, 1)]


def test_a_part_of_a_block_in_the_page_cache_is_cold(grid: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    files = BlockFiles(grid, FileCache())
    files.fetch([(4, 0, 0)])
    monkeypatch.setattr(block_files.os, "preadv", lambda *_: 100)
    assert files.fetch_cached([(4, 0, 0)]) == [COLD]


def test_a_replaced_file_is_seen_after_a_while(grid: Rows, clock: Callable[[float], None]) -> None:
    files = BlockFiles(grid, FileCache())
    assert files.fetch([(4, 0, 0)]) == [content(1, 0)]
    write(grid.folder, 1, change=8)
    assert files.fetch([(4, 0, 0)]) == [content(1, 0)]  # trusted for now
    clock(block_files.RECHECK_SECONDS + 0.1)
    assert files.fetch_cached([(4, 0, 0)]) == [COLD]  # to be looked at, which is not for the event loop
    assert files.fetch([(4, 0, 0)]) == [content(9, 0)]


def test_an_unchanged_file_is_not_parsed_again(grid: Rows, clock: Callable[[float], None]) -> None:
    files = BlockFiles(grid, FileCache())
    for _ in range(3):
        assert files.fetch([(4, 0, 0)]) == [content(1, 0)]
        clock(block_files.RECHECK_SECONDS + 0.1)
    assert len(grid.loaded) == 1


def test_files_that_appear_and_vanish_are_seen(grid: Rows, clock: Callable[[float], None]) -> None:
    files = BlockFiles(grid, FileCache())
    assert files.fetch([(12, 0, 0)]) == [MISSING]
    path = write(grid.folder, 3)
    clock(block_files.RECHECK_SECONDS + 0.1)
    assert files.fetch([(12, 0, 0)]) == [content(3, 0)]
    path.unlink()
    clock(block_files.RECHECK_SECONDS + 0.1)
    assert files.fetch([(12, 0, 0)]) == [MISSING]


def test_a_file_that_is_cut_under_the_reader_is_looked_at_at_once(grid: Rows) -> None:
    files = BlockFiles(grid, FileCache())
    path = grid.path((1, 0, 0))
    assert files.fetch([(7, 0, 0)]) == [content(1, 3)]
    os.truncate(path, BLOCK + 10)
    [block] = files.fetch([(7, 0, 0)])
    assert isinstance(block, BlockError)
    assert str(path) in block.error.message
    assert f"{BLOCK + 10:,}" in block.error.message
    assert files.fetch([(4, 0, 0)]) == [content(1, 0)]
    write(grid.folder, 1, change=4)
    assert files.fetch([(7, 0, 0)]) == [content(5, 3)]  # whole again: not even a wait


def test_a_broken_file_does_not_stop_the_others(grid: Rows) -> None:
    grid.path((0, 0, 0)).write_bytes(b"bad!")
    grid.path((3, 0, 0)).mkdir()
    files = BlockFiles(grid, FileCache())
    bad, good, folder = files.fetch([(0, 0, 0), (4, 0, 0), (12, 0, 0)])
    assert isinstance(bad, BlockError)
    assert good == content(1, 0)
    assert isinstance(folder, BlockError)
    assert "3-0-0" in folder.error.message
    assert isinstance(files.fetch_cached([(0, 0, 0)])[0], BlockError)
    with pytest.raises(CorruptData):
        files.open_file((0, 0, 0))
    assert files.open_file((9, 0, 0)) is None


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts descriptors in /proc")
def test_open_files_are_bounded(tmp_path: Path) -> None:
    for file in range(30):
        write(tmp_path, file)
    cache = FileCache(limit=5)
    before = open_descriptors()
    files = BlockFiles(Rows(tmp_path), cache)
    for file in range(30):
        assert files.fetch([(4 * file, 0, 0)]) == [content(file, 0)]
        assert len(cache) <= 5
        assert open_descriptors() - before <= 5
    files.close()
    assert len(cache) == 0
    assert open_descriptors() == before


def test_a_file_in_use_outlives_its_eviction(tmp_path: Path) -> None:
    for file in range(3):
        write(tmp_path, file)
    cache = FileCache(limit=1)
    files = BlockFiles(Rows(tmp_path), cache)
    held = files.open_file((0, 0, 0))
    assert held is not None
    files.fetch([(4, 0, 0), (8, 0, 0)])
    assert held.read(2) == content(0, 2)


def test_tables_of_blocks_are_bounded(tmp_path: Path) -> None:
    for file in range(10):
        write(tmp_path, file)
    cache = FileCache(table_bytes=4 * 64)  # a table of four blocks has 64 bytes
    files = BlockFiles(Rows(tmp_path), cache)
    files.fetch([(4 * file, 0, 0) for file in range(10)])
    assert len(cache) == 4


def test_volumes_do_not_share_their_files(tmp_path: Path) -> None:
    grids = []
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        write(folder, 0, change=number)
        grids.append(Rows(folder))
    cache = FileCache()
    one, two = (BlockFiles(grid, cache) for grid in grids)
    assert one.fetch([(0, 0, 0)]) == [content(1, 0)]
    assert two.fetch([(0, 0, 0)]) == [content(2, 0)]
    one.close()
    assert len(cache) == 1
    del two
    assert len(cache) == 0  # what nobody reads any more is not held open


def test_untrusted_tables_are_checked() -> None:
    size = 10_000
    offsets = np.array([0, 9_000, 2**64 - 1, 0, 5, 2**63 - 1, 10_000, 0], np.uint64)
    lengths = np.array([10_000, 1_001, 1, 2**63, 0, 2**63 - 1, 0, 10_001], np.uint64)
    layout = BlockLayout(Vec3Int(32, 32, 32), Encoding.ZSTD, 32**3)
    assert checked_table(offsets, lengths, size, layout).lengths.tolist() == [
        10_000, -1, -1, -1, 0, -1, 0, -1,
    ]  # fmt: skip
    raw = checked_table(np.zeros(3), np.array([BLOCK, BLOCK - 1, 0]), size, RAW)
    assert raw.lengths.tolist() == [BLOCK, -1, 0]
