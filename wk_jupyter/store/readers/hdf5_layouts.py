"""Where BigDataViewer and Imaris put the channels and points in time of an image into an HDF5 file."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import h5py
import numpy as np

from wk_jupyter.store.readers.base import Channel
from wk_jupyter.store.readers.lengths import NOTHING, VoxelNm, nanometers
from wk_jupyter.store.readers.sidecars import read_text

_BDV_TIME: Final = re.compile(r"t(\d{5,})")
_BDV_SETUP: Final = re.compile(r"s(\d{2,})")
_IMARIS_TIME: Final = re.compile(r"TimePoint (\d+)")
_IMARIS_CHANNEL: Final = re.compile(r"Channel (\d+)")


@dataclass(frozen=True)
class Parts:
    """Data sets (z, y, x) by point in time and channel. ``lengths``: of z, y, x, which may be stored longer.

    ``as_type``: what the voxels are, where the file says otherwise.
    """

    data: dict[tuple[int, int], h5py.Dataset]
    lengths: tuple[int, int, int]
    times: int
    channels: int
    name: str = ""
    voxel_size: VoxelNm = NOTHING
    about: tuple[Channel, ...] = ()
    as_type: np.dtype[Any] | None = None
    notes: tuple[str, ...] = ()


def big_data_viewer(path: Path, file: h5py.File) -> Iterator[Parts]:
    """Yield an image for each setup: ``t00000/s00/0/cells``. Sizes stand in the XML file beside it."""
    setups: dict[int, dict[tuple[int, int], h5py.Dataset]] = defaultdict(dict)
    for time, group in _numbered(file, _BDV_TIME):
        for setup, levels in _numbered(group, _BDV_SETUP):
            cells = levels.get("0/cells")
            if isinstance(cells, h5py.Dataset) and cells.ndim == 3 and 0 not in cells.shape:
                setups[setup][time, 0] = cells
    described = _bdv_setups(path.with_suffix(".xml")) if setups else {}
    for setup, data in sorted(setups.items()):
        first = min(time for time, _ in data)
        shifted = {(time - first, 0): cells for (time, _), cells in data.items()}
        cells = shifted[0, 0]
        is_unsigned = cells.dtype.newbyteorder("=") == np.int16  # HDF5 in Java had no unsigned numbers
        name, voxel_size = described.get(setup, ("", NOTHING))
        yield Parts(
            shifted,
            cells.shape,
            times=max(time for time, _ in shifted) + 1,
            channels=1,
            name=name or (f"setup{setup}" if len(setups) > 1 else ""),
            voxel_size=voxel_size,
            as_type=np.dtype(np.uint16) if is_unsigned else None,
            notes=("int16 is taken for uint16, which BigDataViewer writes so.",) if is_unsigned else (),
        )


def imaris(file: h5py.File) -> Iterator[Parts]:
    """Yield the one image of an Imaris file, if it is one."""
    finest = file.get("DataSet/ResolutionLevel 0")
    if not isinstance(finest, h5py.Group):
        return
    data = {}
    for time, group in _numbered(finest, _IMARIS_TIME):
        for channel, inner in _numbered(group, _IMARIS_CHANNEL):
            voxels = inner.get("Data")
            if isinstance(voxels, h5py.Dataset) and voxels.ndim == 3 and 0 not in voxels.shape:
                data[time, channel] = voxels
    if not data:
        return
    info = file.get("DataSetInfo/Image")
    told = {axis: _number(info, axis) for axis in "XYZ"}
    shape = next(iter(data.values())).shape
    z, y, x = (
        min(stored, int(told[axis] or stored)) if (told[axis] or 1) >= 1 else stored
        for axis, stored in zip("ZYX", shape, strict=True)
    )
    channels = max(channel for _, channel in data) + 1
    yield Parts(
        data,
        (z, y, x),
        times=max(time for time, _ in data) + 1,
        channels=channels,
        voxel_size=_imaris_size(info, (x, y, z)),
        about=tuple(_imaris_channel(file.get(f"DataSetInfo/Channel {n}")) for n in range(channels)),
    )


def _numbered(group: h5py.Group, pattern: re.Pattern[str]) -> list[tuple[int, h5py.Group]]:
    """Return groups of a name with a number, that lie in this file."""
    found = []
    for name in group:
        match = pattern.fullmatch(name)
        if match and isinstance(group.get(name, getlink=True), h5py.HardLink):
            child = group.get(name)
            if isinstance(child, h5py.Group):
                found.append((int(match[1]), child))
    return sorted(found, key=lambda pair: pair[0])


def _bdv_setups(path: Path) -> dict[int, tuple[str, VoxelNm]]:
    """Return names and voxel sizes by setup. Whatever is wrong with the XML costs no more than these."""
    found: dict[int, tuple[str, VoxelNm]] = {}
    if not path.is_file():
        return found
    try:
        root = ET.fromstring(read_text(path))  # noqa: S314 - expat stops entities that grow; none is fetched
        for setup in root.iter("ViewSetup"):
            numbers = (setup.findtext("voxelSize/size") or "").split()
            unit = setup.findtext("voxelSize/unit") or ""
            x, y, z = ([nanometers(number, unit) for number in numbers] + [None] * 3)[:3]
            found[int(setup.findtext("id") or "")] = (setup.findtext("name") or "", (x, y, z))
    except (ET.ParseError, ValueError):
        return {}
    return found


def _text(group: Any, name: str) -> str:
    """Imaris writes each text as an array of letters."""
    value = group.attrs.get(name) if isinstance(group, h5py.Group) else None
    if isinstance(value, np.ndarray) and value.dtype.kind == "S":
        return value.tobytes().decode("latin-1").strip("\0 ")
    return str(value).strip() if isinstance(value, str) else ""


def _number(group: Any, name: str) -> float | None:
    try:
        number = float(_text(group, name))
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def _imaris_size(info: Any, lengths: tuple[int, int, int]) -> VoxelNm:
    unit = _text(info, "Unit") or "um"
    sizes = []
    for axis, length in enumerate(lengths):
        low, high = _number(info, f"ExtMin{axis}"), _number(info, f"ExtMax{axis}")
        sizes.append(None if low is None or high is None else nanometers((high - low) / length, unit))
    return (sizes[0], sizes[1], sizes[2])


def _imaris_channel(info: Any) -> Channel:
    parts = _text(info, "Color").split()
    try:
        red, green, blue = (min(255, max(0, round(float(part) * 255))) for part in parts)
    except (ValueError, OverflowError):
        return Channel(_text(info, "Name"))
    return Channel(_text(info, "Name"), (red, green, blue))
