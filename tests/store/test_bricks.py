"""Boxes and bricks of layers: the same voxels by every way, and nothing lost beside a broken one."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import tensorstore as ts
import zstandard
from contracts.volume_contract import expected, random_voxels
from numpy.typing import NDArray

from wk_jupyter.api.frames import Encoding, Entry, Status, decode_frame
from wk_jupyter.datasource import AdditionalAxis, LayerSource, MagSource, element_class_of, read_properties
from wk_jupyter.errors import CorruptData, InvalidDataSource, InvalidInput, MagNotFound, TooLarge
from wk_jupyter.geometry import BoundingBox, Mag, Vec3Int
from wk_jupyter.store.brick_batch import give_away_memory
from wk_jupyter.store.bricks import BrickRequest, LayerReader
from wk_jupyter.store.volumes.base import Position, VolumeInfo
from wk_jupyter.store.volumes.wkw_format import BlockType, WkwHeader
from wk_jupyter.store.volumes.wkw_writer import WkwWriter

SIZE = (110, 70, 75)
BOX = BoundingBox((10, 5, 33), (90, 60, 40))
FORMS = (["stored"], ["raw"], ["zstd-body", "stored"], ["something new", "raw"], [])
Store = Callable[[Path, NDArray[Any]], str]


def store_wkw(block_type: BlockType, block_len: int = 32) -> Store:
    def store(folder: Path, voxels: NDArray[Any]) -> str:
        header = WkwHeader(voxels.dtype, len(voxels), block_len, 64 // block_len, block_type)
        WkwWriter(folder, header).write((0, 0, 0), voxels)
        return "wkw"

    return store


def store_zarr(chunk: int, shard: int | None, *, x_fastest: bool) -> Store:
    def store(folder: Path, voxels: NDArray[Any]) -> str:
        order = {"name": "transpose", "configuration": {"order": [3, 2, 1, 0]}}
        little = {"name": "bytes", "configuration": {"endian": "little"}}
        zstd = {"name": "zstd", "configuration": {"level": 1}}
        inner: list[dict[str, Any]] = [order, little, zstd] if x_fastest else [little, zstd]
        shape = [len(voxels), chunk, chunk, chunk]
        index = [little, {"name": "crc32c"}]
        sharding = {"chunk_shape": shape, "codecs": inner, "index_codecs": index}
        outer = [{"name": "sharding_indexed", "configuration": sharding}] if shard else inner
        grid = [len(voxels), shard, shard, shard] if shard else shape
        metadata = {
            "shape": list(voxels.shape),
            "data_type": voxels.dtype.name,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": grid}},
            "codecs": outer,
            "fill_value": 0,
        }
        kvstore = {"driver": "file", "path": f"{folder}/"}
        spec = {"driver": "zarr3", "kvstore": kvstore, "metadata": metadata}
        ts.open(spec, create=True).result()[...] = voxels
        return "zarr3"

    return store


STORES = {
    "wkw raw": store_wkw(BlockType.RAW),
    "wkw lz4": store_wkw(BlockType.LZ4),
    "wkw of small blocks": store_wkw(BlockType.LZ4, 16),
    "zarr of bricks in shards": store_zarr(32, 64, x_fastest=True),
    "zarr of bricks, z fastest": store_zarr(32, 64, x_fastest=False),
    "zarr of larger chunks": store_zarr(64, None, x_fastest=True),
    "zarr of crooked chunks": store_zarr(50, None, x_fastest=False),
}
PASSED_ON = {"wkw raw": Encoding.RAW, "wkw lz4": Encoding.LZ4, "zarr of bricks in shards": Encoding.ZSTD}


def truth(dtype: str = "uint8", channels: int = 1) -> NDArray[Any]:
    voxels = random_voxels(dtype, (channels, *SIZE))
    voxels[:, 64:96, 0:32, 32:64] = 0  # a brick that is not there
    return voxels


def layer_of(voxels: NDArray[Any], data_format: str, box: BoundingBox = BOX, **changes: Any) -> LayerSource:
    layer = LayerSource(
        name="color",
        category="color",
        bounding_box=box,
        element_class=element_class_of(voxels.dtype, len(voxels)),
        data_format=data_format,  # type: ignore[arg-type]
        mags=(MagSource(Mag(1), "color/1"),),
        num_channels=len(voxels),
    )
    return replace(layer, **changes)


def reader_of(root: Path, store: Store, voxels: NDArray[Any], **changes: Any) -> LayerReader:
    return LayerReader(layer_of(voxels, store(root / "color" / "1", voxels), **changes), root)


def request_of(bricks: list[tuple[int, int, int]], accept: list[str], **more: Any) -> BrickRequest:
    body = {"mags": [[1, 1, 1]], "bricks": [[0, *brick] for brick in bricks], "accept": accept, **more}
    return msgspec.json.decode(msgspec.json.encode(body), type=BrickRequest)


def entries_of(body: bytes, content_encoding: str | None) -> list[Entry]:
    if content_encoding == "zstd":
        with zstandard.ZstdDecompressor().stream_reader(body, read_across_frames=True) as stream:
            body = stream.readall()
    return decode_frame(body)


def ask(
    reader: LayerReader, bricks: list[tuple[int, int, int]], accept: list[str], **more: Any
) -> list[Entry]:
    reply = asyncio.run(reader.bricks(request_of(bricks, accept, **more), zstd_body=True))
    return entries_of(reply.body, reply.content_encoding)


def brick_box(brick: tuple[int, int, int]) -> BoundingBox:
    return BoundingBox(Vec3Int.of(brick) * 32, (32, 32, 32))


def raw_of(voxels: NDArray[Any], brick: tuple[int, int, int]) -> bytes:
    return expected(voxels, brick_box(brick)).tobytes(order="F")


EVERYWHERE = [(x, y, z) for x in range(-1, 5) for y in range(4) for z in range(4)]


def check(entries: list[Entry], voxels: NDArray[Any], bricks: list[tuple[int, int, int]]) -> None:
    size = 32**3 * len(voxels) * voxels.dtype.itemsize
    assert len(entries) == len(bricks)
    for entry, brick in zip(entries, bricks, strict=True):
        if brick_box(brick).intersection(BOX).is_empty:
            assert entry.status == Status.MISSING, brick
        elif (found := entry.voxels(size)) is not None:
            assert found == raw_of(voxels, brick), brick
        else:
            assert not expected(voxels, brick_box(brick)).any(), brick


# --- bricks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("accept", FORMS, ids=str)
@pytest.mark.parametrize("name", STORES)
def test_bricks_are_the_stored_voxels(tmp_path: Path, name: str, accept: list[str]) -> None:
    voxels = truth()
    reader = reader_of(tmp_path, STORES[name], voxels)
    for _ in range(2):  # first from the disk, then from the page cache
        check(ask(reader, EVERYWHERE, accept), voxels, EVERYWHERE)


@pytest.mark.parametrize(("dtype", "channels"), [("uint8", 3), ("uint64", 1), ("float64", 2), ("int16", 1)])
@pytest.mark.parametrize("name", STORES)
def test_every_kind_of_voxel_comes_through(tmp_path: Path, name: str, dtype: str, channels: int) -> None:
    voxels = truth(dtype, channels)
    reader = reader_of(tmp_path, STORES[name], voxels)
    for accept in (["stored"], ["raw"]):
        check(ask(reader, EVERYWHERE, accept), voxels, EVERYWHERE)


@pytest.mark.parametrize("name", STORES)
def test_blocks_that_are_bricks_are_passed_on_as_they_lie(tmp_path: Path, name: str) -> None:
    reader = reader_of(tmp_path, STORES[name], truth())
    [entry] = ask(reader, [(0, 0, 1)], ["stored", "raw"])
    assert entry.encoding == PASSED_ON.get(name, Encoding.RAW)
    [entry] = ask(reader, [(0, 0, 1)], ["raw", "stored"])
    assert entry.encoding == Encoding.RAW


@pytest.mark.parametrize("name", STORES)
def test_missing_bricks_are_told_from_zeros_sent(tmp_path: Path, name: str) -> None:
    reader = reader_of(tmp_path, STORES[name], truth())
    [entry] = ask(reader, [(2, 0, 1)], ["raw"])
    if name.startswith("wkw") and name in PASSED_ON:
        assert entry.voxels(32**3) == bytes(32**3)  # a cube file that is there holds all its blocks
    else:
        assert entry.status == Status.MISSING


@pytest.mark.parametrize("takes_zstd", [True, False])
@pytest.mark.parametrize("name", STORES)
def test_zstd_bodies_are_for_zstd_blocks_and_clients_that_take_them(
    tmp_path: Path, name: str, *, takes_zstd: bool
) -> None:
    voxels = truth()
    reader = reader_of(tmp_path, STORES[name], voxels)
    request = request_of(EVERYWHERE, ["zstd-body", "stored"])
    reply = asyncio.run(reader.bricks(request, zstd_body=takes_zstd))
    possible = takes_zstd and PASSED_ON.get(name) == Encoding.ZSTD
    assert reply.content_encoding == ("zstd" if possible else None)
    check(entries_of(reply.body, reply.content_encoding), voxels, EVERYWHERE)


def test_mags_may_be_mixed(tmp_path: Path) -> None:
    fine, coarse = truth(), truth()[:, ::2, ::2]
    store_wkw(BlockType.LZ4)(tmp_path / "fine", fine)
    store_wkw(BlockType.RAW)(tmp_path / "coarse", coarse)
    mags = (MagSource(Mag(1), "fine"), MagSource(Mag("2-2-1"), "coarse"))
    reader = LayerReader(layer_of(fine, "wkw", mags=mags), tmp_path)
    request = BrickRequest(
        mags=[(2, 2, 1), (1, 1, 1)], bricks=[(0, 1, 0, 1), (1, 1, 1, 1), (0, 0, 0, 2), (0, 2, 0, 1)]
    )
    for _ in range(2):
        entries = decode_frame(asyncio.run(reader.bricks(request)).body)
        assert entries[0].voxels(32**3) == raw_of(coarse, (1, 0, 1))
        assert entries[1].voxels(32**3) == raw_of(fine, (1, 1, 1))
        assert entries[2].voxels(32**3) == raw_of(coarse, (0, 0, 2))
        assert entries[3].status == Status.MISSING  # the box ends at 100, which is 50 of this mag


def test_requests_at_once_do_not_mix_their_voxels(tmp_path: Path) -> None:
    voxels = truth("uint32")
    reader = reader_of(tmp_path, STORES["wkw lz4"], voxels)
    inside = [brick for brick in EVERYWHERE if not brick_box(brick).intersection(BOX).is_empty]

    async def one(number: int) -> list[Entry]:
        bricks = inside[number % len(inside) :] + inside[: number % len(inside)]
        accept = ["raw"] if number % 3 == 0 else ["stored"]
        reply = await reader.bricks(request_of(bricks, accept), slots=slots)
        check(decode_frame(reply.body), voxels, bricks)
        return decode_frame(reply.body)

    async def all_of_them() -> None:
        nonlocal slots
        slots = asyncio.Semaphore(2)
        await asyncio.gather(*(one(number) for number in range(40)))

    slots: asyncio.Semaphore | None = None
    asyncio.run(all_of_them())


@pytest.mark.parametrize("accept", ["zstd-body", "stored", "raw"])
@pytest.mark.parametrize("name", STORES)
def test_a_lent_reply_is_the_same_one(tmp_path: Path, name: str, accept: str) -> None:
    """In memory of the reader's own, where all of it came from the page cache; until that is used again."""
    reader = reader_of(tmp_path, STORES[name], truth())
    request = request_of(EVERYWHERE, [accept])

    async def ask_twice() -> None:
        plain = await reader.bricks(request, zstd_body=True)
        lent = await reader.bricks(request, zstd_body=True, lend=True)
        assert lent.body == plain.body
        assert lent.content_encoding == plain.content_encoding
        is_borrowed = isinstance(lent.body, memoryview)
        assert not is_borrowed or name in PASSED_ON
        give_away_memory()
        again = await reader.bricks(request_of(EVERYWHERE[::-1], [accept]), zstd_body=True, lend=True)
        assert lent.body == plain.body
        if is_borrowed:
            await reader.bricks(request, zstd_body=True, lend=True)
            assert again.body == plain.body

    asyncio.run(ask_twice())


