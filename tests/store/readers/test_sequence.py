"""Many files that are one image."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import tifffile
from contracts.reader_contract import ReaderContract, Written, descriptors, refusal, require_image, whole
from PIL import Image as Pillow

from wk_jupyter.errors import CorruptData, InvalidInput, UnsupportedFormat
from wk_jupyter.store.readers import reader_named


def voxels(shape, dtype="uint8"):
    limits = np.iinfo(dtype)
    return np.random.default_rng(1).integers(limits.min, limits.max, shape, dtype, endpoint=True)


class TestTiffs(ReaderContract):
    reader = "sequence"
    is_recognised = False

    def write(self, folder: Path) -> Written:
        data = voxels((7, 19, 23), "uint16")
        paths = [folder / f"Schnitt {number}.tif" for number in range(7)]
        for path, section in zip(paths, data, strict=True):
            tifffile.imwrite(path, section, compression="zlib", rowsperstrip=5)
        return Written(paths, data[None, None], {"reader": "tiff"})


class TestStacks(ReaderContract):
    """More files than are kept open, each of several pages."""

    reader = "sequence"
    is_recognised = False

    def write(self, folder: Path) -> Written:
        data = voxels((30, 11, 13))
        paths = [folder / f"{number}.tif" for number in range(10)]
        for number, path in enumerate(paths):
            tifffile.imwrite(path, data[3 * number : 3 * number + 3], photometric="minisblack")
        return Written(paths, data[None, None], {"reader": "tiff"})


class TestPictures(ReaderContract):
    reader = "sequence"
    is_recognised = False

    def write(self, folder: Path) -> Written:
        data = voxels((4, 19, 23, 3))
        paths = [folder / f"{number}.png" for number in range(4)]
        for path, section in zip(paths, data, strict=True):
            Pillow.fromarray(section).save(path)
        return Written(paths, data.transpose(3, 0, 1, 2)[None], {"reader": "picture"})


def sections(folder, count=5, **odd):
    """Write sections; ``odd``: others in place of some, by number (``n3=array``)."""
    paths = []
    for number in range(count):
        paths.append(folder / f"{number}.tif")
        section = odd.get(f"n{number}", np.full((11, 13), number % 256, np.uint8))
        tifffile.imwrite(paths[-1], section, photometric="rgb" if section.ndim == 3 else "minisblack")
    return paths


@pytest.mark.parametrize(("odd", "told"), [
    (np.zeros((11, 14), np.uint8), ("14 × 11", "13 × 11")),
    (np.zeros((12, 13), np.uint8), ("13 × 12", "13 × 11")),
    (np.zeros((11, 13), np.uint16), ("uint16", "uint8")),
    (np.zeros((11, 13), np.int8), ("int8", "uint8")),
    (np.zeros((11, 13, 3), np.uint8), ("in colour", "grey")),
])  # fmt: skip
def test_sections_that_differ_are_refused_by_name_and_size(tmp_path, odd, told):
    error = refusal("sequence", sections(tmp_path, n3=odd), {"reader": "tiff"})
    assert isinstance(error, UnsupportedFormat)
    for word in ("3.tif", "0.tif", *told):
        assert word in str(error)


def test_the_first_that_differs_is_named(tmp_path):
    odd = np.zeros((12, 13), np.uint8)
    paths = sections(tmp_path, 400, n250=odd, n251=odd, n390=odd)
    before = descriptors()
    error = refusal("sequence", paths, {"reader": "tiff"})
    assert isinstance(error, UnsupportedFormat)
    assert "250.tif is 13 × 12" in str(error)
    assert descriptors() == before


def test_grey_among_colour_is_refused(tmp_path):
    paths = [tmp_path / "0.png", tmp_path / "1.png"]
    Pillow.fromarray(voxels((11, 13, 3))).save(paths[0])
    Pillow.fromarray(voxels((11, 13))).save(paths[1])
    error = refusal("sequence", paths, {"reader": "picture"})
    assert isinstance(error, UnsupportedFormat)
    assert "1.png is grey, but 0.png is a picture in colour" in str(error)


def test_a_file_of_another_format_is_named(tmp_path):
    paths = sections(tmp_path)
    paths[2].write_text("notes")
    error = refusal("sequence", paths, {"reader": "tiff"})
    assert isinstance(error, CorruptData)
    assert "2.tif" in str(error)


def test_sections_may_be_compressed_each_in_its_own_way(tmp_path):
    data = voxels((4, 64, 64))
    paths = []
    for number, codec in enumerate((None, "lzw", "zlib", "zstd")):
        paths.append(tmp_path / f"{number}.tif")
        tifffile.imwrite(paths[-1], data[number], compression=codec)
    require_image("sequence", paths, data[None, None], {"reader": "tiff"})


def test_links_are_sections(tmp_path):
    data = voxels((11, 13))
    tifffile.imwrite(tmp_path / "0.tif", data)
    for number in range(1, 4):
        (tmp_path / f"{number}.tif").symlink_to("0.tif")
    paths = [tmp_path / f"{number}.tif" for number in range(4)]
    require_image("sequence", paths, np.broadcast_to(data, (1, 1, 4, 11, 13)), {"reader": "tiff"})


def test_a_link_that_leads_nowhere_is_named(tmp_path):
    paths = sections(tmp_path)
    paths[3].unlink()
    paths[3].symlink_to("away.tif")
    error = refusal("sequence", paths, {"reader": "tiff"})
    assert error is not None
    assert "3.tif" in str(error)


def test_what_was_checked_is_not_looked_at_again(tmp_path):
    paths = sections(tmp_path)
    paths[4].write_bytes(b"")
    hints = {"reader": "tiff", "checked": True}
    with closing(reader_named("sequence").open(paths, hints)) as opened:
        image = opened.images[0]
        region = whole(image)
        assert image.read(region._replace(z=(0, 4))).shape == (1, 4, 11, 13)
        with pytest.raises(CorruptData, match=r"4\.tif"):
            image.read(region)


def test_a_section_that_changed_after_it_was_checked_is_told(tmp_path):
    paths = sections(tmp_path)
    hints = {"reader": "tiff", "checked": True}
    with closing(reader_named("sequence").open(paths, hints)) as opened:
        tifffile.imwrite(paths[2], np.zeros((5, 7), np.uint8))
        with pytest.raises(UnsupportedFormat, match=r"2\.tif"):
            opened.images[0].read(whole(opened.images[0]))


def test_open_files_are_few(tmp_path):
    """The sections of a slab that is converted, 64 of them, stay open; a longer sequence opens no more."""
    paths = sections(tmp_path, 200)
    before = descriptors()
    with closing(reader_named("sequence").open(paths, {"reader": "tiff"})) as opened:
        opened.images[0].read(whole(opened.images[0]))
        assert 64 <= descriptors() - before <= 80
    assert descriptors() == before


@pytest.mark.parametrize("hints", [{}, {"reader": "nobody"}, {"reader": "sequence"}, {"reader": 5}])
def test_the_reader_of_the_sections_is_asked_for(tmp_path, hints):
    assert isinstance(refusal("sequence", sections(tmp_path), hints), InvalidInput)


def test_a_sequence_of_no_files_is_refused():
    assert isinstance(refusal("sequence", [], {"reader": "tiff"}), InvalidInput)


def test_several_images_in_a_section_are_refused(tmp_path):
    paths = sections(tmp_path)
    with tifffile.TiffWriter(paths[2], ome=True) as tif:
        tif.write(voxels((11, 13)), metadata={"axes": "YX"})
        tif.write(voxels((5, 7)), metadata={"axes": "YX"})
    error = refusal("sequence", paths, {"reader": "tiff"})
    assert isinstance(error, UnsupportedFormat)
    assert "2.tif holds 2 images" in str(error)
