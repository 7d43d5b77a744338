"""WKW, read and written, against the format's own library where that is installed."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contracts.volume_contract import VolumeContract, random_voxels
from numpy.typing import NDArray

from wk_jupyter.errors import CorruptData, InvalidInput
from wk_jupyter.geometry import BoundingBox
from wk_jupyter.store.volumes.base import MISSING, BlockError, stored_blocks
from wk_jupyter.store.volumes.wkw import WkwVolume
from wk_jupyter.store.volumes.wkw_format import BlockType, WkwHeader, read_header
from wk_jupyter.store.volumes.wkw_writer import WkwWriter

DTYPES = (
    "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float32", "float64",
)  # fmt: skip
BLOCK_TYPES = tuple(BlockType)


def header_of(voxels: NDArray[Any], block_type: BlockType = BlockType.LZ4, **lengths: int) -> WkwHeader:
    return WkwHeader(voxels.dtype, voxels.shape[0], block_type=block_type, **lengths)


def cube_file(folder: Path, x: int = 0, y: int = 0, z: int = 0) -> Path:
    return folder / f"z{z}" / f"y{y}" / f"x{x}.wkw"


class WkwContract(VolumeContract):
    block_type = BlockType.LZ4
    block_len = 8
    file_len = 4

    def store(self, folder: Path, voxels: NDArray[Any]) -> None:
        header = header_of(voxels, self.block_type, block_len=self.block_len, file_len=self.file_len)
        WkwWriter(folder, header).write((0, 0, 0), voxels)

    def open(self, folder: Path) -> WkwVolume:
        return WkwVolume(folder)

    def damage(self, folder: Path) -> Path:
        file = cube_file(folder)
        os.truncate(file, read_header(folder).data_offset + 10)
        return file


class TestLz4(WkwContract):
    pass


class TestRaw(WkwContract):
    block_type = BlockType.RAW
    dtype = "float32"
    channels = 2


class TestLz4hcRgb(WkwContract):
    block_type = BlockType.LZ4HC
    dtype = "uint8"
    channels = 3


class TestOneBlockAFile(WkwContract):
    block_len = 32
    file_len = 1
    dtype = "uint64"


class TestDefaultLengths(WkwContract):
    block_len = 32
    file_len = 32


# --- the format's own library ------------------------------------------------------------------


def wheel(folder: Path, voxels: NDArray[Any], block_type: BlockType, block_len: int, file_len: int) -> Any:
    wkw = pytest.importorskip("wkw")
    kind = {BlockType.RAW: wkw.Header.BLOCK_TYPE_RAW, BlockType.LZ4: wkw.Header.BLOCK_TYPE_LZ4}
    return wkw.Dataset.create(
        str(folder),
        wkw.Header(
            voxels.dtype.type,
            num_channels=voxels.shape[0],
            block_len=block_len,
            file_len=file_len,
            block_type=kind.get(block_type, wkw.Header.BLOCK_TYPE_LZ4HC),
        ),
    )


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("block_type", BLOCK_TYPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_what_the_library_writes_is_read(
    tmp_path: Path, dtype: str, block_type: BlockType, channels: int
) -> None:
    voxels = random_voxels(dtype, (channels, 32, 32, 64))
    with wheel(tmp_path / "mag", voxels, block_type, 8, 4) as dataset:
        dataset.write((32, 0, 0), voxels)
    volume = WkwVolume(tmp_path / "mag")
    assert volume.info.dtype == np.dtype(dtype)
    assert volume.info.num_channels == channels
    np.testing.assert_array_equal(volume.read(BoundingBox((32, 0, 0), (32, 32, 64))), voxels)
    np.testing.assert_array_equal(
        volume.read(BoundingBox((37, 3, 9), (20, 9, 40))), voxels[:, 5:25, 3:12, 9:49]
    )


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("block_type", BLOCK_TYPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_library_reads_what_is_written(
    tmp_path: Path, dtype: str, block_type: BlockType, channels: int
) -> None:
    wkw = pytest.importorskip("wkw")
    voxels = random_voxels(dtype, (channels, 40, 33, 20))
    header = header_of(voxels, block_type, block_len=8, file_len=4)
    WkwWriter(tmp_path / "mag", header).write((3, 0, 30), voxels)
    with wkw.Dataset.open(str(tmp_path / "mag")) as dataset:
        read = np.asarray(dataset.read((0, 0, 20), (50, 40, 40)))
        assert dataset.header.block_type == block_type
    wanted = np.zeros((channels, 50, 40, 40), dtype)
    wanted[:, 3:43, 0:33, 10:30] = voxels
    np.testing.assert_array_equal(read.reshape(wanted.shape), wanted)


@pytest.mark.parametrize(("block_len", "file_len"), [(1, 1), (1, 8), (2, 2), (16, 1), (4, 16), (32, 2)])
@pytest.mark.parametrize("block_type", BLOCK_TYPES)
def test_other_lengths_are_read_and_written(
    tmp_path: Path, block_type: BlockType, block_len: int, file_len: int
) -> None:
    wkw = pytest.importorskip("wkw")
    side = block_len * file_len
    voxels = random_voxels("uint16", (1, 2 * side, side, 3 * side))
    with wheel(tmp_path / "theirs", voxels, block_type, block_len, file_len) as dataset:
        dataset.write((0, side, 0), voxels)
    header = header_of(voxels, block_type, block_len=block_len, file_len=file_len)
    WkwWriter(tmp_path / "ours", header).write((0, side, 0), voxels)
    box = BoundingBox((0, 0, 0), (2 * side, 2 * side, 3 * side))
    with wkw.Dataset.open(str(tmp_path / "ours")) as dataset:
        theirs = np.asarray(dataset.read(box.topleft, box.size)).reshape(1, *box.size)
    np.testing.assert_array_equal(theirs[:, :, side:], voxels)
    np.testing.assert_array_equal(WkwVolume(tmp_path / "theirs").read(box), theirs)
    np.testing.assert_array_equal(WkwVolume(tmp_path / "ours").read(box), theirs)


# --- writing -----------------------------------------------------------------------------------


@pytest.mark.parametrize("block_type", BLOCK_TYPES)
@pytest.mark.parametrize("order", ["C", "F"])
def test_boxes_anywhere_change_only_their_own_voxels(
    tmp_path: Path, block_type: BlockType, order: str
) -> None:
    rng = np.random.default_rng(5)
    truth = np.zeros((2, 70, 40, 40), np.uint16)
    writer = WkwWriter(tmp_path, header_of(truth, block_type, block_len=4, file_len=4))
    for _ in range(25):
        corner = rng.integers(0, (60, 30, 30))
        size = rng.integers(1, np.minimum(np.subtract(truth.shape[1:], corner), 30) + 1)
        voxels = np.asarray(rng.integers(0, 2**16, (2, *size), np.uint16), order=order)
        writer.write(corner.tolist(), voxels)
        (x, y, z), (u, v, w) = corner, corner + size
        truth[:, x:u, y:v, z:w] = voxels
        np.testing.assert_array_equal(
            WkwVolume(tmp_path).read(BoundingBox((0, 0, 0), truth.shape[1:])), truth
        )
    assert not list(tmp_path.rglob(".writing-*"))


def test_big_endian_voxels_are_written_as_numbers(tmp_path: Path) -> None:
    voxels = np.arange(512, dtype=">u2").reshape(1, 8, 8, 8)
    WkwWriter(tmp_path, WkwHeader(np.dtype("uint16"), block_len=8, file_len=1)).write((0, 0, 0), voxels)
    read = WkwVolume(tmp_path).read(BoundingBox((0, 0, 0), (8, 8, 8)))
    np.testing.assert_array_equal(read, voxels)


def test_three_dimensional_voxels_are_one_channel(tmp_path: Path) -> None:
    voxels = random_voxels("uint8", (8, 8, 8))
    WkwWriter(tmp_path, WkwHeader(voxels.dtype, block_len=8, file_len=1)).write((8, 0, 0), voxels)
    np.testing.assert_array_equal(WkwVolume(tmp_path).read(BoundingBox((8, 0, 0), (8, 8, 8)))[0], voxels)


def test_cubes_of_zeros_are_not_stored(tmp_path: Path) -> None:
    writer = WkwWriter(tmp_path, WkwHeader(np.dtype("uint8"), block_len=4, file_len=2))
    writer.write((0, 0, 0), np.zeros((16, 8, 8), np.uint8))
    assert not list(tmp_path.rglob("x*.wkw"))
    writer.write((0, 0, 0), np.ones((16, 8, 8), np.uint8))
    writer.write((0, 0, 0), np.zeros((8, 8, 8), np.uint8))
    assert [file.name for file in tmp_path.rglob("x*.wkw")] == ["x1.wkw"]


@pytest.mark.parametrize(
    ("voxels", "topleft"),
    [
        (np.zeros((1, 4, 4, 4), np.uint16), (0, 0, 0)),
        (np.zeros((2, 4, 4, 4), np.uint8), (0, 0, 0)),
        (np.zeros((4, 4), np.uint8), (0, 0, 0)),
        (np.zeros((1, 4, 4, 4), np.uint8), (-1, 0, 0)),
    ],
)
def test_voxels_that_do_not_fit_are_refused(
    tmp_path: Path, voxels: NDArray[Any], topleft: tuple[int, int, int]
) -> None:
    writer = WkwWriter(tmp_path, WkwHeader(np.dtype("uint8"), block_len=4, file_len=2))
    with pytest.raises(InvalidInput):
        writer.write(topleft, voxels)


def test_a_folder_holds_one_kind(tmp_path: Path) -> None:
    WkwWriter(tmp_path, WkwHeader(np.dtype("uint8")))
    WkwWriter(tmp_path, WkwHeader(np.dtype("uint8")))
    with pytest.raises(InvalidInput, match="another kind"):
        WkwWriter(tmp_path, WkwHeader(np.dtype("uint16")))


def test_a_failed_write_leaves_the_old_cube(tmp_path: Path) -> None:
    voxels = random_voxels("uint8", (1, 16, 16, 16))
    header = header_of(voxels, block_len=8, file_len=2)
    WkwWriter(tmp_path, header).write((0, 0, 0), voxels)
    file = cube_file(tmp_path)
    raw = bytearray(file.read_bytes())
    raw[header.data_offset : header.data_offset + 40] = b"\xff" * 40  # a block that cannot be changed
    file.write_bytes(raw)
    with pytest.raises(CorruptData, match=r"x0\.wkw"):
        WkwWriter(tmp_path, header).write((1, 1, 1), voxels[:, :3, :3, :3])
    assert file.read_bytes() == raw
    assert [entry.name for entry in file.parent.iterdir()] == ["x0.wkw"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"dtype": np.dtype("uint8"), "block_len": 3},
        {"dtype": np.dtype("uint8"), "file_len": 0},
        {"dtype": np.dtype("complex64")},
        {"dtype": np.dtype("uint64"), "num_channels": 32},
    ],
)
def test_headers_that_the_format_does_not_know(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        WkwHeader(**arguments)


# --- damage ------------------------------------------------------------------------------------


@pytest.fixture
def stored(tmp_path: Path) -> tuple[Path, NDArray[Any], WkwHeader]:
    voxels = random_voxels("uint8", (1, 32, 32, 32))
    header = header_of(voxels, block_len=8, file_len=4)
    WkwWriter(tmp_path / "mag", header).write((0, 0, 0), voxels)
    return tmp_path / "mag", voxels, header


def spoil(file: Path, offset: int, data: bytes) -> None:
    raw = bytearray(file.read_bytes())
    raw[offset : offset + len(data)] = data
    file.write_bytes(raw)


@pytest.mark.parametrize(
    ("offset", "data"),
    [
        (0, b"XKW"),
        (3, b"\x02"),
        (4, b"\xff"),
        (4, b"\x24"),
        (5, b"\x00"),
        (5, b"\x09"),
        (6, b"\x63"),
        (7, b"\x00"),
        (6, b"\x02\x03"),
        (8, b"\xff" * 8),
        (8, bytes(8)),
        (16, b"\xff" * 8),
        (16, bytes(8)),
        (24, bytes(8)),
        (16 + 8 * 63, (2**40).to_bytes(8, "little")),
    ],
)
def test_a_cube_whose_numbers_are_wrong_is_refused(
    stored: tuple[Path, NDArray[Any], WkwHeader], offset: int, data: bytes
) -> None:
    folder, _, _ = stored
    spoil(cube_file(folder), offset, data)
    with pytest.raises(CorruptData) as caught:
        WkwVolume(folder).read(BoundingBox((0, 0, 0), (32, 32, 32)))
    assert caught.value.path.startswith(str(cube_file(folder))) or "x0.wkw" in caught.value.path
    assert caught.value.hint


@pytest.mark.parametrize(
    "content", [b"", b"WKW", b"PNG\x01" + bytes(12), b"WKW\x01\xff\x01\x01\x01" + bytes(8)]
)
def test_a_damaged_header_is_refused(stored: tuple[Path, NDArray[Any], WkwHeader], content: bytes) -> None:
    folder, _, _ = stored
    (folder / "header.wkw").write_bytes(content)
    with pytest.raises(CorruptData, match=r"header\.wkw"):
        WkwVolume(folder)


def test_a_folder_without_header_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorruptData, match=r"header\.wkw"):
        WkwVolume(tmp_path)


def test_blocks_before_the_cut_are_still_read(stored: tuple[Path, NDArray[Any], WkwHeader]) -> None:
    folder, voxels, _ = stored
    file = cube_file(folder)
    os.truncate(file, file.stat().st_size - 5)
    volume = WkwVolume(folder)
    np.testing.assert_array_equal(volume.read(BoundingBox((0, 0, 0), (16, 16, 16))), voxels[:, :16, :16, :16])
    with pytest.raises(CorruptData, match="block 63"):
        volume.read(BoundingBox((24, 24, 24), (1, 1, 1)))
    first, last = volume.stored_blocks.fetch([(0, 0, 0), (3, 3, 3)])
    assert isinstance(first, bytes)
    assert isinstance(last, BlockError)
    assert "x0.wkw" in last.error.message


def test_a_block_that_decodes_to_another_size_is_refused(
    stored: tuple[Path, NDArray[Any], WkwHeader],
) -> None:
    import lz4.block

    folder, _, header = stored
    short = lz4.block.compress(bytes(100), store_size=False)
    ends = [header.data_offset + len(short)] * header.blocks_per_file
    head = header.encode(data_offset=header.data_offset)
    cube_file(folder).write_bytes(head + struct.pack("<64Q", *ends) + short)
    with pytest.raises(CorruptData, match="100 bytes instead of 512"):
        WkwVolume(folder).read(BoundingBox((0, 0, 0), (8, 8, 8)))


def test_a_cube_may_start_its_voxels_later(stored: tuple[Path, NDArray[Any], WkwHeader]) -> None:
    folder, voxels, header = stored
    raw = cube_file(folder).read_bytes()
    table = np.frombuffer(raw, "<u8", 64, 16) + 24
    later = header.encode(data_offset=header.data_offset + 24) + table.tobytes() + bytes(24)
    cube_file(folder).write_bytes(later + raw[header.data_offset :])
    np.testing.assert_array_equal(WkwVolume(folder).read(BoundingBox((0, 0, 0), (32, 32, 32))), voxels)


def test_a_cube_that_is_a_folder_is_told(stored: tuple[Path, NDArray[Any], WkwHeader]) -> None:
    folder, _, _ = stored
    cube_file(folder).unlink()
    cube_file(folder).mkdir()
    with pytest.raises(CorruptData, match=r"x0\.wkw"):
        WkwVolume(folder).read(BoundingBox((0, 0, 0), (1, 1, 1)))


def test_a_cube_that_is_replaced_while_open_is_read_anew(
    stored: tuple[Path, NDArray[Any], WkwHeader],
) -> None:
    folder, voxels, header = stored
    volume = WkwVolume(folder)
    box = BoundingBox((0, 0, 0), (32, 32, 32))
    volume.read(box)
    os.truncate(cube_file(folder), 700)  # what was known of the file is not so any more
    flat = np.full_like(voxels, 7)
    WkwWriter(folder, header).write((0, 0, 0), flat)
    for entry in volume.stored_blocks._cache._files.values():
        entry.checked_until = 0.0  # as if the time had passed
    np.testing.assert_array_equal(volume.read(box), flat)


# --- blocks as they lie ------------------------------------------------------------------------


@pytest.mark.parametrize("block_type", BLOCK_TYPES)
def test_stored_blocks_decode_to_the_voxels(tmp_path: Path, block_type: BlockType) -> None:
    from wk_jupyter.api.frames import decode_payload

    voxels = random_voxels("uint32", (3, 32, 16, 16))
    WkwWriter(tmp_path, header_of(voxels, block_type, block_len=8, file_len=2)).write((0, 0, 0), voxels)
    volume = WkwVolume(tmp_path)
    blocks = stored_blocks(volume)
    assert blocks is not None
    assert blocks.layout.shape == (8, 8, 8)
    for index in np.ndindex(4, 2, 2):
        [block] = blocks.fetch([index])
        raw = decode_payload(block, blocks.layout.encoding, blocks.layout.decoded_bytes, lambda: "x")
        x, y, z = (8 * n for n in index)
        part = voxels[:, x : x + 8, y : y + 8, z : z + 8]
        assert raw == part.tobytes(order="F")
    outside = blocks.fetch([(4, 0, 0), (-1, 0, 0), (9, 9, 9)])
    assert outside == [MISSING] * 3


def test_the_stored_box_is_found_by_listing(tmp_path: Path) -> None:
    writer = WkwWriter(tmp_path, WkwHeader(np.dtype("uint8"), block_len=4, file_len=2))
    assert WkwVolume(tmp_path).stored_box().is_empty
    writer.write((17, 3, 40), np.ones((10, 2, 2), np.uint8))
    (tmp_path / "z9").mkdir()
    (tmp_path / "z9" / "notes").write_text("nothing")
    assert WkwVolume(tmp_path).stored_box() == BoundingBox((16, 0, 40), (16, 8, 8))


# --- real files --------------------------------------------------------------------------------


def arrays_of(shared_data: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Folders of real WKW mags with what is known of their voxels."""
    manifest = json.loads((shared_data / "manifest.json").read_text())
    entries = [e for e in manifest["real"] + manifest["derived"] if e["format"] == "wkw"]
    return [
        (folder, array)
        for entry in entries
        if isinstance(entry["truth"], dict)
        for array in entry["truth"]["arrays"]
        for folder in sorted((shared_data / entry["path"]).rglob(array["path"]))
        if (folder / "header.wkw").exists()
    ]