def test_large_replies_at_once_do_not_mix_their_voxels(tmp_path: Path) -> None:
    """More than is put together on the event loop: the others run while a thread does it."""
    rng = np.random.default_rng(3)
    voxels = rng.integers(0, 2**63, (1, 128, 128, 128), np.uint64)
    for folder in ("fine", "coarse"):
        STORES["wkw raw"](tmp_path / folder, voxels)
    mags = (MagSource(Mag(1), "fine"), MagSource(Mag(2), "coarse"))
    layer = layer_of(voxels, "wkw", BoundingBox((0, 0, 0), (256, 256, 256)), mags=mags)
    reader = LayerReader(layer, tmp_path)
    bricks = [(m, x, y, z) for m in range(2) for x in range(4) for y in range(4) for z in range(4)]

    async def one(number: int) -> None:
        turned = bricks[number:] + bricks[:number]
        reply = await reader.bricks(BrickRequest(mags=[(1, 1, 1), (2, 2, 2)], bricks=turned))
        for (_, *brick), entry in zip(turned, decode_frame(reply.body), strict=True):
            x, y, z = (32 * n for n in brick)
            part = voxels[:, x : x + 32, y : y + 32, z : z + 32]
            assert np.array_equal(np.frombuffer(entry.payload, "<u8"), part.ravel(order="F"))

    async def some() -> None:
        await asyncio.gather(*(one(number) for number in range(0, 128, 40)))

    for _ in range(2):
        asyncio.run(some())


