"""What folders and files are taken for: layers, their names and categories, what is left out or refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import tifffile
from contracts.reader_contract import read_whole, require_regions
from PIL import Image

from wk_jupyter.errors import CorruptData, InvalidInput, UnsupportedFormat, WkError
from wk_jupyter.store.imports.inspection import MAX_LAYERS, inspect
from wk_jupyter.store.imports.proposal import Inspection, LayerProposal
from wk_jupyter.store.readers import open_image
from wk_jupyter.store.volumes.wkw_format import BlockType, WkwHeader
from wk_jupyter.store.volumes.wkw_writer import WkwWriter


def section(path: Path, size: tuple[int, int] = (30, 20), seed: int = 0, *, rgb: bool = False) -> None:
    """Write a picture of random grey values, ``size`` is (x, y)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size[1], size[0], 3) if rgb else size[::-1]
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, np.uint8)).save(path)


def looked_at(path: Path) -> Inspection:
    return inspect(path).inspection


def names(path: Path) -> list[str]:
    return [layer.name for layer in looked_at(path).layers]


def the_layer(path: Path) -> LayerProposal:
    [layer] = looked_at(path).layers
    return layer


def test_sections_are_put_in_the_order_in_which_people_count(tmp_path):
    for number in (10, 9, 1, 100):
        section(tmp_path / f"s{number}.png", seed=number)
    found = inspect(tmp_path)
    [source] = found.sources
    assert [Path(path).stem for path in source.paths] == ["s1", "s9", "s10", "s100"]
    assert found.inspection.layers[0].size == (30, 20, 4)


def test_each_folder_is_a_layer_of_its_name(tmp_path):
    for folder in ("raw", "labels", "deep/er"):
        for number in range(3):
            section(tmp_path / folder / f"{number}.png", seed=number)
    assert names(tmp_path) == ["deep_er", "labels", "raw"]
    assert [layer.category for layer in looked_at(tmp_path).layers] == ["color", "segmentation", "color"]


def test_files_of_channels_are_layers(tmp_path):
    for channel in range(2):
        for z in range(3):
            section(tmp_path / f"cells_z{z}_ch{channel:02}.png", seed=z)
    found = looked_at(tmp_path)
    assert [(layer.name, layer.size) for layer in found.layers] == [
        ("ch00", (30, 20, 3)),
        ("ch01", (30, 20, 3)),
    ]


@pytest.mark.parametrize("name", ["cells_ch1_z{}", "batch{}", "ch{:04}", "z{}"])
def test_names_that_tell_of_one_channel_or_of_none_are_one_layer(tmp_path, name):
    for number in range(4):
        section(tmp_path / f"{name.format(number)}.png")
    assert the_layer(tmp_path).size == (30, 20, 4)


def test_folders_of_tiles_are_one_image(tmp_path):
    whole = np.random.default_rng(2).integers(0, 256, (2, 40, 90), np.uint8)
    for (z, y, x), name in {
        (z, y, x): f"{z + 9}/{y + 1}/{x + 8}.png" for z in range(2) for y in range(2) for x in range(3)
    }.items():
        path = tmp_path / "em" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(whole[z, 20 * y : 20 * y + 20, 30 * x : 30 * x + 30]).save(path)
    found = inspect(tmp_path)
    [layer], [source] = found.inspection.layers, found.sources
    assert (layer.name, layer.size, layer.files) == ("em", (90, 40, 2), 12)
    opened, image = open_image(source.ref())
    with closing(opened):
        require_regions(image, read_whole(image), 6)
        assert np.array_equal(read_whole(image)[0, 0], whole)


@pytest.mark.parametrize("missing", ["1/2/1.png", "2/1/2.png"])
def test_tiles_with_a_gap_are_not_put_together(tmp_path, missing: str):
    for number in range(8):
        section(tmp_path / f"{number // 4 + 1}" / f"{number // 2 % 2 + 1}" / f"{number % 2 + 1}.png")
    (tmp_path / missing).unlink()
    assert len(looked_at(tmp_path).layers) == 4


def test_names_with_umlauts_and_spaces_become_names_of_layers(tmp_path):
    section(tmp_path / "Übersicht (größer), 1.png")
    layer = the_layer(tmp_path / "Übersicht (größer), 1.png")
    assert layer.name == "Übersicht_größer_1"


