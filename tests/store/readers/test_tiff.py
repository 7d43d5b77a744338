"""Every dialect of TIFF, written by tifffile or by hand, and read again."""

from __future__ import annotations

import struct
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import tifffile
from contracts.reader_contract import (
    ReaderContract,
    Written,
    read_whole,
    refusal,
    require_image,
    require_regions,
)
from PIL import Image as Pillow

from wk_jupyter.errors import CorruptData, UnsupportedFormat
from wk_jupyter.store.readers import reader_for, reader_named
from wk_jupyter.store.readers.base import Channel, Region, Size


def voxels(shape, dtype="uint8", seed=1):
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return rng.standard_normal(shape).astype(kind)
    if kind.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    limits = np.iinfo(kind)
    return rng.integers(limits.min, limits.max, shape, kind, endpoint=True)


def smooth(shape, dtype="uint8"):
    """What lossy and predicting codecs are made for."""
    grid = np.indices(shape).sum(axis=0)
    return (grid * 3 % (np.iinfo(dtype).max + 1)).astype(dtype)


def info_of(path):
    with closing(reader_named("tiff").open([path], {})) as opened:
        return opened.images[0].info


# --- the contract, for what differs in how it is read ---------------------------------------------


class TestPlainStack(ReaderContract):
    """Read by offset, without decoding."""

    reader = "tiff"

    def write(self, folder: Path) -> Written:
        data = voxels((3, 2, 5, 19, 23), "uint16")
        tifffile.imwrite(folder / "Säule.tif", data.transpose(0, 2, 1, 3, 4), imagej=True,
                         metadata={"axes": "TZCYX"})  # fmt: skip
        return Written([folder / "Säule.tif"], data)


class TestStrips(ReaderContract):
    reader = "tiff"

    def write(self, folder: Path) -> Written:
        data = voxels((5, 37, 23), "int16")
        tifffile.imwrite(
            folder / "strips.tiff", data, compression="zlib", predictor=2, rowsperstrip=7, byteorder=">",
            photometric="minisblack",
        )  # fmt: skip
        return Written([folder / "strips.tiff"], data[None, None])


class TestTiles(ReaderContract):
    reader = "tiff"

    def write(self, folder: Path) -> Written:
        data = voxels((2, 3, 3, 37, 51), "uint8")
        tifffile.imwrite(
            folder / "tiles.ome.tif", data, ome=True, bigtiff=True, compression="lzw", tile=(16, 32),
            photometric="minisblack", metadata={"axes": "TCZYX"},
        )  # fmt: skip
        return Written([folder / "tiles.ome.tif"], data)


class TestPlanarTilesInColour(ReaderContract):
    reader = "tiff"

    def write(self, folder: Path) -> Written:
        data = voxels((2, 3, 37, 51), "uint16")
        tifffile.imwrite(
            folder / "p.tif", data, photometric="rgb", planarconfig="separate", tile=(16, 16),
            compression="zstd",
        )  # fmt: skip
        return Written([folder / "p.tif"], data.transpose(1, 0, 2, 3)[None])


class TestPalette(ReaderContract):
    reader = "tiff"

    def write(self, folder: Path) -> Written:
        indices, table = voxels((4, 17, 23)), voxels((3, 256), "uint16")
        tifffile.imwrite(folder / "p.tif", indices, photometric="palette", colormap=table)
        return Written([folder / "p.tif"], (table >> 8).astype(np.uint8)[:, indices][None])


# --- one feature each -----------------------------------------------------------------------------

LAYOUTS = {
    "one strip": {},
    "strips": {"rowsperstrip": 7},
    "tiles": {"tile": (16, 32)},
    "deflated strips": {"rowsperstrip": 7, "compression": "zlib"},
    "deflated tiles": {"tile": (16, 32), "compression": "zlib"},
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_layouts_byte_orders_and_offsets_of_64_bits(tmp_path, layout, byteorder, bigtiff, dtype):
    data = voxels((3, 33, 47), dtype)
    options = {"byteorder": byteorder, "bigtiff": bigtiff, "photometric": "minisblack", **layout}
    tifffile.imwrite(tmp_path / "a.tif", data, **options)
    require_image("tiff", [tmp_path / "a.tif"], data[None, None])


DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64",
          "float16", "float32", "float64"]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_types(tmp_path, dtype, compression, byteorder):
    data = voxels((2, 33, 47), dtype)
    tifffile.imwrite(
        tmp_path / "a.tif", data, compression=compression, byteorder=byteorder, photometric="minisblack"
    )
    require_image("tiff", [tmp_path / "a.tif"], data[None, None])