class CountingThreads(ThreadPoolExecutor):
    """An executor that knows how many jobs it was given."""

    jobs = 0

    def submit(self, *arguments: Any, **options: Any) -> Future[Any]:
        self.jobs += 1
        return super().submit(*arguments, **options)


@pytest.mark.parametrize("name", PASSED_ON)
def test_what_is_not_in_the_page_cache_is_read_by_one_job(tmp_path: Path, name: str) -> None:
    voxels = truth()
    layer = layer_of(voxels, STORES[name](tmp_path / "color" / "1", voxels))
    with CountingThreads(2) as threads:
        reader = LayerReader(layer, tmp_path, executor=threads)
        asyncio.run(reader.bricks(request_of(EVERYWHERE, ["stored"])))
        assert threads.jobs == 2  # one to open the mag, one for the bricks of all files
        asyncio.run(reader.bricks(request_of(EVERYWHERE, ["raw"])))
        assert threads.jobs == (2 if name == "wkw raw" else 3)  # one to decode


# --- volumes that must be decoded --------------------------------------------------------------


@dataclass
class Watched:
    """A volume over an array, which tells what is read of it."""

    voxels: NDArray[Any]
    chunk: int
    broken: tuple[int, int, int] | None = None

    def __post_init__(self) -> None:
        bounds = BoundingBox((0, 0, 0), self.voxels.shape[1:])
        chunk = Vec3Int.of(self.chunk)
        self.info = VolumeInfo(self.voxels.dtype, len(self.voxels), bounds, chunk, "watched")
        self.boxes: list[BoundingBox] = []
        self.closed = 0

    def read(self, box: BoundingBox, position: Position = {}) -> NDArray[Any]:  # noqa: B006
        raise AssertionError("bricks are read without blocking")

    async def read_async(self, box: BoundingBox, position: Position = {}) -> NDArray[Any]:  # noqa: B006
        self.boxes.append(box)
        if self.broken and box.contains(BoundingBox(self.broken, (1, 1, 1))):
            raise CorruptData("chunk 1.1.1 is damaged.", path="1.1.1", hint="Copy it again.")
        return expected(self.voxels, box)

    def close(self) -> None:
        self.closed += 1