def test_two_layers_never_have_one_name(tmp_path):
    section(tmp_path / "a b" / "1.png")
    section(tmp_path / "a_b" / "1.png")
    assert len(set(names(tmp_path))) == 2


def test_ids_are_told_from_grey_values_by_their_voxels_and_the_same_each_time(tmp_path):
    blocks = np.random.default_rng(0).integers(1, 9, (4, 8, 8), np.uint16)
    np.save(tmp_path / "a.npy", blocks.repeat(16, 0).repeat(16, 1).repeat(16, 2))
    np.save(tmp_path / "b.npy", np.random.default_rng(0).integers(1, 60000, (64, 128, 128), np.uint16))
    for _ in range(2):
        assert [layer.category for layer in looked_at(tmp_path).layers] == ["segmentation", "color"]


def nrrd(folder: Path, data: str, packed: str = "raw") -> None:
    folder.mkdir(exist_ok=True)
    (folder / "cells.nhdr").write_text(
        f"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 4 5 6\nencoding: {packed}\nspacings: 2 2 3\n"
        f"data file: {data}\n"
    )
    (folder / data).write_bytes(bytes(4 * 5 * 6))


def mhd(folder: Path, data: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "cells.mhd").write_text(
        "ObjectType = Image\nNDims = 3\nDimSize = 4 5 6\nElementType = MET_UCHAR\n"
        f"ElementSpacing = 1 1 2\nElementDataFile = {data}\n"
    )
    (folder / data).write_bytes(bytes(4 * 5 * 6))


@pytest.mark.parametrize("write", [nrrd, mhd])
@pytest.mark.parametrize("data", ["cells.raw", "other.raw", "voxels.bin", "cells.zraw"])
def test_a_header_and_its_voxels_are_one_image(tmp_path, write: Callable[[Path, str], None], data: str):
    write(tmp_path / "scan", data)
    found = looked_at(tmp_path / "scan")
    assert [layer.size for layer in found.layers] == [(4, 5, 6)]
    assert found.notes == ()


def test_packed_voxels_of_a_header_are_no_archive(tmp_path):
    nrrd(tmp_path, "cells.raw.gz", "gzip")
    assert the_layer(tmp_path).size == (4, 5, 6)


def test_a_header_whose_voxels_are_missing_says_so(tmp_path):
    mhd(tmp_path, "cells.raw")
    (tmp_path / "cells.raw").unlink()
    with pytest.raises(InvalidInput, match=r"cells\.mhd needs cells\.raw beside it"):
        inspect(tmp_path)


def test_a_header_may_lie_beside_other_raw_files(tmp_path):
    nrrd(tmp_path, "cells.raw")
    (tmp_path / "plain_3x4x5_uint8.raw").write_bytes(bytes(60))
    assert {layer.size for layer in looked_at(tmp_path).layers} == {(4, 5, 6), (3, 4, 5)}


def test_notes_on_raw_voxels_are_used_and_not_told_as_left_out(tmp_path):
    (tmp_path / "a.raw").write_bytes(bytes(2 * 3 * 4))
    (tmp_path / "a.json").write_text('{"shape": [2, 3, 4], "dtype": "uint8"}')
    (tmp_path / "readme.txt").write_text("about")
    found = looked_at(tmp_path)
    assert found.layers[0].size == (2, 3, 4)
    assert found.notes == ("no image data, left out: readme.txt.",)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("tracing.nml", "is a skeleton annotation"),
        ("mesh.ply", "is a mesh"),
        ("mesh.STL", "is a mesh"),
        ("all.tar", "is an archive"),
        ("all.tar.gz", "is an archive"),
    ],
)
def test_what_is_no_image_is_refused_by_its_name(tmp_path, name: str, reason: str):
    section(tmp_path / "1.png")
    (tmp_path / name).write_bytes(b"something")
    with pytest.raises(UnsupportedFormat, match=f"{re.escape(name)} {reason}"):
        inspect(tmp_path)