CODECS = ["lzw", "zlib", "deflate", "packbits", "zstd", "lzma", "lerc", "png", "webp", "jpeg2000", "jpegxl"]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("tile", [None, (16, 32)])
def test_lossless_compressions(tmp_path, codec, tile):
    data = smooth((2, 33, 47))
    options = {}
    if codec == "webp":
        data = np.repeat(data[..., None], 3, axis=-1)
        options = {"photometric": "rgb", "compressionargs": {"lossless": True}}
    if codec == "jpeg2000":
        options = {"compressionargs": {"reversible": True}}
    if codec == "jpegxl":
        options = {"compressionargs": {"lossless": True}}
    tifffile.imwrite(
        tmp_path / "a.tif",
        data,
        **{"photometric": "minisblack", "compression": codec, "tile": tile, **options},
    )
    expected = data[None, None] if data.ndim == 3 else data.transpose(3, 0, 1, 2)[None]
    require_image("tiff", [tmp_path / "a.tif"], expected)


@pytest.mark.parametrize("photometric", ["minisblack", "rgb", "ycbcr"])
@pytest.mark.parametrize("tile", [None, (16, 32)])
def test_jpeg_compression(tmp_path, photometric, tile):
    data = smooth((2, 48, 64)) // 4
    if photometric != "minisblack":
        data = np.repeat(data[..., None], 3, axis=-1)
    tifffile.imwrite(
        tmp_path / "a.tif", data, photometric=photometric if photometric != "ycbcr" else "rgb", tile=tile,
        compression="jpeg", compressionargs={"level": 100, "outcolorspace": photometric},
    )  # fmt: skip
    with closing(reader_named("tiff").open([tmp_path / "a.tif"], {})) as opened:
        image = opened.images[0]
        assert image.info.rgb is (photometric != "minisblack")
        found = read_whole(image)
        require_regions(image, found)
    expected = data[None, None] if data.ndim == 3 else data.transpose(3, 0, 1, 2)[None]
    assert np.abs(found.astype(int) - expected).max() <= 3


@pytest.mark.parametrize(("dtype", "predictor"), [
    ("uint8", 2), ("uint16", 2), ("int32", 2), ("uint64", 2), ("float16", 3), ("float32", 3), ("float64", 3),
])  # fmt: skip
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("samples", [1, 3])
def test_predictors(tmp_path, dtype, predictor, byteorder, samples):
    data = voxels((2, 33, 47, 3)[: 3 + (samples > 1)], dtype)
    tifffile.imwrite(
        tmp_path / "a.tif", data, compression="lzw", predictor=predictor, byteorder=byteorder, tile=(16, 32),
        photometric="rgb" if samples == 3 else "minisblack",
    )  # fmt: skip
    require_image(
        "tiff", [tmp_path / "a.tif"], data[None, None] if samples == 1 else data.transpose(3, 0, 1, 2)[None]
    )


def packed(values, bits):
    """Rows of values with few bits, each row from a new byte, most significant bit first."""
    rows = []
    for row in values:
        string = "".join(f"{value:0{bits}b}" for value in row)
        string += "0" * (-len(string) % 8)
        rows.append(bytes(int(string[n : n + 8], 2) for n in range(0, len(string), 8)))
    return b"".join(rows)


