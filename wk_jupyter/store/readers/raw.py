"""RAW: voxels and nothing else. What they are is told by hints, by a header beside the file, or by its name.

Hints, all as in ``raw_facts``: ``{"shape": [512, 512, 128], "dtype": "uint8"}``, and ``order`` (``"F"``, x
fastest, is usual), ``byteorder`` (``"little"`` is), ``offset``, ``channels``. A shape of two numbers has as
many sections as the file has bytes for. Headers: Ripple (``.rpl``), MetaImage (``.mhd``), NRRD (``.nhdr``)
and ``.json`` with the hints, of the same name as the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np

from wk_jupyter.errors import InvalidInput
from wk_jupyter.store.readers import metaimage, nrrd, raw_facts
from wk_jupyter.store.readers.base import Hints
from wk_jupyter.store.readers.byte_sources import open_binary
from wk_jupyter.store.readers.flat import FlatFile, FlatLayout, open_flat
from wk_jupyter.store.readers.lengths import NOTHING
from wk_jupyter.store.readers.sidecars import MOST_VOXELS

_DTYPES: Final = frozenset(f"{kind}{bits}" for kind in ("uint", "int") for bits in (8, 16, 32, 64)) | {
    "float16",
    "float32",
    "float64",
}
_EXAMPLE: Final = '{"shape": [512, 512, 128], "dtype": "uint8"}'


class RawReader:
    name = "raw"
    suffixes = (".raw", ".dat")

    def recognises(self, path: Path, head: bytes) -> bool:  # noqa: ARG002 - there is no magic
        return path.suffix.lower() in self.suffixes

    def open(self, paths: Sequence[Path], hints: Hints) -> FlatFile:
        path = paths[0]
        if "shape" not in hints:
            if header := _beside(path, ".mhd"):
                return open_flat(metaimage.layout_of(header))
            if header := _beside(path, ".nhdr"):
                return open_flat(nrrd.layout_of(header))
        with open_binary(path) as stream:
            length = stream.seek(0, 2)
        told = {key: hints[key] for key in raw_facts.KEYS if key in hints}
        return open_flat(_layout(path, length, {**raw_facts.from_name(path), **_from_header(path), **told}))


READER = RawReader()


def _beside(path: Path, suffix: str) -> Path | None:
    found = path.with_suffix(suffix)
    return found if found.is_file() else None


def _from_header(path: Path) -> raw_facts.Facts:
    if header := _beside(path, ".rpl"):
        return raw_facts.from_ripple(header)
    if header := _beside(path, ".json"):
        return raw_facts.from_json(header)
    return {}


def _layout(path: Path, length: int, facts: Mapping[str, Any]) -> FlatLayout:
    shape = _shape(path, length, facts)
    offset = _whole(path, facts, "offset", 0, least=0)
    channels = _whole(path, facts, "channels", 1, least=1)
    notes: list[str] = []
    dtype = _dtype(path, facts, length - offset, shape, channels, notes)
    if len(shape) == 2:
        section = prod(shape) * channels * dtype.itemsize
        shape = (*shape, max(1, (length - offset) // section))
    needed = prod(shape) * channels * dtype.itemsize
    if needed != length - offset:
        told = " × ".join(map(str, shape))
        raise InvalidInput(
            f"{path.name} has {length:,} bytes; {told} voxels of {channels} × {dtype.name} after {offset} "
            f"bytes make {needed + offset:,}.",
            hint="Correct shape, dtype, offset or channels.",
            bytes=length,
            needed=needed + offset,
        )
    order = _choice(path, facts, "order", ("F", "C"))
    axes = str(facts.get("axes") or ("zyx" if order == "F" else "xyz"))
    lengths = tuple(shape["xyz".index(axis)] for axis in axes)
    if channels > 1:
        axes, lengths = axes + "c", (*lengths, channels)
    voxel_size = facts.get("voxel_size", NOTHING)
    return FlatLayout(path, dtype, axes, lengths, offset, voxel_size=voxel_size, notes=tuple(notes))


def _shape(path: Path, length: int, facts: Mapping[str, Any]) -> tuple[int, ...]:
    shape = facts.get("shape")
    if shape is None:
        missing = [key for key in ("shape", "dtype") if key not in facts]
        raise InvalidInput(
            f"{path.name} does not say how many voxels it has.",
            hint=f"Say it as hints: {_EXAMPLE}; or in its name: cells_512x512x128_uint8.raw.",
            missing=missing,
            bytes=length,
        )
    is_list = isinstance(shape, Sequence) and not isinstance(shape, str) and len(shape) in {2, 3}
    if not is_list or not all(type(part) is int and 0 < part < MOST_VOXELS for part in shape):
        raise InvalidInput(
            f"{path.name}: shape is x, y and z as whole numbers, not {shape!r}.", hint=_EXAMPLE
        )
    return tuple(shape)


def _dtype(
    path: Path, facts: Mapping[str, Any], length: int, shape: tuple[int, ...], channels: int, notes: list[str]
) -> np.dtype[Any]:
    name = facts.get("dtype")
    if name is None:
        voxels = prod(shape) * channels
        if len(shape) == 3 and length == voxels:
            name = "uint8"
            notes.append("a voxel has one byte: they are taken for uint8.")
        else:
            told = f", {length / voxels:g} bytes a voxel" if len(shape) == 3 else ""
            raise InvalidInput(
                f"{path.name} does not say of which type its voxels are{told}.",
                hint='Say it as a hint: {"dtype": "uint16"}; or in its name.',
                missing=["dtype"],
            )
    if name not in _DTYPES:
        raise InvalidInput(
            f"{path.name}: dtype cannot be {name!r}.", hint=f"It is one of {_listed(_DTYPES)}."
        )
    byteorder = _choice(path, facts, "byteorder", ("little", "big"))
    return np.dtype(name).newbyteorder("<" if byteorder == "little" else ">")


def _choice(path: Path, facts: Mapping[str, Any], key: str, choices: tuple[str, str]) -> str:
    value = facts.get(key, choices[0])
    if value not in choices:
        raise InvalidInput(
            f"{path.name}: {key} cannot be {value!r}.", hint=f"It is one of {_listed(choices)}."
        )
    return str(value)


def _whole(path: Path, facts: Mapping[str, Any], key: str, usual: int, *, least: int) -> int:
    value = facts.get(key, usual)
    if type(value) is not int or not least <= value < MOST_VOXELS:
        raise InvalidInput(f"{path.name}: {key} is a whole number of {least} or more, not {value!r}.")
    return value


def _listed(choices: Sequence[str] | frozenset[str]) -> str:
    return ", ".join(sorted(choices))