def watched_reader(volume: Any, box: BoundingBox | None = None) -> LayerReader:
    layer = layer_of(volume.voxels, "n5", box or volume.info.bounds)
    return LayerReader(layer, Path(), lambda *_: volume)


@pytest.mark.parametrize(("chunk", "reads"), [(32, 64), (64, 8), (100, 1), (128, 1), (16, 64), (1000, 1)])
def test_neighbours_are_read_together(chunk: int, reads: int) -> None:
    volume = Watched(random_voxels("uint8", (1, 128, 128, 128)), chunk)
    bricks = [(x, y, z) for x in range(4) for y in range(4) for z in range(4)]
    entries = ask(watched_reader(volume), bricks, ["stored"])
    assert [entry.voxels(32**3) for entry in entries] == [raw_of(volume.voxels, b) for b in bricks]
    assert len(volume.boxes) == reads


def test_what_is_read_at_once_is_bounded() -> None:
    volume = Watched(np.zeros((3, 256, 256, 256), np.float64), 512)
    bricks = [(x, y, z) for x in range(8) for y in range(8) for z in range(4)]
    ask(watched_reader(volume), bricks, ["raw"])
    assert max(box.volume * 24 for box in volume.boxes) <= 4 * 2**20
    assert sum(box.volume for box in volume.boxes) == 256 * 256 * 128