def by_hand(path, width, length, data, *, tags=(), byteorder="<", bits=8):
    """Write a TIFF of one page and one strip: ``tags`` are of (number, type, count, value)."""
    entries = {256: (4, 1, width), 257: (4, 1, length), 258: (3, 1, bits), 259: (3, 1, 1), 262: (3, 1, 1),
               273: (4, 1, 8), 277: (3, 1, 1), 278: (4, 1, length), 279: (4, 1, len(data))}  # fmt: skip
    entries.update({number: rest for number, *rest in tags})
    data += b"\0" * (len(data) % 2)
    ifd = struct.pack(byteorder + "H", len(entries))
    for number, (kind, count, value) in sorted(entries.items()):
        ifd += struct.pack(byteorder + "HHI", number, kind, count)
        ifd += struct.pack(byteorder + ("HH" if kind == 3 else "I"), *([value, 0] if kind == 3 else [value]))
    head = (b"II*\0" if byteorder == "<" else b"MM\0*") + struct.pack(byteorder + "I", 8 + len(data))
    path.write_bytes(head + data + ifd + b"\0" * 4)


@pytest.mark.parametrize("bits", [1, 2, 4, 6, 10, 12, 14])
def test_values_of_few_bits_are_not_scaled(tmp_path, bits):
    data = voxels((19, 23), "uint16") & (2**bits - 1)
    by_hand(tmp_path / "a.tif", 23, 19, packed(data, bits), bits=bits)
    expected = data.astype(np.uint8 if bits <= 8 else np.uint16)[None, None, None]
    info = require_image("tiff", [tmp_path / "a.tif"], expected)
    assert any("0 and 1" in note for note in info.notes) is (bits == 1)


@pytest.mark.parametrize("codec", [None, "packbits", "zlib"])
def test_1_bit_is_0_and_1(tmp_path, codec):
    data = voxels((19, 23), "bool")
    tifffile.imwrite(tmp_path / "a.tif", data, compression=codec)
    require_image("tiff", [tmp_path / "a.tif"], data.astype(np.uint8)[None, None, None])


@pytest.mark.parametrize("codec", ["group3", "group4", "tiff_ccitt"])
def test_facsimiles(tmp_path, codec):
    data = smooth((33, 47)) % 7 < 3
    Pillow.fromarray(data).save(tmp_path / "a.tif", compression=codec)
    require_image("tiff", [tmp_path / "a.tif"], data.astype(np.uint8)[None, None, None])


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16"])
def test_white_is_zero_keeps_its_values(tmp_path, dtype):
    data = voxels((19, 23), dtype)
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="miniswhite")
    expected = data.astype(np.uint8) if dtype == "bool" else data
    info = require_image("tiff", [tmp_path / "a.tif"], expected[None, None, None])
    assert any("white" in note for note in info.notes)


# --- colours --------------------------------------------------------------------------------------


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
@pytest.mark.parametrize("pages", [1, 3])
def test_rgb(tmp_path, planar, layout, pages):
    data = voxels((pages, 33, 47, 3))
    stored = data if planar == "contig" else data.transpose(0, 3, 1, 2)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", planarconfig=planar, **layout)
    info = require_image("tiff", [tmp_path / "a.tif"], data.transpose(3, 0, 1, 2)[None])
    assert info.rgb


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("extra", ["unassalpha", "assocalpha", "unspecified"])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_alpha_is_left_out_and_told(tmp_path, planar, extra, layout):
    data = voxels((33, 47, 4))
    stored = data if planar == "contig" else data.transpose(2, 0, 1)
    tifffile.imwrite(
        tmp_path / "a.tif", stored, photometric="rgb", planarconfig=planar, extrasamples=[extra], **layout
    )
    info = require_image("tiff", [tmp_path / "a.tif"], data.transpose(2, 0, 1)[None, :3, None])
    assert info.rgb
    assert any("fourth" in note if extra == "unspecified" else "alpha" in note for note in info.notes)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_alpha_of_grey_is_left_out(tmp_path, layout):
    data = voxels((33, 47, 2))
    tifffile.imwrite(
        tmp_path / "a.tif",
        data,
        photometric="minisblack",
        planarconfig="contig",
        extrasamples=["unassalpha"],
        **layout,
    )
    info = require_image("tiff", [tmp_path / "a.tif"], data.transpose(2, 0, 1)[None, :1, None])
    assert any("alpha" in note for note in info.notes)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_samples_that_are_no_colour_are_channels(tmp_path, planar):
    data = voxels((33, 47, 5), "uint16")
    stored = data if planar == "contig" else data.transpose(2, 0, 1)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="minisblack", planarconfig=planar)
    info = require_image("tiff", [tmp_path / "a.tif"], data.transpose(2, 0, 1)[None, :, None])
    assert not info.rgb


