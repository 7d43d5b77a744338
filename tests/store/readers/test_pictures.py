"""Pictures of each kind, written by Pillow and imagecodecs, and read again."""

from __future__ import annotations

import struct
import zlib
from contextlib import closing
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from contracts.reader_contract import ReaderContract, Written, read_whole, refusal, require_image
from PIL import Image as Pillow

from wk_jupyter.errors import CorruptData, UnsupportedFormat
from wk_jupyter.store.readers import reader_named


def voxels(shape, dtype="uint8", seed=1):
    limits = np.iinfo(dtype)
    return np.random.default_rng(seed).integers(limits.min, limits.max, shape, dtype, endpoint=True)


def smooth(height, width):
    return ((np.arange(height)[:, None] + np.arange(width)) * 2 % 200).astype(np.uint8)


def in_axes(array):
    """A picture (y, x[, c]) as (t, c, z, y, x)."""
    return array[None, None, None] if array.ndim == 2 else array.transpose(2, 0, 1)[None, :, None]


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


class TestPng(ReaderContract):
    reader = "picture"

    def write(self, folder: Path) -> Written:
        data = voxels((19, 23, 3))
        Pillow.fromarray(data).save(folder / "Bild.PNG")
        return Written([folder / "Bild.PNG"], in_axes(data))


class TestPngOfPalette(ReaderContract):
    reader = "picture"

    def write(self, folder: Path) -> Written:
        picture = Pillow.fromarray(voxels((19, 23)) % 200)
        picture.putpalette(voxels(600).tobytes())
        picture.save(folder / "a.png", transparency=3)
        return Written([folder / "a.png"], in_axes(np.asarray(picture.convert("RGB"))))


class TestJpeg(ReaderContract):
    reader = "picture"

    def write(self, folder: Path) -> Written:
        Pillow.fromarray(smooth(33, 47)).save(folder / "a.jpg")
        return Written([folder / "a.jpg"], in_axes(np.asarray(Pillow.open(folder / "a.jpg"))))


class TestBmp(ReaderContract):
    reader = "picture"

    def write(self, folder: Path) -> Written:
        data = voxels((19, 23, 3))
        Pillow.fromarray(data).save(folder / "a.bmp")
        return Written([folder / "a.bmp"], in_axes(data))


class TestGif(ReaderContract):
    reader = "picture"

    def write(self, folder: Path) -> Written:
        data = voxels((19, 23))
        Pillow.fromarray(data).save(folder / "a.gif")
        return Written([folder / "a.gif"], in_axes(data))


class TestAnimation(ReaderContract):
    reader = "picture"
    tells_cuts = False  # frames that are not there are not missed

    def write(self, folder: Path) -> Written:
        frames = [Pillow.fromarray(voxels((19, 23), seed=n)) for n in range(4)]
        frames[0].save(folder / "a.gif", save_all=True, append_images=frames[1:])
        return Written([folder / "a.gif"], np.stack([np.asarray(frame) for frame in frames])[None, None])


class TestWebp(ReaderContract):
    reader = "picture"

    def write(self, folder: Path) -> Written:
        data = voxels((19, 23, 3))
        Pillow.fromarray(data).save(folder / "a.webp", lossless=True)
        return Written([folder / "a.webp"], in_axes(data))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("samples", [1, 2, 3, 4])
def test_png_of_8_and_16_bits_loses_nothing_but_alpha(tmp_path, dtype, samples):
    data = voxels((19, 23, samples), dtype)
    stored = data[..., 0] if samples == 1 else data
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(stored))
    info = require_image("picture", [tmp_path / "a.png"], in_axes(data[..., : 1 if samples < 3 else 3]))
    assert info.rgb is (samples > 2)
    assert any("alpha" in note for note in info.notes) is (samples in {2, 4})


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_png_of_few_bits(tmp_path, bits):
    """One bit is 0 and 1; two and four are greys from black to white, as everybody shows them."""
    data = voxels((19, 24)) >> (8 - bits)
    rows = b"".join(
        b"\0" + np.packbits(np.unpackbits(row[:, None], axis=1)[:, -bits:]).tobytes() for row in data
    )
    header = struct.pack(">IIBBBBB", 24, 19, bits, 0, 0, 0, 0)
    png = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    (tmp_path / "a.png").write_bytes(png)
    expected = data if bits == 1 else data * (255 // (2**bits - 1))
    require_image("picture", [tmp_path / "a.png"], in_axes(expected.astype(np.uint8)))


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_transparent_colour_is_no_channel(tmp_path, mode, dtype):
    data = voxels((19, 23) if mode == "L" else (19, 23, 3), dtype)
    png = imagecodecs.png_encode(data)
    mark = chunk(b"tRNS", struct.pack(">H" if mode == "L" else ">HHH", *([5] if mode == "L" else [5, 6, 7])))
    (tmp_path / "a.png").write_bytes(png[:33] + mark + png[33:])
    require_image("picture", [tmp_path / "a.png"], in_axes(data))


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".gif"])
def test_palettes_become_colours_and_palettes_of_greys_grey(tmp_path, suffix):
    indices = voxels((19, 23)) % 64
    table = voxels((64, 3))
    greys = np.repeat(voxels(64)[:, None], 3, axis=1)
    for name, colors in (("colours", table), ("greys", greys)):
        picture = Pillow.fromarray(indices)
        picture.putpalette(colors.tobytes())
        picture.save(tmp_path / f"{name}{suffix}")
    info = require_image("picture", [tmp_path / f"colours{suffix}"], in_axes(table[indices]))
    assert info.rgb
    assert "the palette is applied." in info.notes
    require_image("picture", [tmp_path / f"greys{suffix}"], in_axes(greys[indices][..., 0]))


