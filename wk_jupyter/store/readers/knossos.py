"""KNOSSOS: a folder of ``x0000/y0000/z0000/*.raw``, cubes of 128³ voxels, x fastest.

The image is what the outermost cubes span: it begins at the first of them (``topleft``), and ends where
``knossos.conf`` says, or with the last cube. Cubes that are not there are 0, short ones are filled up with
0. Cubes are opened when they are read, and may be links. Hints: ``dtype`` (else told by the size of the
first cube) and ``cube_size``.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wk_jupyter.errors import CorruptData, InvalidInput, UnsupportedFormat
from wk_jupyter.store.readers.base import Grain, Hints, Image, ImageInfo, Region, Size
from wk_jupyter.store.readers.byte_sources import PlainBytes
from wk_jupyter.store.readers.flat import FlatArray
from wk_jupyter.store.readers.lengths import NOTHING, VoxelNm, nanometers
from wk_jupyter.store.readers.sidecars import read_text

_SIDE: Final = 128
_MOST_SIDE: Final = 1024
_MOST_CUBES: Final = 10**6
_MOST_EMPTY: Final = 1000  # cubes that are missing for each that is there, in a volume of more than that
_FOLDER: Final = {axis: re.compile(rf"{axis}(\d{{4,9}})") for axis in "xyz"}
_SETTING: Final = re.compile(r"\s*(boundary|scale)\s+([xyz])\s+([\d.eE+-]+)\s*;?\s*$")
_DTYPES: Final = {"uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float32"}
_BY_WIDTH: Final = {1: "uint8", 2: "uint16"}
XYZ = tuple[int, int, int]


class KnossosReader:
    name = "knossos"
    suffixes: tuple[str, ...] = ()

    def recognises(self, path: Path, head: bytes) -> bool:  # noqa: ARG002 - a cube alone is a RAW file
        return False

    def open(self, paths: Sequence[Path], hints: Hints) -> _Cubes:
        return _Cubes(paths[0], hints)


READER = KnossosReader()


@dataclass(frozen=True)
class _Settings:
    """``boundary``: where the image ends; ``scale``: of a voxel in nm. None where it is not told."""

    boundary: XYZ | None = None
    scale: VoxelNm = NOTHING


class _Cubes:
    """The folder of one mag."""

    def __init__(self, folder: Path, hints: Hints) -> None:
        self._folder = folder
        self._side = _side(folder, hints)
        cubes = list(_walk(folder))
        if not cubes:
            raise UnsupportedFormat(
                f"{folder.name} holds no KNOSSOS cubes (x0000/y0000/z0000/….raw).",
                hint="Bring the folder that x0000 lies in.",
            )
        self._dtype = _dtype(folder, cubes, self._side, hints)
        low, high = (tuple(edge(cube[axis] for cube in cubes) for axis in range(3)) for edge in (min, max))
        if prod(b - a + 1 for a, b in zip(low, high, strict=True)) > max(
            _MOST_CUBES, _MOST_EMPTY * len(cubes)
        ):
            raise CorruptData(
                f"{folder.name}: {len(cubes)} cubes lie between {low} and {high}, nearly all are missing.",
                path=str(folder),
                hint="Look for folders that do not belong there.",
            )
        settings = _settings(folder)
        topleft = tuple(index * self._side for index in low)
        ends = [(index + 1) * self._side for index in high]
        if settings.boundary is not None:
            ends = [min(pair) for pair in zip(ends, settings.boundary, strict=True)]
        x, y, z = (end - start for end, start in zip(ends, topleft, strict=True))
        if min(x, y, z) < 1:
            raise CorruptData(
                f"{folder.name}: the boundary in knossos.conf, {settings.boundary}, leaves no cube.",
                path=str(folder),
                hint="Correct knossos.conf, or take it away.",
            )
        self._first = low
        self.info = ImageInfo(
            size=Size(1, 1, z, y, x),
            dtype=self._dtype.newbyteorder("="),
            grain=Grain(*(min(self._side, length) for length in (z, y, x))),
            voxel_size=settings.scale,
            topleft=(topleft[0], topleft[1], topleft[2]),
        )
        self.images: list[Image] = [self]

    def read(self, region: Region) -> NDArray[Any]:
        out = np.zeros(region.shape, self.info.dtype)
        if out.size == 0:
            return out
        side = self._side
        ranges = [range(low // side, -(-high // side)) for low, high in region[2:]]
        for cube in product(*ranges):
            inner, target = [], [slice(0, 1)]
            for index, (low, high) in zip(cube, region[2:], strict=True):
                start, end = max(low, index * side), min(high, (index + 1) * side)
                inner.append((start - index * side, end - index * side))
                target.append(slice(start - low, end - low))
            path = self._cube(cube[::-1])
            if path is not None:
                self._read_cube(path, inner, out[tuple(target)])
        return out

    def close(self) -> None:
        self.images = []

    def _cube(self, place: Sequence[int]) -> Path | None:
        """Return the one file of a cube, by its place (x, y, z) from the first."""
        x, y, z = (first + index for first, index in zip(self._first, place, strict=True))
        folder = self._folder / f"x{x:04d}" / f"y{y:04d}" / f"z{z:04d}"
        return _raw_of(folder)

    def _read_cube(self, path: Path, inner: list[tuple[int, int]], target: NDArray[Any]) -> None:
        """Read a part (z, y, x) of a cube; a cube that is short has fewer sections, rows or voxels."""
        source = PlainBytes(path)
        try:
            side, there = self._side, source.length // self._dtype.itemsize
            if there > side**3:
                raise CorruptData(
                    f"{path.name} has {source.length:,} bytes: more than {side}³ {self._dtype.name} voxels.",
                    path=str(path),
                    hint="Say the hints dtype and cube_size.",
                )
            (z0, z1), y, x = inner
            whole = min(z1, there // side**2)
            if whole > z0:
                array = FlatArray(source, self._dtype, "zyx", (whole, side, side))
                target[:, : whole - z0] = array.read(Region(0, (0, 1), (z0, whole), y, x))
            if z0 <= whole < z1 and there % side**2 and whole == there // side**2:
                section = np.zeros(side**2, self._dtype)
                source.fill(section[: there % side**2], whole * side**2 * self._dtype.itemsize)
                target[:, whole - z0] = section.reshape(side, side)[slice(*y), slice(*x)]
        finally:
            source.close()


def _walk(folder: Path) -> Iterator[XYZ]:
    """Yield the places (x, y, z) of all cubes, by the names of folders alone."""
    for x, x_folder in _numbered(folder, "x"):
        for y, y_folder in _numbered(x_folder, "y"):
            for z, _ in _numbered(y_folder, "z"):
                yield x, y, z


def _numbered(folder: Path, axis: str) -> list[tuple[int, Path]]:
    try:
        with os.scandir(folder) as entries:
            found = [(_FOLDER[axis].fullmatch(entry.name), entry) for entry in entries if entry.is_dir()]
    except OSError as error:
        raise CorruptData(f"{folder.name} cannot be read: {error.strerror}.", path=str(folder)) from None
    numbers = ((int(match[1]), entry.name) for match, entry in found if match)
    return sorted((number, folder / name) for number, name in numbers if name == f"{axis}{number:04d}")


def _raw_of(folder: Path) -> Path | None:
    try:
        names = sorted(name for name in os.listdir(folder) if name.lower().endswith(".raw"))  # noqa: PTH208
    except FileNotFoundError:
        return None
    if len(names) > 1:
        raise CorruptData(
            f"{folder} holds {len(names)} cubes, {names[0]} and {names[1]}: there is one in each folder.",
            path=str(folder),
            hint="Take the wrong one away.",
        )
    return folder / names[0] if names else None


def _dtype(folder: Path, cubes: list[XYZ], side: int, hints: Hints) -> np.dtype[Any]:
    """Return what is said, or what the size of a whole cube tells."""
    if "dtype" in hints:
        if hints["dtype"] not in _DTYPES:
            raise InvalidInput(f"{folder.name}: dtype cannot be {hints['dtype']!r}.")
        return np.dtype(hints["dtype"]).newbyteorder("<")
    for x, y, z in cubes:
        path = _raw_of(folder / f"x{x:04d}" / f"y{y:04d}" / f"z{z:04d}")
        if path is None:
            continue
        try:
            width, rest = divmod(path.stat().st_size, side**3)
        except OSError as error:
            raise CorruptData(f"{path.name} cannot be read: {error.strerror}.", path=str(path)) from None
        if rest == 0 and width > 1 and width not in _BY_WIDTH:
            raise InvalidInput(
                f"{folder.name}: a cube has {width} bytes a voxel, which may be of several types.",
                hint='Say the hint {"dtype": "uint32"} or another.',
                missing=["dtype"],
            )
        return np.dtype(_BY_WIDTH.get(width, "uint8") if rest == 0 else "uint8").newbyteorder("<")
    return np.dtype(np.uint8)


def _side(folder: Path, hints: Hints) -> int:
    side = hints.get("cube_size", _SIDE)
    if type(side) is not int or not 1 <= side <= _MOST_SIDE:
        raise InvalidInput(f"{folder.name}: cube_size is a number from 1 to {_MOST_SIDE}, not {side!r}.")
    return side


def _settings(folder: Path) -> _Settings:
    """Return what ``knossos.conf`` of the mag's folder says, else a ``.k.toml`` of the one above mag 1."""
    conf = folder / "knossos.conf"
    if conf.is_file():
        return _from_conf(conf)
    if re.sub(r"\D", "", folder.name) == "1":
        for path in sorted(folder.parent.glob("*.k.toml"))[:1]:
            return _from_toml(path)
    return _Settings()