def test_a_palette_of_greys_stays_grey(tmp_path):
    data = voxels((19, 23))
    table = np.tile(np.arange(255, -1, -1, np.uint16) * 257, (3, 1))
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="palette", colormap=table)
    require_image("tiff", [tmp_path / "a.tif"], (255 - data)[None, None, None])


def test_the_table_of_imagej_is_for_display_alone(tmp_path):
    data = voxels((3, 19, 23))
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="palette", colormap=voxels((3, 256), "uint16"),
                     metadata=None, description="ImageJ=1.53c\nimages=3\nchannels=3\n")  # fmt: skip
    require_image("tiff", [tmp_path / "a.tif"], data[None, :, None])


# --- axes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("axes", ["TCZYX", "TZCYX", "CTZYX", "ZTCYX", "CZTYX", "ZCTYX"])
def test_axes_of_ome(tmp_path, axes):
    lengths = {"T": 2, "C": 3, "Z": 4, "Y": 11, "X": 13}
    data = voxels([lengths[axis] for axis in axes])
    tifffile.imwrite(tmp_path / "a.ome.tif", data, metadata={"axes": axes}, photometric="minisblack")
    expected = data.transpose([axes.index(axis) for axis in "TCZYX"])
    require_image("tiff", [tmp_path / "a.ome.tif"], expected)


@pytest.mark.parametrize("shape", [(t, c, z) for t in (1, 2) for c in (1, 3) for z in (1, 4)])
@pytest.mark.parametrize("kind", ["ome", "imagej"])
def test_axes_that_are_one_long(tmp_path, shape, kind):
    data = voxels((*shape, 11, 13))
    path = tmp_path / ("a.ome.tif" if kind == "ome" else "a.tif")
    stored = data if kind == "ome" else data.transpose(0, 2, 1, 3, 4)
    tifffile.imwrite(path, stored, imagej=kind == "imagej", photometric="minisblack",
                     metadata={"axes": "TCZYX" if kind == "ome" else "TZCYX"})  # fmt: skip
    require_image("tiff", [path], data)


@pytest.mark.parametrize("kind", ["ome", "imagej"])
def test_colour_in_a_stack_over_time(tmp_path, kind):
    data = voxels((2, 4, 11, 13, 3))
    path = tmp_path / ("a.ome.tif" if kind == "ome" else "a.tif")
    tifffile.imwrite(path, data, imagej=kind == "imagej", photometric="rgb", metadata={"axes": "TZYXS"})
    assert require_image("tiff", [path], data.transpose(0, 4, 1, 2, 3)).rgb


@pytest.mark.parametrize("axes", ["IYX", "QYX"])
def test_pages_of_no_named_axis_are_sections(tmp_path, axes):
    data = voxels((5, 11, 13))
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        if axes == "QYX":  # tifffile's own description of a shape
            tif.write(data, photometric="minisblack")
        for page in data if axes == "IYX" else ():
            tif.write(page, photometric="minisblack", metadata=None, contiguous=False)
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert tif.series[0].axes == axes
    require_image("tiff", [tmp_path / "a.tif"], data[None, None])


def test_pages_may_be_stored_each_in_its_own_way(tmp_path):
    data = voxels((4, 33, 47))
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for page, rows in zip(data, (7, 33, 5, 16), strict=True):
            tif.write(page, photometric="minisblack", metadata=None, contiguous=False, rowsperstrip=rows,
                      compression="zlib")  # fmt: skip
    require_image("tiff", [tmp_path / "a.tif"], data[None, None])