def check_truth(folder: Path, truth: dict[str, Any]) -> None:
    volume = WkwVolume(folder)
    assert volume.header.encode(data_offset=0).hex() == truth["header_hex"]
    if "sha256" not in truth:
        assert not volume.read(BoundingBox((0, 0, 0), (40, 40, 40))).any()
        return
    voxels = volume.read(BoundingBox(truth["offset"], truth["shape"][1:]))
    assert voxels.dtype == truth["dtype"]
    assert hashlib.sha256(voxels.tobytes()).hexdigest() == truth["sha256"]


def test_real_files_give_the_known_voxels(shared_data: Path) -> None:
    arrays = arrays_of(shared_data)
    assert len(arrays) >= 8
    for folder, truth in arrays:
        check_truth(folder, truth)


def test_an_exported_annotation_gives_the_known_voxels(shared_data: Path, tmp_path: Path) -> None:
    """Cube files of one block each, in a ZIP of mag folders."""
    [archive] = (shared_data / "wkw" / "wkw-cremi-volume-zip").glob("*.zip")
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(tmp_path)
    manifest = json.loads((shared_data / "manifest.json").read_text())
    [entry] = [e for e in manifest["real"] if e.get("id") == "wkw-cremi-volume-zip"]
    for truth in entry["truth"]:
        folder = tmp_path / truth["path"]
        check_truth(folder, truth)
        box = BoundingBox(truth["offset"], truth["shape"][1:])
        stored = WkwVolume(folder).stored_box()
        assert stored.contains(box)
        assert stored.size.product // 32**3 >= truth["cube_files"]


def test_the_real_bad_magic_is_refused(shared_data: Path) -> None:
    with pytest.raises(CorruptData, match=r"header\.wkw"):
        WkwVolume(shared_data / "malformed" / "wkw" / "bad-magic" / "color" / "1")
