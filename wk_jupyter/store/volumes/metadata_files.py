"""Metadata files that came from anywhere, read with limits, and checks of what they promise."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from wk_jupyter.errors import CorruptData, UnsupportedFormat

MAX_METADATA_BYTES: Final = 16 * 2**20
MAX_CHUNK_BYTES: Final = 2**29
_MAX_RANK: Final = 32
_MAX_SIZE: Final = 2**47
_VOXEL_TYPES: Final = frozenset(
    ("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float32", "float64")
)


def load_metadata(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file. Raises CorruptData, naming it."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_METADATA_BYTES + 1)
    except OSError as error:
        raise CorruptData(f"{path} cannot be read: {error.strerror}.", path=str(path)) from None
    if len(raw) > MAX_METADATA_BYTES:
        raise CorruptData(f"{path} is longer than {MAX_METADATA_BYTES:,} bytes.", path=str(path))
    try:
        document = _decode(raw)
    except RecursionError:
        raise CorruptData(f"{path} is nested absurdly deep.", path=str(path)) from None
    except (msgspec.DecodeError, ValueError) as error:
        raise CorruptData(f"{path} is not valid JSON: {error}.", path=str(path)) from None
    if not isinstance(document, dict):
        raise CorruptData(f"{path} is not a JSON object.", path=str(path))
    return document


def _decode(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        # Python's own decoder takes NaN and Infinity, which JSON has no words for: common as fill values.
        try:
            return json.loads(raw)
        except ValueError:
            raise error from None


def integers(value: Any, what: str, *, path: Path, least: int = 1) -> tuple[int, ...]:
    """Return a list of sizes as it stands in a metadata file. Raises CorruptData, naming file and field."""
    is_list = isinstance(value, list) and 0 < len(value) <= _MAX_RANK
    if not is_list or any(
        isinstance(n, bool) or not isinstance(n, int | float) or n != n // 1 for n in value
    ):
        raise CorruptData(f"{path} has no usable {what} ({str(value)[:80]}).", path=str(path))
    numbers = tuple(int(n) for n in value)
    if min(numbers) < least or max(numbers) > _MAX_SIZE:
        raise CorruptData(
            f"{path} has {what} {list(numbers)}; each must be from {least} to {_MAX_SIZE:,}.", path=str(path)
        )
    return numbers


def voxel_type(name: Any, *, path: Path) -> np.dtype[Any]:
    """Return the type that values of this name are read as. Raises UnsupportedFormat for all but numbers.

    Half floats are read as float32, as there is no element class for them.
    """
    try:
        dtype = np.dtype(name) if isinstance(name, str) else None
    except TypeError:
        dtype = None
    if dtype is not None and dtype.name == "float16":
        return np.dtype(np.float32)
    if dtype is None or dtype.name not in _VOXEL_TYPES:
        raise UnsupportedFormat(
            f"{path} has values of type {str(name)[:60]!r}, which cannot be voxels.",
            hint="Voxels are integers, floats or booleans.",
        )
    return np.dtype(np.uint8) if dtype.name == "bool" else dtype.newbyteorder("=")


def check_chunks(shape: Sequence[int], chunk: Sequence[int], item_bytes: int, *, path: Path) -> None:
    """Refuse chunks that do not fit the array, or whose decoded bytes would fill the memory."""
    if len(shape) != len(chunk):
        raise CorruptData(
            f"{path} has a shape of {len(shape)} dimensions, but chunks of {len(chunk)}.", path=str(path)
        )
    if math.prod(chunk) * item_bytes > MAX_CHUNK_BYTES:
        raise UnsupportedFormat(
            f"{path} has chunks of {' × '.join(map(str, chunk))}, over the limit of "
            f"{MAX_CHUNK_BYTES // 2**20} MiB for one.",
            hint="Write the array anew with smaller chunks, such as 64 × 64 × 64.",
        )
