from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import zstandard
from contracts.reader_contract import ReaderContract, Written, read_whole, refusal, require_image
from numpy.typing import NDArray
from reader_checks import checked_voxels, open_file, real_entries, real_file, sha256, truths

from wk_jupyter.errors import CorruptData, UnsupportedFormat
from wk_jupyter.store.readers import reader_named
from wk_jupyter.store.readers.base import Channel, Region

GRAY8, GRAY16, FLOAT, BGR24, BGR48, BGRA32, COMPLEX = 0, 1, 2, 3, 4, 9, 10


def segment(kind: bytes, body: bytes) -> bytes:
    return struct.pack("<16sqq", kind, len(body), len(body)) + body


def entry(
    place: Mapping[str, int], size: tuple[int, int], kind: int, packed: int, at: int, stored: int = 1
) -> bytes:
    """Return a tile's entry of the directory; ``stored``: by how much it has fewer pixels than it covers."""
    width, height = size
    dimensions = b"".join(
        struct.pack("<4siifi", axis.encode(), start, length, 0.0, length // stored if length > 1 else 1)
        for axis, start, length in [
            ("X", place["X"], width), ("Y", place["Y"], height),
            *((axis, start, 1) for axis, start in place.items() if axis not in "XY"),
        ]
    )  # fmt: skip
    return struct.pack("<2siqiiB5xi", b"DV", kind, at, 0, packed, 0, len(place)) + dimensions


def pack(pixels: NDArray[Any], packed: int) -> bytes:
    """Return pixels (y, x[, sample]), as stored, in a compression."""
    raw = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    if packed == 6 and pixels.dtype.itemsize == 2:
        both = np.frombuffer(raw, np.uint8).reshape(-1, 2)
        return b"\3\1\1" + zstandard.compress(both[:, 0].tobytes() + both[:, 1].tobytes())
    packers: dict[int, Callable[[], bytes]] = {
        1: lambda: imagecodecs.jpeg_encode(
            np.ascontiguousarray(pixels[..., ::-1]), level=100, subsampling="444"
        ),
        2: lambda: imagecodecs.lzw_encode(raw),
        4: lambda: imagecodecs.jpegxr_encode(pixels, level=1.0),
        5: lambda: zstandard.compress(raw),
        6: lambda: b"\1" + zstandard.compress(raw),
    }
    return packers.get(packed, lambda: raw)()


class Czi:
    """Collects tiles and writes them to a file."""

    def __init__(self) -> None:
        self.data = bytearray(segment(b"ZISRAWFILE", bytes(80)))
        self.entries: list[bytes] = []

    def tile(
        self,
        pixels: NDArray[Any],
        kind: int,
        packed: int = 0,
        *,
        stored: int = 1,
        data: bytes | None = None,
        **place: int,
    ) -> Czi:
        place = {"X": 0, "Y": 0, **place}
        size = (pixels.shape[1] * stored, pixels.shape[0] * stored)
        own = entry(place, size, kind, packed, len(self.data), stored)
        self.entries.append(own)
        body = pack(pixels, packed) if data is None else data
        head = struct.pack("<iiq", 5, 0, len(body)) + own
        self.data += segment(b"ZISRAWSUBBLOCK", head.ljust(256, b"\0") + b"<M/>\n" + body)
        return self

    def write(self, path: Path, xml: str = "", part: int = 0) -> Path:
        directory = len(self.data)
        head = struct.pack("<i", len(self.entries)).ljust(128, b"\0")
        self.data += segment(b"ZISRAWDIRECTORY", head + b"".join(self.entries))
        metadata = len(self.data) if xml else 0
        if xml:
            encoded = xml.encode()
            self.data += segment(
                b"ZISRAWMETADATA", struct.pack("<i", len(encoded)).ljust(256, b"\0") + encoded
            )
        struct.pack_into("<iqq", self.data, 80, part, directory, metadata)
        path.write_bytes(self.data)
        return path


def document(
    *,
    sizes: Sequence[str] = ("1E-07", "1E-07", "2.5E-07"),
    channels: str = "",
    shown: str = "",
    scenes: str = "",
) -> str:
    items = "".join(
        f'<Distance Id="{axis}"><Value>{size}</Value></Distance>'
        for axis, size in zip("XYZ", sizes, strict=True)
    )
    return f"""<ImageDocument><Metadata><Information><Image><Dimensions><Channels>{channels}</Channels>
        <S><Scenes>{scenes}</Scenes></S></Dimensions></Image></Information>
        <DisplaySetting><Channels>{shown}</Channels></DisplaySetting>
        <Scaling><Items>{items}</Items></Scaling></Metadata></ImageDocument>"""


def numbers(shape: tuple[int, ...], dtype: str = "uint16", seed: int = 0) -> NDArray[Any]:
    most = 60000 if dtype == "uint16" else 250
    return np.random.default_rng(seed).integers(1, most, shape).astype(dtype)


class TestCzi(ReaderContract):
    reader = "czi"

    def write(self, folder: Path) -> Written:
        czi, voxels = Czi(), numbers((2, 3, 4, 5, 7))
        for t, c, z in np.ndindex(2, 3, 4):
            czi.tile(voxels[t, c, z], GRAY16, T=t, C=c, Z=z)
        return Written([czi.write(folder / "Größe.czi", document())], voxels)


class TestPackedCzi(ReaderContract):
    reader = "czi"

    def write(self, folder: Path) -> Written:
        czi, voxels = Czi(), np.zeros((1, 1, 2, 11, 17), np.uint16)
        for z, (y, x) in ((0, (0, 0)), (0, (6, 10)), (1, (0, 10))):
            tile = numbers((5, 7), seed=z + y)
            voxels[0, 0, z, y : y + 5, x : x + 7] = tile
            czi.tile(tile, GRAY16, 6, X=100 + x, Y=200 + y, Z=z, M=y)
        return Written([czi.write(folder / "Größe.czi", document())], voxels)


@pytest.mark.parametrize("packed", [0, 2, 4, 5, 6])
@pytest.mark.parametrize(("kind", "dtype"), [(GRAY8, "uint8"), (GRAY16, "uint16"), (FLOAT, "float32")])
def test_every_type_and_compression(tmp_path: Path, kind: int, dtype: str, packed: int) -> None:
    pixels = numbers((20, 30), dtype)
    path = Czi().tile(pixels, kind, packed).write(tmp_path / "a.czi")
    require_image("czi", [path], pixels[None, None, None])


@pytest.mark.parametrize("packed", [0, 2, 5, 6])
@pytest.mark.parametrize(
    ("kind", "dtype", "samples"), [(BGR24, "uint8", 3), (BGR48, "uint16", 3), (BGRA32, "uint8", 4)]
)
def test_colours(tmp_path: Path, kind: int, dtype: str, samples: int, packed: int) -> None:
    pixels = numbers((20, 30, samples), dtype)
    path = Czi().tile(pixels, kind, packed).write(tmp_path / "a.czi")
    info = require_image("czi", [path], pixels.transpose(2, 0, 1)[2::-1][None, :, None])
    assert info.rgb
    assert any("alpha" in note for note in info.notes) == (samples == 4)


def test_colours_in_jpeg(tmp_path: Path) -> None:
    pixels = np.zeros((16, 24, 3), np.uint8) + np.array([10, 120, 240], np.uint8)  # blue, green, red
    path = Czi().tile(pixels, BGR24, 1).write(tmp_path / "a.czi")
    [image] = open_file(path).images
    assert np.abs(read_whole(image)[0, :, 0, 3, 3].astype(int) - [240, 120, 10]).max() <= 2


@pytest.mark.parametrize("kind_of_file", [0x0C, 0x0D])
def test_colours_in_jpeg_xr_have_the_order_that_its_own_header_says(
    tmp_path: Path, kind_of_file: int
) -> None:
    pixels = numbers((16, 24, 3), "uint8")
    data = bytearray(imagecodecs.jpegxr_encode(pixels, level=1.0))
    guid = data.index(bytes.fromhex("24c3dd6f034efe4bb1853d77768dc90d"))
    data[guid + 15] = kind_of_file
    path = Czi().tile(pixels, BGR24, 4, data=bytes(data)).write(tmp_path / "a.czi")
    rgb = pixels[..., ::-1] if kind_of_file == 0x0C else pixels
    require_image("czi", [path], rgb.transpose(2, 0, 1)[None, :, None])


def test_a_mosaic_has_0_where_no_tile_is_and_higher_tiles_lie_above(tmp_path: Path) -> None:
    czi, voxels = Czi(), np.zeros((30, 50), np.uint16)
    places = {0: (-5, 7), 2: (-1, 10), 1: (20, 30)}
    for layer, (y, x) in places.items():
        czi.tile(numbers((10, 12), seed=layer), GRAY16, 5, X=x, Y=y, M=layer)
    voxels = np.zeros((35, 35), np.uint16)
    for layer in sorted(places):
        y, x = places[layer]
        voxels[y + 5 : y + 15, x - 7 : x + 5] = numbers((10, 12), seed=layer)
    info = require_image("czi", [czi.write(tmp_path / "a.czi")], voxels[None, None, None])
    assert info.topleft == (0, 0, 0)


def test_coarser_levels_are_left_out(tmp_path: Path) -> None:
    pixels = numbers((20, 30))
    czi = Czi().tile(pixels, GRAY16).tile(numbers((10, 15)), GRAY16, stored=2)
    require_image("czi", [czi.write(tmp_path / "a.czi")], pixels[None, None, None])


def test_scenes_far_apart_are_images_of_their_own(tmp_path: Path) -> None:
    far = 10**9
    czi = Czi().tile(numbers((10, 12), seed=1), GRAY16, X=50, Y=60, S=0)
    czi.tile(numbers((8, 9), seed=2), GRAY16, X=far, Y=far, S=1)
    named = '<Scene Name="A1"/><Scene Name="B2"/>'
    first, second = open_file(czi.write(tmp_path / "a.czi", document(scenes=named))).images
    assert [first.info.name, second.info.name] == ["A1", "B2"]
    assert (first.info.topleft, second.info.topleft) == ((0, 0, 0), (far - 50, far - 60, 0))
    np.testing.assert_array_equal(checked_voxels(first)[0, 0, 0], numbers((10, 12), seed=1))
    np.testing.assert_array_equal(checked_voxels(second)[0, 0, 0], numbers((8, 9), seed=2))


def test_channels_of_other_types_are_images_of_their_own(tmp_path: Path) -> None:
    czi = Czi()
    for channel, (dtype, kind) in enumerate((("uint16", GRAY16), ("uint8", GRAY8), ("uint16", GRAY16))):
        czi.tile(numbers((10, 12), dtype, channel), kind, C=channel)
    czi.tile(numbers((10, 12, 3), "uint8", 3), BGR24, C=3)
    told = "".join(f'<Channel Id="Channel:{n}" Name="{name}"/>' for n, name in enumerate("abcd"))
    images = open_file(czi.write(tmp_path / "a.czi", document(channels=told))).images
    found = {
        image.info.name: (image.info.size.c, [each.name for each in image.info.channels]) for image in images
    }
    assert found == {"Gray16": (2, ["a", "c"]), "Gray8": (1, ["b"]), "d": (3, [])}


def test_what_the_metadata_say(tmp_path: Path) -> None:
    channels = '<Channel Id="Channel:0" Name="DAPI"/><Channel Id="Channel:1"/>'
    shown = """<Channel Id="Channel:1"><Color>#FF00FF10</Color></Channel>
        <Channel Id="Channel:0"><Color>#FF0000FF</Color><Low>0.25</Low><High>0.5</High></Channel>"""
    czi = Czi().tile(numbers((10, 12)), GRAY16, C=0).tile(numbers((10, 12)), GRAY16, C=1)
    [image] = open_file(czi.write(tmp_path / "a.czi", document(channels=channels, shown=shown))).images
    assert image.info.voxel_size == pytest.approx((100, 100, 250))
    assert image.info.channels == (
        Channel("DAPI", (0, 0, 255), (0.25 * 65535, 0.5 * 65535)),
        Channel("Channel:1", (0, 255, 16), None),
    )


def test_metadata_that_say_nothing(tmp_path: Path) -> None:
    for xml, note in (
        (document(sizes=("0", "nan", "-1")), None),
        ("<ImageDocument/>", None),
        ("<ImageDocument", "its metadata cannot be read: names and sizes are not known."),
        ("\0\1", "its metadata cannot be read: names and sizes are not known."),
    ):
        path = Czi().tile(numbers((10, 12)), GRAY16).write(tmp_path / "a.czi", xml)
        [image] = open_file(path).images
        assert image.info.voxel_size == (None, None, None)
        assert image.info.notes == (() if note is None else (note,))


def test_of_several_sizes_the_first_counts(tmp_path: Path) -> None:
    items = '<Old><Items><Distance Id="X"><Value>5E-9</Value></Distance></Items></Old>'
    xml = document().replace("<Information>", f"<Information>{items}")
    [image] = open_file(Czi().tile(numbers((10, 12)), GRAY16).write(tmp_path / "a.czi", xml)).images
    assert image.info.voxel_size == pytest.approx((5, None, None))
    assert "the first is taken" in image.info.notes[0]


def test_of_other_axes_the_first_place_is_taken(tmp_path: Path) -> None:
    czi = Czi()
    for phase in (2, 1):
        czi.tile(numbers((10, 12), seed=phase), GRAY16, H=phase)
    info = require_image("czi", [czi.write(tmp_path / "a.czi")], numbers((10, 12), seed=1)[None, None, None])
    assert info.notes == ("of 2 phases (H) the first is taken.",)


def test_what_is_refused(tmp_path: Path) -> None:
    path, pixels = tmp_path / "a.czi", numbers((10, 12))

    def told(error: type[Exception]) -> str:
        found = refusal("czi", [path])
        assert isinstance(found, error)
        assert "a.czi" in str(found)
        return str(found)

    Czi().tile(pixels, COMPLEX, data=bytes(960)).write(path)
    assert "complex" in told(UnsupportedFormat)
    Czi().tile(pixels, 77).write(path)
    assert "unknown type 77" in told(UnsupportedFormat)
    Czi().tile(pixels, GRAY16, 104).write(path)
    assert "packed in a way (104)" in told(UnsupportedFormat)
    Czi().tile(pixels, GRAY16).write(path, part=1)
    assert "part 1" in told(UnsupportedFormat)
    Czi().write(path)
    assert "holds no image" in told(UnsupportedFormat)
    Czi().tile(pixels, GRAY16, 5, data=zstandard.compress(bytes(10**6))).write(path)
    assert "unpacks to 1000000 bytes in place of 240" in told(CorruptData)
    Czi().tile(pixels, GRAY16).tile(pixels, GRAY16, X=2**31 - 13, Y=2**31 - 13).write(path)
    assert "2 tiles lie in" in told(CorruptData)
    Czi().tile(pixels, GRAY16).tile(pixels, GRAY16, T=2**31 - 1).write(path)
    assert "2 tiles lie in" in told(CorruptData)


def test_a_file_that_is_still_written(tmp_path: Path) -> None:
    path = Czi().tile(numbers((10, 12)), GRAY16).write(tmp_path / "a.czi")
    data = bytearray(path.read_bytes())
    struct.pack_into("<q", data, 84, 0)
    path.write_bytes(data)
    with pytest.raises(CorruptData, match="not written to the end"):
        open_file(path)


def test_parts_of_large_tiles_are_read_by_rows(tmp_path: Path) -> None:
    """Only the rows that are asked for are looked at: damage below them is not seen."""
    pixels = numbers((4000, 30))
    path = Czi().tile(pixels, GRAY16).write(tmp_path / "a.czi")
    [image] = open_file(path).images
    part = image.read(Region(0, (0, 1), (0, 1), (1000, 1010), (5, 9)))
    np.testing.assert_array_equal(part[0, 0], pixels[1000:1010, 5:9])


@pytest.mark.parametrize("entry", real_entries("czi"))
def test_real_files(entry: dict[str, Any]) -> None:
    opened = open_file(real_file(entry, ".czi"))
    for image, truth in zip(opened.images, truths(entry), strict=True):
        voxels = checked_voxels(image)
        found = voxels.transpose(0, 2, 3, 4, 1)[:, None] if image.info.rgb else voxels
        assert found.shape == tuple(truth["shape"])
        assert sha256(found) == truth["sha256"]
        sizes = [truth["voxel_m"][axis] * 1e9 for axis in "XYZ"]
        assert image.info.voxel_size == pytest.approx(tuple(size or None for size in sizes))
        if not image.info.rgb:
            assert [channel.name for channel in image.info.channels] == truth["czi"]["channels"]
    corners = [image.info.topleft[:2] for image in opened.images]
    assert corners == [tuple(truth.get("scene_rect", (0, 0))[:2]) for truth in truths(entry)]
    opened.close()


def test_a_pointer_to_a_file_elsewhere(shared_data: Path) -> None:
    with pytest.raises(UnsupportedFormat, match="not a CZI file but a Git LFS pointer"):
        reader_named("czi").open([shared_data / "malformed/lfs-pointer/c1_gray16.czi"], {})