def test_bricks_far_apart_are_read_alone() -> None:
    volume = Watched(random_voxels("uint8", (1, 256, 64, 64)), 64)
    ask(watched_reader(volume), [(0, 0, 0), (7, 1, 1)], ["raw"])
    assert volume.boxes == [brick_box((0, 0, 0)), brick_box((7, 1, 1))]


def test_a_damaged_chunk_fails_only_the_bricks_that_need_it() -> None:
    volume = Watched(random_voxels("uint8", (1, 64, 64, 64)), 64, broken=(40, 40, 40))
    bricks = [(x, y, z) for x in range(2) for y in range(2) for z in range(2)]
    entries = ask(watched_reader(volume), bricks, ["raw"])
    for brick, entry in zip(bricks, entries, strict=True):
        if brick == (1, 1, 1):
            with pytest.raises(CorruptData, match=r"chunk 1\.1\.1") as caught:
                entry.voxels(32**3)
            assert caught.value.hint == "Copy it again."
        else:
            assert entry.voxels(32**3) == raw_of(volume.voxels, brick)


def test_an_unforeseen_failure_is_logged_and_told(caplog: pytest.LogCaptureFixture) -> None:
    class Bursting(Watched):
        async def read_async(self, box: BoundingBox, position: Position = {}) -> NDArray[Any]:  # noqa: B006
            raise RuntimeError("secret detail")

    [entry] = ask(watched_reader(Bursting(np.ones((1, 32, 32, 32), np.uint8), 32)), [(0, 0, 0)], ["raw"])
    assert entry.status == Status.FAILED
    assert b"secret" not in bytes(entry.payload)
    assert "secret detail" in caplog.text


# --- what cannot be read -----------------------------------------------------------------------


