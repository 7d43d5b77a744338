"""NIfTI-1, NIfTI-2 and Analyze 7.5: ``.nii``, ``.nii.gz``, and ``.hdr`` with ``.img``.

Voxels keep the order in which they are stored: x fastest, nothing is flipped or resampled. Towards what the
axes run (``LAS``: left, anterior, superior) is told in a note, because the stored order is what voxel
numbers of other programs mean. Slope and intercept are applied, which makes float32, but for labels, and
where the hint ``stored_values`` is true.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wk_jupyter.errors import InvalidInput, UnsupportedFormat
from wk_jupyter.store.readers.base import Channel, Hints, ImageInfo, Region
from wk_jupyter.store.readers.byte_sources import ByteSource, PackedBytes, PlainBytes, read_start
from wk_jupyter.store.readers.flat import FlatArray, FlatFile, FlatImage
from wk_jupyter.store.readers.lengths import NOTHING, VoxelNm, nanometers
from wk_jupyter.store.readers.nifti_header import HEADER_BYTES, Header, is_nifti, parse

_DTYPES: Final = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
_SAMPLES: Final = {128: 3, 2304: 4}  # RGB and RGBA in bytes
_UNREAD: Final = {
    1: "bits", 32: "complex64", 1536: "float128", 1792: "complex128", 2048: "complex256"
}  # fmt: skip
_LABEL_INTENTS: Final = {1002, 1005}


class NiftiReader:
    name = "nifti"
    suffixes = (".nii.gz", ".nii", ".hdr", ".img")

    def recognises(self, path: Path, head: bytes) -> bool:
        name = path.name.lower()
        if is_nifti(head):
            return True
        if name.endswith((".hdr", ".img")):  # Analyze has no magic; an image has none at all
            return name.endswith(".img") or head[:4] in {b"\x5c\x01\0\0", b"\0\0\x01\x5c"}
        return name.endswith((".nii.gz", ".img.gz", ".hdr.gz")) and head[:2] == b"\x1f\x8b"

    def open(self, paths: Sequence[Path], hints: Hints) -> FlatFile:
        header_path = _sibling(paths[0], ".hdr") if _is_image(paths[0]) else paths[0]
        head = read_start(header_path, HEADER_BYTES, _packing(header_path))
        header = parse(header_path, head)
        image_path = _sibling(header_path, ".img") if _is_header(header_path) else header_path
        packing = _packing(image_path)
        source: ByteSource = PackedBytes(image_path, packing) if packing else PlainBytes(image_path)
        try:
            return FlatFile(source, _image(source, header, hints))
        except BaseException:
            source.close()
            raise


READER = NiftiReader()


class _ScaledImage:
    """Voxels times slope plus intercept, as float32."""

    def __init__(self, array: FlatArray, info: ImageInfo, header: Header) -> None:
        self._array = array
        self._slope, self._intercept = header.slope, header.intercept
        self.info = info

    def read(self, region: Region) -> NDArray[Any]:
        stored = self._array.read(region)
        out = np.empty(region.shape, np.float32)
        with np.errstate(over="ignore", invalid="ignore"):  # float32 may have to do with infinity
            for plane, target in zip(stored, out, strict=True):
                for section, place in zip(plane, target, strict=True):  # in double precision, one at a time
                    place[...] = section * np.float64(self._slope) + self._intercept
        return out


def _image(source: ByteSource, header: Header, hints: Hints) -> FlatImage | _ScaledImage:
    path = source.path
    x, y, z, t, fifth = header.shape
    samples = _SAMPLES.get(header.datatype)
    if samples is not None:
        if fifth > 1:
            raise UnsupportedFormat(
                f"{path.name} has {fifth} colours at each voxel.", hint="Save them apart."
            )
        array = FlatArray(source, np.dtype("u1"), "tzyxc", (t, z, y, x, samples), header.offset)
        size = array.size._replace(c=3)
        notes = [] if samples == 3 else ["the alpha channel is left out."]
        info = ImageInfo(size, np.dtype("u1"), array.grain, rgb=True)
        return FlatImage(array, _described(info, header, notes))
    stored = _dtype(path, header)
    in_file = np.dtype(header.byteorder + stored.str[1:])
    array = FlatArray(source, in_file, "ctzyx", (fifth, t, z, y, x), header.offset)
    info = ImageInfo(array.size, stored, array.grain)
    is_labels = stored.kind in "ui" and (header.intent in _LABEL_INTENTS or "label" in header.names.lower())
    if is_labels:
        info = replace(info, labels=True)
    elif header.window is not None:
        info = replace(info, channels=(Channel(window=header.window),) * fifth)
    told = f"slope {header.slope:g} and intercept {header.intercept:g}"
    if not header.is_scaled:
        return FlatImage(array, _described(info, header, []))
    if is_labels or hints.get("stored_values"):
        info = replace(info, channels=())  # the window is of scaled values
        return FlatImage(array, _described(info, header, [f"voxels are as stored; {told} are not applied."]))
    info = replace(info, dtype=np.dtype(np.float32))
    return _ScaledImage(array, _described(info, header, [f"{told} are applied."]), header)


def _described(info: ImageInfo, header: Header, notes: list[str]) -> ImageInfo:
    voxel_size, unit_notes = _voxel_size(header)
    notes = [*notes, *unit_notes]
    if header.orientation:
        axes = ", ".join(
            f"{a} to {_DIRECTIONS[end]}" for a, end in zip("xyz", header.orientation, strict=True)
        )
        notes.append(f"voxels keep their stored order ({header.orientation}: {axes}).")
    return replace(info, voxel_size=voxel_size, notes=tuple(notes))


_DIRECTIONS: Final = {
    "R": "the right", "L": "the left", "A": "the front", "P": "the back", "S": "the top", "I": "the bottom"
}  # fmt: skip


def _voxel_size(header: Header) -> tuple[VoxelNm, list[str]]:
    if not header.unit:
        numbers = " × ".join(f"{number:g}" for number in header.pixdim)
        return NOTHING, [f"a voxel is {numbers} of a unit that the file doesn't tell (mm are usual)."]
    x, y, z = (nanometers(number, header.unit) for number in header.pixdim)
    return (x, y, z), []


def _dtype(path: Path, header: Header) -> np.dtype[Any]:
    if header.datatype not in _DTYPES:
        told = _UNREAD.get(header.datatype, f"number {header.datatype}")
        raise UnsupportedFormat(
            f"{path.name} has voxels of type {told}, which is not read.",
            hint="Save real numbers of 8 to 64 bits.",
        )
    return np.dtype(_DTYPES[header.datatype])


def _is_header(path: Path) -> bool:
    return path.name.lower().endswith((".hdr", ".hdr.gz"))


def _is_image(path: Path) -> bool:
    return path.name.lower().endswith((".img", ".img.gz"))


def _packing(path: Path) -> str:
    return "gzip" if read_start(path, 2) == b"\x1f\x8b" else ""


def _sibling(path: Path, suffix: str) -> Path:
    """Return the other file of a pair. Raises InvalidInput where it is not there."""
    is_packed = path.suffix.lower() == ".gz"
    stem = path.with_suffix("") if is_packed else path
    spellings = [suffix, suffix.upper(), suffix + ".gz"]
    for spelling in spellings:
        candidate = stem.with_suffix("").with_name(stem.stem + spelling)
        if candidate.is_file():
            return candidate
    raise InvalidInput(
        f"{path.name} needs {stem.stem}{suffix} beside it, which is not there.",
        hint="Bring both files of the pair.",
    )
