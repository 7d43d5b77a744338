from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contracts.reader_contract import read_whole, refusal, require_image, require_regions
from numpy.typing import NDArray
from reader_checks import real_entries, sha256, truths, with_links

from wk_jupyter.errors import CorruptData, InvalidInput, UnsupportedFormat
from wk_jupyter.store.readers import reader_named

SIDE = 16
HINTS = {"cube_size": SIDE}


def numbers(shape: tuple[int, ...], dtype: str = "uint8") -> NDArray[Any]:
    return np.random.default_rng(0).integers(1, 250, shape).astype(dtype)


def leaf(folder: Path, place: tuple[int, int, int]) -> Path:
    x, y, z = place
    found = folder / f"x{x:04d}" / f"y{y:04d}" / f"z{z:04d}"
    found.mkdir(parents=True, exist_ok=True)
    return found


def write_cube(folder: Path, place: tuple[int, int, int], voxels: NDArray[Any]) -> Path:
    x, y, z = place
    path = leaf(folder, place) / f"a_mag1_x{x:04d}_y{y:04d}_z{z:04d}.raw"
    path.write_bytes(voxels.astype(voxels.dtype.newbyteorder("<")).tobytes())
    return path


def write_cubes(folder: Path, voxels: NDArray[Any], first: tuple[int, int, int] = (0, 0, 0)) -> None:
    for z in range(voxels.shape[0] // SIDE):
        for y in range(voxels.shape[1] // SIDE):
            for x in range(voxels.shape[2] // SIDE):
                cut = tuple(slice(n * SIDE, (n + 1) * SIDE) for n in (z, y, x))
                write_cube(folder, (first[0] + x, first[1] + y, first[2] + z), voxels[cut])


def conf(folder: Path, **values: tuple[float, float, float]) -> None:
    lines = [f"{name} {axis} {told['xyz'.index(axis)]};" for name, told in values.items() for axis in "xyz"]
    (folder / "knossos.conf").write_text("\n".join(['experiment name "a";', *lines, "magnification 1;"]))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "float32"])
def test_cubes(tmp_path: Path, dtype: str) -> None:
    voxels = numbers((2 * SIDE, 3 * SIDE, 4 * SIDE), dtype)
    write_cubes(tmp_path, voxels, (2, 1, 10))
    hints = HINTS if dtype == "uint8" else {**HINTS, "dtype": dtype}
    info = require_image("knossos", [tmp_path], voxels[None, None], hints)
    assert info.topleft == (2 * SIDE, SIDE, 10 * SIDE)
    assert info.grain == (SIDE, SIDE, SIDE)
    assert info.voxel_size == (None, None, None)


def test_cubes_of_two_bytes_a_voxel_are_uint16(tmp_path: Path) -> None:
    voxels = numbers((SIDE, SIDE, SIDE), "uint16")
    write_cubes(tmp_path, voxels)
    require_image("knossos", [tmp_path], voxels[None, None], HINTS)
    write_cubes(tmp_path, voxels.astype("uint32"))
    error = refusal("knossos", [tmp_path], HINTS)
    assert isinstance(error, InvalidInput)
    assert error.details["missing"] == ["dtype"]


def test_missing_cubes_are_0_and_short_ones_are_filled_up(tmp_path: Path) -> None:
    voxels = numbers((SIDE, SIDE, 4 * SIDE))
    write_cubes(tmp_path, voxels)
    voxels[..., SIDE : 2 * SIDE] = 0
    [gone] = leaf(tmp_path, (1, 0, 0)).iterdir()
    gone.unlink()
    for x, kept in ((2, 5 * SIDE**2 + 3 * SIDE + 7), (3, 0)):
        [short] = leaf(tmp_path, (x, 0, 0)).iterdir()
        short.write_bytes(short.read_bytes()[:kept])
        cube = np.ascontiguousarray(voxels[..., x * SIDE : (x + 1) * SIDE])
        cube.reshape(-1)[kept:] = 0
        voxels[..., x * SIDE : (x + 1) * SIDE] = cube
    require_image("knossos", [tmp_path], voxels[None, None], HINTS)


def test_links_are_followed(tmp_path: Path) -> None:
    voxels = numbers((SIDE, SIDE, SIDE))
    there = write_cube(tmp_path / "mag1", (0, 0, 0), voxels)
    (leaf(tmp_path / "mag1", (1, 0, 0)) / "b.raw").symlink_to(there)
    (tmp_path / "mag1/x0002").symlink_to(tmp_path / "mag1/x0000")
    require_image("knossos", [tmp_path / "mag1"], np.tile(voxels, 3)[None, None], HINTS)


def test_the_settings_tell_size_and_scale(tmp_path: Path) -> None:
    voxels = numbers((SIDE, 2 * SIDE, 2 * SIDE))
    write_cubes(tmp_path, voxels, (1, 0, 0))
    conf(tmp_path, boundary=(2 * SIDE + 5, 20, 9), scale=(9.2, 9.2, 22.5))
    info = require_image("knossos", [tmp_path], voxels[None, None, :9, :20, : SIDE + 5], HINTS)
    assert info.voxel_size == (9.2, 9.2, 22.5)
    conf(tmp_path, boundary=(SIDE, 20, 9))
    error = refusal("knossos", [tmp_path], HINTS)
    assert isinstance(error, CorruptData)
    assert "boundary" in str(error)


def test_the_newer_settings_lie_above_mag_1(tmp_path: Path) -> None:
    voxels = numbers((SIDE, SIDE, SIDE))
    (tmp_path / "a.k.toml").write_text("[[Layer]]\nExtent_px = [9, 8, 7]\nVoxelSize_nm = [[1, 2, 3.5]]\n")
    for mag in ("mag1", "mag2"):
        write_cubes(tmp_path / mag, voxels)
    info = require_image("knossos", [tmp_path / "mag1"], voxels[None, None, :7, :8, :9], HINTS)
    assert info.voxel_size == (1, 2, 3.5)
    assert require_image("knossos", [tmp_path / "mag2"], voxels[None, None], HINTS).voxel_size[0] is None
    for wrong in ("[[Layer]", "[[Layer]]\n", "Layer = 5\n", '[[Layer]]\nVoxelSize_nm = ["a", 1]\n'):
        (tmp_path / "a.k.toml").write_text(wrong)
        assert "a.k.toml" in str(refusal("knossos", [tmp_path / "mag1"], HINTS))


def test_what_is_refused(tmp_path: Path) -> None:
    assert isinstance(refusal("knossos", [tmp_path]), UnsupportedFormat)
    assert isinstance(refusal("knossos", [tmp_path / "gone"]), CorruptData)
    path = write_cube(tmp_path, (0, 0, 0), numbers((SIDE, SIDE, SIDE)))
    for hints in ({"dtype": "complex64"}, {"cube_size": 0}, {"cube_size": "128"}):
        assert isinstance(refusal("knossos", [tmp_path], {**HINTS, **hints}), InvalidInput)
    path.write_bytes(bytes(SIDE**3 + 1))
    error = refusal("knossos", [tmp_path], HINTS)
    assert isinstance(error, CorruptData)
    assert f"{path.name} has 4,097 bytes" in str(error)
    path.with_name("b.raw").write_bytes(b"")
    assert "holds 2 cubes" in str(refusal("knossos", [tmp_path], HINTS))
    path.with_name("b.raw").unlink()
    leaf(tmp_path, (99999999, 0, 0))
    assert "nearly all are missing" in str(refusal("knossos", [tmp_path], HINTS))


@pytest.mark.parametrize("entry", real_entries("knossos"))
def test_real_files(entry: dict[str, Any], shared_data: Path, tmp_path: Path) -> None:
    [truth] = truths(entry)
    place = {"knossos-wkcuber": "knossos/color/1", "derived-A-knossos-utils": "mag1"}[entry["id"]]
    folder = with_links(shared_data / entry["path"], tmp_path)
    opened = reader_named("knossos").open([folder / place], {})
    [image] = opened.images
    voxels = read_whole(image)
    require_regions(image, voxels, 3)
    assert sha256(voxels[0, 0].transpose(2, 1, 0)) == truth["sha256"]
    assert list(image.info.topleft) == truth.get("offset", [0, 0, 0])
    assert image.info.voxel_size == ((4.6, 4.6, 50.0) if "derived" in entry["id"] else (None, None, None))