@pytest.mark.parametrize("accept", [["stored"], ["raw"], ["zstd-body"]], ids=str)
@pytest.mark.parametrize("name", STORES)
def test_a_broken_file_fails_its_own_bricks_alone(tmp_path: Path, name: str, accept: list[str]) -> None:
    voxels = truth()
    reader = reader_of(tmp_path, STORES[name], voxels)
    files = sorted(file for file in (tmp_path / "color").rglob("*") if file.is_file())
    file = next(f for f in files if f.match("z1/y1/x1.wkw") or f.match("c/0/1/1/1"))
    os.truncate(file, 40)
    entries = ask(reader, EVERYWHERE, accept)
    failed = [
        brick for brick, entry in zip(EVERYWHERE, entries, strict=True) if entry.status == Status.FAILED
    ]
    assert failed
    for brick, entry in zip(EVERYWHERE, entries, strict=True):
        if brick in failed:
            with pytest.raises(CorruptData, match="color") as caught:
                entry.voxels(32**3)
            assert caught.value.hint
            assert brick[0] >= 1
        elif not brick_box(brick).intersection(BOX).is_empty:
            assert (entry.voxels(32**3) or bytes(32**3)) == raw_of(voxels, brick)


def test_a_block_that_does_not_decode_names_its_file(tmp_path: Path) -> None:
    voxels = truth()
    reader = reader_of(tmp_path, STORES["wkw lz4"], voxels)
    file = tmp_path / "color" / "1" / "z0" / "y0" / "x0.wkw"
    raw = bytearray(file.read_bytes())
    [start] = np.frombuffer(raw, "<u8", 1, 16 + 8 * 6).tolist()  # the end of block 6 of 0 to 7
    raw[start : start + 50] = bytes(50)  # a match before the first byte
    file.write_bytes(raw)
    bad, good = ask(reader, [(1, 1, 1), (0, 0, 1)], ["raw"])
    assert good.voxels(32**3) == raw_of(voxels, (0, 0, 1))
    for fails in (
        lambda: bad.voxels(32**3),
        lambda: asyncio.run(reader.brick(Mag(1), (1, 1, 1))),
        lambda: asyncio.run(reader.read(Mag(1), BOX)),
    ):
        with pytest.raises(CorruptData, match=r"block 7 of .*x0\.wkw"):
            fails()
    [passed_on] = ask(reader, [(1, 1, 1)], ["stored"])
    with pytest.raises(CorruptData):  # it is found where it is unpacked
        passed_on.voxels(32**3)


def test_a_mag_that_cannot_be_opened_fails_its_bricks_alone(tmp_path: Path) -> None:
    voxels = truth()
    for folder in ("good", "bad"):
        STORES["wkw lz4"](tmp_path / folder, voxels)
    (tmp_path / "bad" / "header.wkw").write_bytes(b"nonsense")
    mags = (MagSource(Mag(1), "good"), MagSource(Mag(2), "bad"))
    reader = LayerReader(layer_of(voxels, "wkw", mags=mags), tmp_path)
    request = BrickRequest(mags=[(1, 1, 1), (2, 2, 2)], bricks=[(1, 0, 0, 0), (0, 1, 1, 1)])
    bad, good = decode_frame(asyncio.run(reader.bricks(request)).body)
    assert good.voxels(32**3) == raw_of(voxels, (1, 1, 1))
    with pytest.raises(CorruptData, match=r"header\.wkw"):
        bad.voxels(32**3)
    with pytest.raises(CorruptData, match=r"header\.wkw"):
        asyncio.run(reader.read(Mag(2), BoundingBox((10, 10, 20), (3, 3, 3))))