def test_more_axes_than_there_are_is_refused_in_words(tmp_path):
    data = voxels((2, 2, 3, 11, 13))
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="minisblack", metadata={"axes": "RQZYX"})
    error = refusal("tiff", [tmp_path / "a.tif"])
    assert isinstance(error, UnsupportedFormat)
    assert "a.tif" in str(error)


# --- what is told beside the voxels ---------------------------------------------------------------


def test_ome_tells_sizes_in_mixed_units_names_and_colours(tmp_path):
    data = voxels((2, 3, 11, 13))
    tifffile.imwrite(
        tmp_path / "a.ome.tif", data, photometric="minisblack",
        metadata={
            "axes": "CZYX", "Name": "Zelle", "PhysicalSizeX": 0.0046, "PhysicalSizeXUnit": "µm",
            "PhysicalSizeY": 46.0, "PhysicalSizeYUnit": "Å", "PhysicalSizeZ": 50, "PhysicalSizeZUnit": "nm",
            "Channel": {"Name": ["DAPI", "GFP"], "Color": [255 << 16 | 255, -16776961]},
        },
    )  # fmt: skip
    info = info_of(tmp_path / "a.ome.tif")
    assert info.voxel_size == pytest.approx((4.6, 4.6, 50))
    assert info.name == "Zelle"
    assert info.channels == (Channel("DAPI", (0, 255, 0)), Channel("GFP", (255, 0, 0)))


@pytest.mark.parametrize(("value", "unit"), [("NaN", "µm"), ("0", "µm"), ("-1", "nm"), ("inf", "nm"),
                                             ("1", "pixel"), ("x", "nm")])  # fmt: skip
def test_sizes_that_are_none_are_not_told(tmp_path, value, unit):
    tifffile.imwrite(tmp_path / "a.ome.tif", voxels((11, 13)), metadata={
        "axes": "YX", "PhysicalSizeX": value, "PhysicalSizeXUnit": unit, "PhysicalSizeY": 2,
        "PhysicalSizeYUnit": "nm",
    })  # fmt: skip
    assert info_of(tmp_path / "a.ome.tif").voxel_size == (None, 2, None)


UNITS = {"micron": 1000, "um": 1000, "\\u00B5m": 1000, "nm": 1, "mm": 1e6, "pixel": None, "": None}


@pytest.mark.parametrize(("unit", "nm"), UNITS.items())
def test_imagej_tells_sizes(tmp_path, unit, nm):
    tifffile.imwrite(tmp_path / "a.tif", voxels((4, 11, 13)), imagej=True, resolution=(4, 5),
                     metadata={"axes": "ZYX", "unit": unit, "spacing": 2.5})  # fmt: skip
    size = info_of(tmp_path / "a.tif").voxel_size
    if nm is None:
        assert size == (None, None, None)
    else:
        assert size == pytest.approx((nm / 4, nm / 5, nm * 2.5))


def test_imagej_tells_colours_and_windows(tmp_path):
    red = np.zeros((3, 256), np.uint8)
    red[0] = np.arange(256)
    told = {"axes": "CYX", "LUTs": [red, red[[1, 0, 2]]], "Ranges": (5.0, 900.0, 0.0, 1.0)}
    tifffile.imwrite(tmp_path / "a.tif", voxels((2, 11, 13), "uint16"), imagej=True, metadata=told)
    assert info_of(tmp_path / "a.tif").channels == (
        Channel("", (255, 0, 0), (5.0, 900.0)),
        Channel("", (0, 255, 0), (0.0, 1.0)),
    )


@pytest.mark.parametrize(("resolution", "unit", "expected"), [
    ((72, 72), "inch", None), ((300, 300), "inch", None), ((0, 0), "centimeter", None),
    ((1, 1), "none", None), ((2_000_000, 1_000_000), "centimeter", (5.0, 10.0, None)),
])  # fmt: skip
def test_dots_an_inch_are_told_where_a_microscope_may_have_set_them(tmp_path, resolution, unit, expected):
    tifffile.imwrite(tmp_path / "a.tif", voxels((11, 13)), resolution=resolution, resolutionunit=unit)
    found = info_of(tmp_path / "a.tif").voxel_size
    assert found == (pytest.approx(expected) if expected else (None, None, None))