def test_cmyk_becomes_rgb_and_says_so(tmp_path):
    Pillow.new("CMYK", (24, 16), (255, 0, 0, 0)).save(tmp_path / "a.jpg", quality=100)
    with closing(reader_named("picture").open([tmp_path / "a.jpg"], {})) as opened:
        image = opened.images[0]
        assert image.info.rgb
        assert any("CMYK" in note for note in image.info.notes)
        cyan = read_whole(image)[0, :, 0].reshape(3, -1).T.astype(int)
    assert np.abs(cyan - (0, 255, 255)).max() < 5


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_are_turned_as_they_were_held(tmp_path, orientation):
    data = smooth(32, 48)
    exif = Pillow.Exif()
    exif[274] = orientation
    Pillow.fromarray(data).save(tmp_path / "a.jpg", exif=exif, quality=100)
    Pillow.fromarray(data).save(tmp_path / "straight.jpg", quality=100)
    straight = np.asarray(Pillow.open(tmp_path / "straight.jpg"))
    turned = {
        1: straight, 2: straight[:, ::-1], 3: straight[::-1, ::-1], 4: straight[::-1], 5: straight.T,
        6: straight[::-1].T, 7: straight[::-1, ::-1].T, 8: straight.T[::-1],
    }[orientation]  # fmt: skip
    info = require_image("picture", [tmp_path / "a.jpg"], in_axes(np.ascontiguousarray(turned)))
    assert any("EXIF" in note for note in info.notes) is (orientation != 1)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("exif", [b"", b"\0", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff"])
def test_damaged_exif_does_no_harm(tmp_path, exif):
    Pillow.fromarray(smooth(32, 48)).save(tmp_path / "a.jpg", exif=b"Exif\0\0" + exif)
    assert refusal("picture", [tmp_path / "a.jpg"]) is None


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_frames_are_sections(tmp_path, suffix):
    data = voxels((5, 19, 23, 3)) if suffix != ".gif" else voxels((5, 19, 23))
    frames = [Pillow.fromarray(frame) for frame in data]
    options = {"lossless": True} if suffix == ".webp" else {}
    frames[0].save(tmp_path / f"a{suffix}", save_all=True, append_images=frames[1:], **options)
    expected = data.transpose(3, 0, 1, 2)[None] if data.ndim == 4 else data[None, None]
    require_image("picture", [tmp_path / f"a{suffix}"], expected)


def test_a_bomb_is_refused_on_its_header(tmp_path):
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * 1000)
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows))
    error = refusal("picture", [tmp_path / "a.png"])
    assert isinstance(error, UnsupportedFormat)
    assert "30,000 × 30,000" in str(error)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".gif"])
def test_sizes_that_no_such_file_can_have_are_refused_on_the_header(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    Pillow.fromarray(smooth(20, 24)).save(path)
    data = bytearray(path.read_bytes())
    place, form = {
        ".png": (16, ">II"),
        ".bmp": (18, "<ii"),
        ".gif": (6, "<HH"),
        ".jpg": (data.find(b"\xff\xc0") + 5, ">HH"),
    }[suffix]
    struct.pack_into(form, data, place, 15_000, 15_000)
    if suffix == ".png":
        struct.pack_into(">I", data, 29, zlib.crc32(data[12:29]))
    path.write_bytes(data)
    error = refusal("picture", [path])
    assert isinstance(error, CorruptData)
    assert "15,000 × 15,000 pixels" in str(error)


def test_a_large_section_is_no_bomb(tmp_path):
    """Pillow by itself would refuse it."""
    side = 14_000
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(np.zeros((side, side), np.uint8), level=1))
    with closing(reader_named("picture").open([tmp_path / "a.png"], {})) as opened:
        assert opened.images[0].info.size == (1, 1, 1, side, side)


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp"])
def test_cut_pictures_are_told(tmp_path, suffix, cut):
    path = tmp_path / f"a{suffix}"
    Pillow.fromarray(voxels((64, 64, 3))).save(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * cut)])
    error = refusal("picture", [path])
    assert isinstance(error, CorruptData)
    assert path.name in str(error)
    assert error.hint


def test_a_name_that_lies_does_no_harm(tmp_path):
    data = voxels((19, 23))
    Pillow.fromarray(data).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    require_image("picture", [tmp_path / "a.jpg"], in_axes(data))