def test_requests_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    reader = reader_of(tmp_path, STORES["wkw raw"], truth())

    def bricks(**parts: Any) -> None:
        asyncio.run(reader.bricks(BrickRequest(**{"mags": [(1, 1, 1)], "bricks": [(0, 0, 0, 1)], **parts})))

    with pytest.raises(MagNotFound, match="4-4-1") as caught:
        bricks(mags=[(1, 1, 1), (4, 4, 1)])
    assert caught.value.hint == "It has 1."
    for number in (1, -1):
        with pytest.raises(InvalidInput, match="mag number"):
            bricks(bricks=[(number, 0, 0, 1)])
    with pytest.raises(TooLarge):
        bricks(bricks=[(0, 0, 0, 1)] * 257)
    with pytest.raises(TooLarge):
        bricks(mags=[(1, 1, 1)] * 65)
    bricks(bricks=[(0, 2**70, -(2**70), 1)])


@pytest.mark.parametrize("changes", [{"element_class": "float"}, {"num_channels": 2}])
def test_a_layer_that_does_not_fit_its_files_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    reader = reader_of(tmp_path, STORES["wkw lz4"], truth("uint32"), **changes)
    with pytest.raises(InvalidDataSource, match=r"but .*color.* holds") as caught:
        asyncio.run(reader.read(Mag(1), BOX))
    assert caught.value.field == "elementClass"


def test_signed_ids_on_disk_may_be_unsigned_ids_of_the_layer(tmp_path: Path) -> None:
    voxels = truth("int32")
    reader = reader_of(tmp_path, STORES["zarr of larger chunks"], voxels, element_class="uint32")
    read = asyncio.run(reader.read(Mag(1), BOX))
    assert read.dtype == np.uint32
    np.testing.assert_array_equal(read, expected(voxels, BOX).view(np.uint32))


# --- boxes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STORES)
def test_boxes_are_blank_outside_of_the_layer(tmp_path: Path, name: str) -> None:
    voxels = truth("uint16")
    reader = reader_of(tmp_path, STORES[name], voxels)
    inside = np.zeros_like(voxels)
    (x0, y0, z0), (x1, y1, z1) = BOX.topleft, BOX.bottomright
    inside[:, x0:x1, y0:y1, z0:z1] = voxels[:, x0:x1, y0:y1, z0:z1]
    for box in (BOX, BoundingBox((-5, -5, -5), (150, 100, 100)), BoundingBox((0, 0, 0), (10, 5, 33))):
        np.testing.assert_array_equal(asyncio.run(reader.read(Mag(1), box)), expected(inside, box))
    for brick in EVERYWHERE:
        raw = asyncio.run(reader.brick(Mag(1), brick))
        assert (raw or bytes(2 * 32**3)) == raw_of(inside, brick)
        if brick_box(brick).intersection(BOX).is_empty:
            assert raw is None


def test_a_coarse_mag_has_the_box_rounded_outward(tmp_path: Path) -> None:
    voxels = truth()
    STORES["wkw lz4"](tmp_path / "coarse", voxels)
    box = BoundingBox((5, 5, 5), (10, 11, 12))  # to 15, 16, 17
    layer = layer_of(voxels, "wkw", box, mags=(MagSource(Mag("4-4-2"), "coarse"),))
    read = asyncio.run(LayerReader(layer, tmp_path).read(Mag("4-4-2"), BoundingBox((0, 0, 0), (8, 8, 12))))
    wanted = np.zeros((1, 8, 8, 12), np.uint8)
    wanted[:, 1:4, 1:4, 2:9] = voxels[:, 1:4, 1:4, 2:9]
    np.testing.assert_array_equal(read, wanted)


def test_what_is_too_large_is_not_even_tried(tmp_path: Path) -> None:
    reader = reader_of(tmp_path, STORES["wkw lz4"], truth())
    with pytest.raises(TooLarge, match="10,000,000,000,000 bytes") as caught:
        asyncio.run(reader.read(Mag(1), BoundingBox((0, 0, 0), (10**5, 10**5, 10**3))))
    assert "coarser" in caught.value.hint
    small = LayerReader(reader.layer, tmp_path, max_read_bytes=1000)
    with pytest.raises(TooLarge):
        asyncio.run(small.read(Mag(1), BoundingBox((20, 20, 40), (10, 10, 11))))
    assert asyncio.run(small.read(Mag(1), BoundingBox((20, 20, 40), (10, 10, 10)))).any()