# --- more than one image, parts in other files ----------------------------------------------------


def test_images_of_one_ome_file_are_images(tmp_path):
    first, second = voxels((3, 11, 13)), voxels((2, 5, 7), "uint16")
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as tif:
        tif.write(first, photometric="minisblack", metadata={"axes": "ZYX", "Name": "eins"})
        tif.write(second, photometric="minisblack", metadata={"axes": "CYX", "Name": "zwei"})
    with closing(reader_named("tiff").open([tmp_path / "a.ome.tif"], {})) as opened:
        assert [image.info.name for image in opened.images] == ["eins", "zwei"]
        require_regions(opened.images[0], first[None, None])
        require_regions(opened.images[1], second[None, :, None])


def test_coarser_levels_are_left_out(tmp_path):
    data = voxels((3, 64, 96))
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as tif:
        tif.write(data, subifds=1, tile=(16, 16), photometric="minisblack", metadata={"axes": "ZYX"})
        tif.write(data[:, ::2, ::2], subfiletype=1, tile=(16, 16), photometric="minisblack")
    require_image("tiff", [tmp_path / "a.ome.tif"], data[None, None])


@pytest.mark.parametrize("size", [(64, 96), (20, 30)])
@pytest.mark.parametrize("pages", [1, 3])
def test_pages_beside_the_chain_are_left_out(tmp_path, size, pages):
    data = voxels((pages, 64, 96))
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for page in data:
            tif.write(page, subifds=1, photometric="minisblack", metadata=None)
            tif.write(voxels(size), photometric="minisblack", metadata=None)
    require_image("tiff", [tmp_path / "a.tif"], data[None, None])


def test_reduced_pages_are_left_out(tmp_path):
    data = voxels((3, 64, 96))
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for page in data:
            tif.write(page, photometric="minisblack", metadata=None)
        tif.write(data[0, ::4, ::4], photometric="minisblack", subfiletype=1, metadata=None)
    require_image("tiff", [tmp_path / "a.tif"], data[None, None])


@pytest.mark.parametrize(("second", "told"), [(np.zeros((5, 7), np.uint8), "7 × 5"),
                                              (np.zeros((11, 13), np.uint16), "uint16"),
                                              (np.zeros((11, 13, 3), np.uint8), "3")])  # fmt: skip
def test_pages_that_differ_are_refused_by_number_and_size(tmp_path, second, told):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for page in (*voxels((3, 11, 13)), second):
            tif.write(page, metadata=None, photometric="rgb" if page.ndim == 3 else "minisblack")
    error = refusal("tiff", [tmp_path / "a.tif"])
    assert isinstance(error, UnsupportedFormat)
    assert "page 4" in str(error)
    assert "13 × 11" in str(error)
    assert told in str(error)
    assert "a.tif" in str(error)


def test_of_an_image_in_several_ome_files_each_gives_its_own_pages_and_says_so(tmp_path):
    data = voxels((2, 11, 13))
    xml = tifffile.OmeXml()
    xml.addimage("uint8", (2, 11, 13), (2, 1, 1, 11, 13, 1), axes="ZYX")
    parts = "".join(
        f'<TiffData FirstZ="{z}" IFD="0" PlaneCount="1"><UUID FileName="{z}.ome.tif">urn:uuid:'
        f"00000000-0000-0000-0000-00000000000{z}</UUID></TiffData>"
        for z in range(2)
    )
    text = xml.tostring().replace('<TiffData IFD="0" PlaneCount="2"/>', parts)
    assert "1.ome.tif" in text
    for z in range(2):
        tifffile.imwrite(tmp_path / f"{z}.ome.tif", data[z], description=text, metadata=None)
        info = require_image("tiff", [tmp_path / f"{z}.ome.tif"], data[None, None, z : z + 1])
        assert any("several files" in note for note in info.notes)