def test_nothing_is_said_to_be_nothing(tmp_path):
    (tmp_path / "empty" / "below").mkdir(parents=True)
    with pytest.raises(UnsupportedFormat, match="holds nothing that is recognised"):
        inspect(tmp_path / "empty")
    (tmp_path / "empty" / "notes.txt").write_text("hello")
    with pytest.raises(InvalidInput, match=r"^notes\.txt"):
        inspect(tmp_path / "empty" / "notes.txt")


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.nii", "a.dm3", "a.czi", "a.npy", "a.h5", "a.mrc", "a"])
def test_empty_files_are_named(tmp_path, name: str):
    (tmp_path / name).touch()
    with pytest.raises(WkError, match=rf"^{re.escape(name)}"):
        inspect(tmp_path)


def test_a_link_that_leads_nowhere_is_named(tmp_path):
    section(tmp_path / "1.png")
    (tmp_path / "2.png").symlink_to("gone.png")
    with pytest.raises(InvalidInput, match=r"2\.png is a link to gone\.png, which is not there"):
        inspect(tmp_path)


def test_links_in_circles_end(tmp_path):
    section(tmp_path / "a" / "1.png")
    (tmp_path / "a" / "again").symlink_to(tmp_path, target_is_directory=True)
    assert names(tmp_path) == ["a_1"]


def test_hidden_files_are_nothing(tmp_path):
    section(tmp_path / "1.png")
    for name in (".DS_Store", "._1.png", "Thumbs.db", "desktop.ini"):
        (tmp_path / name).write_bytes(b"\0")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "._1.png").write_bytes(b"\0")
    assert the_layer(tmp_path).files == 1


def test_too_many_layers_are_refused_with_the_way_out(tmp_path):
    for number in range(MAX_LAYERS + 1):
        np.save(tmp_path / f"{number}.npy", np.zeros((2, 2, 2), np.uint8))
    with pytest.raises(InvalidInput, match=f"at most {MAX_LAYERS}") as caught:
        inspect(tmp_path)
    assert "one folder" in caught.value.hint


def test_grey_and_colour_are_not_one_sequence(tmp_path):
    section(tmp_path / "1.png")
    section(tmp_path / "2.png", rgb=True)
    with pytest.raises(UnsupportedFormat, match=r"2\.png"):
        inspect(tmp_path)


def test_a_file_that_lies_about_its_type_is_read_as_what_it_is(tmp_path):
    section(tmp_path / "true.png")
    (tmp_path / "true.png").rename(tmp_path / "lies.tif")
    assert the_layer(tmp_path).format == "picture"


def test_a_text_with_the_suffix_of_an_image_is_named(tmp_path):
    (tmp_path / "a.tif").write_text("hello")
    with pytest.raises(CorruptData, match=r"a\.tif"):
        inspect(tmp_path)


def test_a_multi_page_file_is_a_stack_and_several_are_layers(tmp_path):
    for name in ("one", "two"):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.zeros((5, 20, 30), np.uint8), photometric="minisblack")
    assert [(layer.name, layer.size) for layer in looked_at(tmp_path).layers] == [
        ("one", (30, 20, 5)),
        ("two", (30, 20, 5)),
    ]


def wkw(folder: Path) -> None:
    header = WkwHeader(np.dtype(np.uint8), 1, 32, 2, BlockType.LZ4)
    WkwWriter(folder / "color" / "1", header).write((0, 0, 0), np.ones((1, 8, 8, 8), np.uint8))


def test_a_stored_dataset_is_taken_as_it_is_but_not_with_images_beside_it(tmp_path):
    wkw(tmp_path / "ds")
    assert looked_at(tmp_path / "ds").kind == "stored"
    section(tmp_path / "ds" / "color" / "1.png")
    with pytest.raises(UnsupportedFormat, match=r"a stored dataset and image files, such as 1\.png"):
        inspect(tmp_path / "ds")


def test_voxel_sizes_that_differ_are_told(tmp_path):
    for name, size in (("a", 2), ("b", 3)):
        nrrd(tmp_path / name, "cells.raw")
        path = tmp_path / name / "cells.nhdr"
        told = f'space: right-anterior-superior\nspace units: "nm" "nm" "nm"\nspacings: {size} 2 3'
        path.write_text(path.read_text().replace("spacings: 2 2 3", told))
    found = looked_at(tmp_path)
    assert found.voxel_size == (2, 2, 3)
    assert any("different voxel sizes" in note for note in found.notes)