def test_an_unknown_mag_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    reader = reader_of(tmp_path, STORES["wkw lz4"], truth())
    with pytest.raises(MagNotFound, match="no mag 8") as caught:
        asyncio.run(reader.read(Mag(8), BOX))
    assert caught.value.hint == "It has 1."


def test_positions_on_further_axes(tmp_path: Path) -> None:
    times = random_voxels("uint8", (3, 40, 40, 40))
    store_zarr(32, None, x_fastest=False)(tmp_path / "color" / "1", times)
    axis = AdditionalAxis("t", 0, 3, 0)
    mags = (MagSource(Mag(1), "color/1", {"x": 1, "y": 2, "z": 3}),)
    box = BoundingBox((0, 0, 0), (40, 40, 40))
    layer = layer_of(times[:1], "zarr3", box, additional_axes=(axis,), mags=mags)
    reader = LayerReader(layer, tmp_path)
    for t in range(3):
        more = {"additionalCoordinates": [{"name": "t", "value": t}]}
        entries = ask(reader, [(0, 0, 0), (1, 1, 1)], ["stored"], **more)
        assert entries[0].voxels(32**3) == raw_of(times[t : t + 1], (0, 0, 0))
        read = asyncio.run(reader.read(Mag(1), box, {"t": t}))
        np.testing.assert_array_equal(read[0], times[t])
        assert asyncio.run(reader.brick(Mag(1), (1, 0, 1), {"t": t})) == raw_of(times[t : t + 1], (1, 0, 1))
    with pytest.raises(InvalidInput, match="'q'") as caught:
        ask(reader, [(0, 0, 0)], ["raw"], additionalCoordinates=[{"name": "q", "value": 0}])
    assert caught.value.hint == "It has t."
    with pytest.raises(InvalidInput):
        ask(reader, [(0, 0, 0)], ["raw"], additionalCoordinates=[{"name": "t", "value": 3}])


# --- opening and closing -----------------------------------------------------------------------


def test_a_volume_is_opened_once_and_closed_with_its_reader() -> None:
    volume = Watched(np.ones((1, 32, 32, 32), np.uint8), 32)
    opened = []
    layer = layer_of(volume.voxels, "n5", volume.info.bounds)

    def opener(*arguments: Any) -> Watched:
        opened.append(threading.get_ident())
        return volume

    reader = LayerReader(layer, Path(), opener)
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(lambda _: id(reader.volume(Mag(1))), range(30))) == {id(volume)}
    assert len(opened) == 1
    reader.close()
    reader.close()
    assert volume.closed == 1
    assert asyncio.run(reader.read(Mag(1), BoundingBox((0, 0, 0), (2, 2, 2)))).all()
    assert len(opened) == 2


def test_real_bricks_are_the_voxels_that_are_read(shared_data: Path) -> None:
    root = shared_data / "wkw" / "derived-A-wkw-lz4-offset"
    for layer in read_properties(root).layers:
        for mag in layer.mags:
            reader = LayerReader(layer, root)
            box = layer.bounding_box.in_mag(mag.mag)
            first, end = box.topleft // 32, box.bottomright.ceildiv(32)
            bricks = [
                (x, y, z)
                for x in range(first.x, end.x)
                for y in range(first.y, end.y)
                for z in range(first.z, end.z)
            ]
            request = BrickRequest(mags=[tuple(mag.mag)], bricks=[(0, *brick) for brick in bricks])
            entries = decode_frame(asyncio.run(reader.bricks(request)).body)
            assert {entry.encoding for entry in entries} == {Encoding.LZ4}
            for brick, entry in zip(bricks, entries, strict=True):
                stored = reader.volume(mag.mag).read(brick_box(brick))
                assert entry.voxels(32**3 * layer.bytes_per_voxel) == stored.tobytes(order="F")