def test_pages_written_one_by_one_are_sections(tmp_path):
    data = voxels((12, 11, 13))
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for page in data:  # each gets a description of its own
            tif.write(page, photometric="minisblack", compression="zlib")
    require_image("tiff", [tmp_path / "a.tif"], data[None, None])


def test_a_page_in_the_middle_that_differs_is_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for number in range(20):
            side = 13 if number == 4 else 11
            tif.write(voxels((side, 11)), metadata=None, photometric="minisblack", contiguous=False)
    error = refusal("tiff", [tmp_path / "a.tif"])
    assert isinstance(error, UnsupportedFormat)
    assert "page 5 of a.tif is 11 × 13" in str(error)


def test_a_page_that_lies_turned_among_others_is_refused(tmp_path):
    """As many bytes in the right place."""
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        tif.write(voxels((20, 11, 13)), metadata=None, photometric="minisblack")
    swap_size_of_page(tmp_path / "a.tif", 4)
    error = refusal("tiff", [tmp_path / "a.tif"])
    assert isinstance(error, UnsupportedFormat)
    assert "page 5 of a.tif is 11 × 13" in str(error)


def swap_size_of_page(path, number):
    with tifffile.TiffFile(path) as tif:
        width, length = (tif.pages.get(number).tags[tag] for tag in (256, 257))
    with path.open("r+b") as stream:
        for place, value in ((width.valueoffset, length.value), (length.valueoffset, width.value)):
            stream.seek(place)
            stream.write(struct.pack("<H", value))


def test_planes_that_imagej_tells_as_channels(tmp_path):
    data = voxels((4, 2, 11, 13))
    description = "ImageJ=1.53c\nimages=8\nchannels=2\nslices=4\n"
    options = {"photometric": "minisblack", "planarconfig": "separate", "metadata": None, "contiguous": False}
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for number, page in enumerate(data):
            tif.write(page, description=None if number else description, **options)
    require_image("tiff", [tmp_path / "a.tif"], data.transpose(1, 0, 2, 3)[None])


def test_a_description_that_was_copied_to_a_single_page_does_no_harm(tmp_path):
    data = voxels((11, 13))
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        tif.write(data, metadata=None, photometric="minisblack", compression="zlib",
                  description="ImageJ=1.53c\nimages=8\nslices=8\n")  # fmt: skip
    require_image("tiff", [tmp_path / "a.tif"], data[None, None, None])


def test_complex_voxels_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((5, 7), np.complex64))
    error = refusal("tiff", [tmp_path / "a.tif"])
    assert isinstance(error, UnsupportedFormat)
    assert "complex" in str(error)


# --- large, lying and broken ----------------------------------------------------------------------


def test_more_than_4_gb_in_one_page_of_imagej(tmp_path):
    """Such files have one directory; the pages follow each other. Written as a hole with two voxels in it."""
    path, (z, y, x) = tmp_path / "gross.tif", (5, 40_000, 30_000)
    description = f"ImageJ=1.53c\nimages={z}\nslices={z}\nunit=nm\nspacing=30\n\0".encode()
    by_hand(path, x, y, description, tags=[(270, 2, len(description), 8), (273, 4, 1, 4096),
                                           (279, 4, 1, y * x)])  # fmt: skip
    with path.open("r+b") as stream:
        stream.truncate(4096 + z * y * x)
        for place, value in ((4096, 7), (4096 + z * y * x - 1, 9)):
            stream.seek(place)
            stream.write(bytes([value]))
    with closing(reader_for(path).open([path], {})) as opened:
        image = opened.images[0]
        assert image.info.size == Size(1, 1, z, y, x)
        near = image.read(Region(0, (0, 1), (0, 2), (0, 2), (0, 3)))
        far = image.read(Region(0, (0, 1), (z - 2, z), (y - 2, y), (x - 3, x)))
    assert near[0, 0, 0, 0] == 7
    assert near.sum() == 7
    assert far[0, -1, -1, -1] == 9
    assert far.sum() == 9


