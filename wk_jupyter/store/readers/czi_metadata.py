"""What the XML of a CZI file says beside its pixels: sizes, and names of channels and scenes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final
from xml.etree import ElementTree as ET

import numpy as np

from wk_jupyter.store.readers.base import Channel
from wk_jupyter.store.readers.lengths import NOTHING, VoxelNm, nanometers

_COLOR: Final = re.compile(r"#[0-9A-Fa-f]{2}([0-9A-Fa-f]{6})")
_IMAGE: Final = "Metadata/Information/Image/Dimensions"


@dataclass(frozen=True)
class ChannelFacts:
    """``levels``: black and white as parts of the range of the pixels' type."""

    name: str = ""
    color: tuple[int, int, int] | None = None
    levels: tuple[float, float] | None = None

    def channel(self, dtype: np.dtype[Any]) -> Channel:
        """Return what is told, for pixels of a type."""
        if self.levels is None or dtype.kind != "u":
            return Channel(self.name, self.color)
        most = int(np.iinfo(dtype).max)
        return Channel(self.name, self.color, (self.levels[0] * most, self.levels[1] * most))


@dataclass(frozen=True)
class Metadata:
    """Of several voxel sizes the first counts; ``notes`` tell them."""

    voxel_size: VoxelNm = NOTHING
    channels: tuple[ChannelFacts, ...] = ()
    scenes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def parse(xml: bytes) -> Metadata | None:
    """Return what the XML says; None where it is no XML, which costs nothing but names and sizes."""
    if not xml:
        return Metadata()
    try:
        root = ET.fromstring(xml.rstrip(b"\0"))  # noqa: S314 - expat stops entities that grow; none is fetched
    except (ET.ParseError, ValueError, LookupError):
        return None
    sizes = _voxel_sizes(root)
    shown = root.findall("Metadata/DisplaySetting/Channels/Channel")
    channels = root.findall(f"{_IMAGE}/Channels/Channel")
    return Metadata(
        voxel_size=sizes[0] if sizes else NOTHING,
        notes=_notes(sizes),
        channels=tuple(_channel(channel, number, shown) for number, channel in enumerate(channels)),
        scenes=tuple(scene.get("Name", "") for scene in root.findall(f"{_IMAGE}/S/Scenes/Scene")),
    )


def _voxel_sizes(root: ET.Element) -> list[VoxelNm]:
    """Return what each block of sizes says, in the document's order; 0 says that nobody knows."""
    sizes: list[VoxelNm] = []
    for items in root.iter("Items"):
        found = {
            each.get("Id"): nanometers(each.findtext("Value"), "m") for each in items.findall("Distance")
        }
        if "X" in found:
            sizes.append((found.get("X"), found.get("Y"), found.get("Z")))
    return sizes


def _notes(sizes: list[VoxelNm]) -> tuple[str, ...]:
    told = [" × ".join("?" if n is None else f"{n:g}" for n in size) for size in dict.fromkeys(sizes)]
    return (f"the file tells several voxel sizes ({'; '.join(told)} nm), the first is taken.",) * (
        len(told) > 1
    )


def _channel(channel: ET.Element, number: int, shown: list[ET.Element]) -> ChannelFacts:
    own = channel.get("Id")
    display = next((each for each in shown if own and each.get("Id") == own), None)
    if display is None and number < len(shown):
        display = shown[number]
    name = channel.get("Name") or own or ""
    color = (display.findtext("Color") if display is not None else None) or channel.findtext("Color") or ""
    match = _COLOR.fullmatch(color.strip())
    rgb = bytes.fromhex(match[1]) if match else None
    return ChannelFacts(
        name=name,
        color=(rgb[0], rgb[1], rgb[2]) if rgb else None,
        levels=_levels(display) if display is not None else None,
    )


def _levels(display: ET.Element) -> tuple[float, float] | None:
    try:
        low, high = float(display.findtext("Low") or 0), float(display.findtext("High") or "")
    except ValueError:
        return None
    return (low, high) if 0 <= low < high <= 1 else None
