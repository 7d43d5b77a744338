"""What the many dialects of TIFF say of an image beside its voxels: their size, names and colours.

Sizes are returned in nanometres in x, y, z order; None where a file says nothing that makes sense.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import tifffile

from wk_jupyter.store.readers.base import Channel
from wk_jupyter.store.readers.lengths import NOTHING, VoxelNm, nanometers

_DOTS: Final = {2: 2.54e7, 3: 1e7}  # nm in an inch and in a centimetre, by the tag ResolutionUnit
_LARGEST_DOT_NM: Final = 5000.0  # more is a printer's or a screen's resolution, which nobody set
_WRONG: Final = (KeyError, TypeError, ValueError, IndexError, AttributeError, ZeroDivisionError)


def voxel_size(tif: tifffile.TiffFile, series: int, page: tifffile.TiffPage) -> VoxelNm:
    """Return what the first dialect that is in the file says."""
    for ask in _DIALECTS:
        with contextlib.suppress(*_WRONG):
            found = ask(tif, series, page)
            if any(axis is not None for axis in found):
                return found
    return NOTHING


def channels(tif: tifffile.TiffFile, series: int) -> tuple[Channel, ...]:
    """Return what the file says of its channels."""
    with contextlib.suppress(*_WRONG):
        if tif.is_ome:
            return tuple(map(_ome_channel, _many(_ome_pixels(tif, series).get("Channel"))))
        if tif.is_imagej and tif.imagej_metadata:
            return _imagej_channels(tif.imagej_metadata)
    return ()


def _ome(tif: tifffile.TiffFile, series: int, _page: tifffile.TiffPage) -> VoxelNm:
    if not tif.is_ome:
        return NOTHING
    pixels = _ome_pixels(tif, series)
    x, y, z = (
        nanometers(pixels[f"PhysicalSize{axis}"], pixels.get(f"PhysicalSize{axis}Unit", "µm"))
        if f"PhysicalSize{axis}" in pixels
        else None
        for axis in "XYZ"
    )
    return (x, y, z)


def _ome_pixels(tif: tifffile.TiffFile, series: int) -> Mapping[str, Any]:
    document = tifffile.xml2dict(tif.ome_metadata or "")
    images = _many(document["OME"]["Image"])
    pixels: Mapping[str, Any] = images[min(series, len(images) - 1)]["Pixels"]
    return pixels


def _ome_channel(channel: Mapping[str, Any]) -> Channel:
    name, color = str(channel.get("Name", "")), channel.get("Color")
    if not isinstance(color, int):
        return Channel(name)
    return Channel(name, (color >> 24 & 255, color >> 16 & 255, color >> 8 & 255))  # RGBA in 32 bits


def _imagej(tif: tifffile.TiffFile, _series: int, page: tifffile.TiffPage) -> VoxelNm:
    if not tif.is_imagej or not tif.imagej_metadata:
        return NOTHING
    unit = str(tif.imagej_metadata.get("unit", ""))
    x, y = (_pixels_per(page, name) for name in ("XResolution", "YResolution"))
    return (
        nanometers(1 / x, unit) if x else None,
        nanometers(1 / y, unit) if y else None,
        nanometers(tif.imagej_metadata.get("spacing"), unit),
    )


def _imagej_channels(metadata: Mapping[str, Any]) -> tuple[Channel, ...]:
    """Colours are those of the brightest value in each channel's table."""
    tables, ranges = metadata.get("LUTs") or [], metadata.get("Ranges") or ()
    count = int(metadata.get("channels", 1))
    found = []
    for number in range(count):
        color = tuple(int(part) for part in tables[number][:, -1]) if number < len(tables) else None
        window = ranges[2 * number : 2 * number + 2]
        bounds = (float(window[0]), float(window[1])) if len(window) == 2 and window[0] < window[1] else None
        found.append(Channel("", color if color and len(color) == 3 else None, bounds))
    return tuple(found)


def _fei(tif: tifffile.TiffFile, _series: int, _page: tifffile.TiffPage) -> VoxelNm:
    scan = (tif.fei_metadata or {})["Scan"]
    return (nanometers(scan["PixelWidth"], "m"), nanometers(scan["PixelHeight"], "m"), None)


def _zeiss_sem(tif: tifffile.TiffFile, _series: int, _page: tifffile.TiffPage) -> VoxelNm:
    sem: Mapping[str, Any] = tif.sem_metadata or {}
    _, value, unit = sem["ap_image_pixel_size"]
    size = nanometers(value, unit)
    return (size, size, None)


def _lsm(tif: tifffile.TiffFile, _series: int, _page: tifffile.TiffPage) -> VoxelNm:
    lsm: Mapping[str, Any] = tif.lsm_metadata or {}
    x, y, z = (nanometers(lsm[f"VoxelSize{axis}"], "m") for axis in "XYZ")
    return (x, y, z)


def _micro_manager(tif: tifffile.TiffFile, _series: int, _page: tifffile.TiffPage) -> VoxelNm:
    summary = (tif.micromanager_metadata or {})["Summary"]
    size = nanometers(summary["PixelSize_um"], "µm")
    return (size, size, nanometers(summary.get("z-step_um"), "µm"))


def _digital_micrograph(_tif: tifffile.TiffFile, _series: int, page: tifffile.TiffPage) -> VoxelNm:
    """Gatan's private tags: units of x, y, z in 65003 to 65005, sizes in 65009 to 65011."""
    found = []
    for unit_tag, size_tag in ((65003, 65009), (65004, 65010), (65005, 65011)):
        unit, size = page.tags.get(unit_tag), page.tags.get(size_tag)
        told = str(unit.value).strip("\0 ") if unit else ""
        found.append(nanometers(size.value, told) if size and told else None)
    return (found[0], found[1], found[2])


def _dots(_tif: tifffile.TiffFile, _series: int, page: tifffile.TiffPage) -> VoxelNm:
    tag = page.tags.get("ResolutionUnit")
    nm = _DOTS.get(int(tag.value)) if tag else None
    x, y = (_pixels_per(page, name) for name in ("XResolution", "YResolution"))
    if nm is None or not x or not y or max(nm / x, nm / y) > _LARGEST_DOT_NM:
        return NOTHING
    return (nm / x, nm / y, None)


def _pixels_per(page: tifffile.TiffPage, name: str) -> float | None:
    tag = page.tags.get(name)
    if tag is None:
        return None
    numerator, denominator = tag.value
    return numerator / denominator if numerator > 0 and denominator > 0 else None


def _many(value: Any) -> list[Any]:
    """One or several of an element look different in a dictionary made of XML."""
    return value if isinstance(value, list) else [] if value is None else [value]


_Dialect = Callable[[tifffile.TiffFile, int, tifffile.TiffPage], VoxelNm]
_DIALECTS: Final[tuple[_Dialect, ...]] = (
    _ome, _imagej, _fei, _zeiss_sem, _lsm, _micro_manager, _digital_micrograph, _dots,
)  # fmt: skip