def _from_conf(path: Path) -> _Settings:
    found: dict[tuple[str, str], float] = {}
    for line in read_text(path).splitlines():
        if match := _SETTING.match(line):
            try:
                found[match[1], match[2]] = float(match[3])
            except ValueError:
                raise CorruptData(f"{path.name}: {line[:100]!r} tells no number.", path=str(path)) from None
    x, y, z = (nanometers(found.get(("scale", axis)), "nm") for axis in "xyz")
    return _Settings(_boundary([found.get(("boundary", axis)) for axis in "xyz"]), (x, y, z))


def _from_toml(path: Path) -> _Settings:
    try:
        layer = tomllib.loads(read_text(path))["Layer"][0]
        sizes = layer["VoxelSize_nm"]
        x, y, z = (nanometers(size, "nm") for size in (sizes[0] if isinstance(sizes[0], list) else sizes))
        return _Settings(_boundary(layer.get("Extent_px", [])), (x, y, z))
    except (tomllib.TOMLDecodeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise CorruptData(f"{path.name} cannot be understood ({error}).", path=str(path)) from None


def _boundary(numbers: Sequence[Any]) -> XYZ | None:
    if len(numbers) != 3 or not all(isinstance(n, int | float) and 0 < n < 2**40 for n in numbers):
        return None
    x, y, z = (int(number) for number in numbers)
    return (x, y, z)