@pytest.mark.parametrize("dtype", ["uint8", ">u2"])
def test_windows_of_rows_that_are_wide(tmp_path, dtype):
    data = (np.arange(3 * 5 * 50_000).reshape(3, 5, 50_000) * 7919 >> 3).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="minisblack")
    require_image("tiff", [tmp_path / "a.tif"], data[None, None].astype(data.dtype.newbyteorder("=")))


def test_tiles_that_were_never_written_are_zero(tmp_path):
    data = np.zeros((64, 64), np.uint8)
    data[:16, :16] = 5
    tiles = iter([np.full((16, 16), 5, np.uint8), *[None] * 15])
    tifffile.imwrite(tmp_path / "a.tif", tiles, shape=(64, 64), dtype="uint8", tile=(16, 16),
                     photometric="minisblack", compression="zlib")  # fmt: skip
    require_image("tiff", [tmp_path / "a.tif"], data[None, None, None])


ABSURD = [(2**31, 2**31), (2**31 - 1, 2**31 - 1), (2**20, 2**20), (1, 2**32 - 1), (0, 5), (5, 0)]


@pytest.mark.parametrize(("width", "length"), ABSURD)
@pytest.mark.parametrize("compression", [1, 5, 8])
def test_absurd_sizes_are_refused_on_the_header(tmp_path, width, length, compression):
    by_hand(tmp_path / "a.tif", width, length, b"\0" * 100, tags=[(259, 3, 1, compression)])
    error = refusal("tiff", [tmp_path / "a.tif"])
    assert error is not None
    assert "a.tif" in str(error)


NONSENSE = {
    "tiles of no width": [(322, 4, 1, 0), (323, 4, 1, 16), (324, 4, 1, 8), (325, 4, 1, 35)],
    "strips of no rows": [(278, 4, 1, 0)],
    "an offset that is no whole number": [(273, 11, 1, 0x41000000)],
    "widths": [(256, 4, 3, 8)],
    "a width in words": [(256, 2, 40, 8)],
    "lengths that are float": [(257, 12, 1, 8)],
    "17 bits": [(258, 3, 1, 17)],
    "no bits": [(258, 3, 1, 0)],
    "no samples": [(277, 3, 1, 0)],
    "65535 samples": [(277, 3, 1, 65535)],
    "an unknown compression": [(259, 3, 1, 7777)],
    "an unknown predictor": [(259, 3, 1, 8), (317, 3, 1, 99)],
    "part of a length behind the end": [(279, 4, 1, 2**31)],
    "an offset behind the end": [(273, 4, 1, 2**31)],
    "a type that there is not": [(339, 3, 1, 9)],
}


@pytest.mark.parametrize("tags", NONSENSE.values(), ids=NONSENSE.keys())
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_tags_that_make_no_sense_are_refused(tmp_path, tags, byteorder):
    by_hand(tmp_path / "a.tif", 5, 7, b"\1" * 35, tags=tags, byteorder=byteorder)
    error = refusal("tiff", [tmp_path / "a.tif"])
    assert error is not None
    assert "a.tif" in str(error)


def test_a_chain_of_pages_that_loops_ends(tmp_path):
    by_hand(tmp_path / "a.tif", 5, 7, b"\1" * 35)
    data = bytearray((tmp_path / "a.tif").read_bytes())
    data[-4:] = data[4:8]
    (tmp_path / "a.tif").write_bytes(data)
    error = refusal("tiff", [tmp_path / "a.tif"])
    assert isinstance(error, CorruptData)
    assert "a.tif is damaged: its chain of pages loops after page 1" in str(error)


def test_damage_of_one_strip_names_file_and_page(tmp_path):
    data = smooth((3, 64, 64))
    tifffile.imwrite(tmp_path / "a.tif", data, compression="zlib", photometric="minisblack")
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        place = tif.pages[1].dataoffsets[0]
    with (tmp_path / "a.tif").open("r+b") as stream:
        stream.seek(place)
        stream.write(b"\xff" * 8)
    error = refusal("tiff", [tmp_path / "a.tif"])
    assert isinstance(error, CorruptData)
    assert "page 2" in str(error)
    assert "a.tif" in str(error)
