"""What is known of a RAW file: from its name, from a file beside it, or as somebody says it.

Facts are a dictionary with some of these: ``shape`` (x, y[, z]), ``dtype`` (``"uint16"``), ``byteorder``
(``"little"``, ``"big"``), ``order`` (``"F"``: x fastest, ``"C"``: z fastest), ``offset`` (bytes before the
voxels), ``channels`` (values that lie together at each voxel), ``axes`` (slowest first, in place of
``order``), ``voxel_size`` (nm).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from wk_jupyter.errors import CorruptData
from wk_jupyter.store.readers.lengths import nanometers
from wk_jupyter.store.readers.sidecars import read_text, whole_numbers, wrong_field

Facts = dict[str, Any]
KEYS: Final = ("shape", "dtype", "byteorder", "order", "offset", "channels")
_SHAPE: Final = re.compile(r"(?<![\dx])(\d{1,7})x(\d{1,7})(?:x(\d{1,7}))?(?![\dx])")
_DTYPE: Final = re.compile(r"(?<![a-z\d])(?:(u?int|float|[uif])(8|16|32|64)|(8|16)-?bits?)(?![a-z\d])")
_BYTEORDER: Final = re.compile(r"(?<![a-z\d])(be|le|(?:big|little)-?endian|msb|lsb)(?![a-z\d])")
_OFFSET: Final = re.compile(r"(?:hdr|header|offset|skip)[-_]?(\d{1,10})(?!\d)")
_KINDS: Final = {"u": "uint", "i": "int", "f": "float"}


def from_name(path: Path) -> Facts:
    """Return what a name such as ``cells_512x512x128_uint8.raw`` says."""
    name = path.stem.lower()
    facts: Facts = {}
    if shape := _SHAPE.search(name):
        facts["shape"] = [int(part) for part in shape.groups() if part]
    if dtype := _DTYPE.search(name):
        kind, bits, plain = dtype.groups()
        facts["dtype"] = f"uint{plain}" if plain else f"{_KINDS.get(kind, kind)}{bits}"
    if byteorder := _BYTEORDER.search(name):
        facts["byteorder"] = "big" if byteorder[1][0] in "bm" else "little"
    if offset := _OFFSET.search(name):
        facts["offset"] = int(offset[1])
    return facts


def from_json(path: Path) -> Facts:
    """Return what a JSON file with the names of the hints says; nothing where it is about something else."""
    try:
        document = json.loads(read_text(path))
    except ValueError as error:
        raise CorruptData(f"{path.name} is no JSON ({error}).", path=str(path)) from None
    if not isinstance(document, Mapping) or "shape" not in document:
        return {}
    return {key: document[key] for key in KEYS if key in document}


def from_ripple(path: Path) -> Facts:
    """Return what a Ripple header (``.rpl``) says. Raises CorruptData."""
    fields: dict[str, str] = {}
    for line in read_text(path).splitlines():
        key, _, value = line.partition("\t")
        if not line.startswith(";"):
            fields[key.strip().lower()] = value.strip()
    names = ("width", "height", "depth")
    shape = [whole_numbers(path, name, fields.get(name, ""))[0] for name in names]
    kinds = {"signed": "int", "unsigned": "uint", "float": "float"}
    kind, width = fields.get("data-type", "").lower(), fields.get("data-length", "")
    if kind not in kinds or width not in {"1", "2", "4", "8"}:
        raise wrong_field(path, "data-type", f"{kind} of {width} bytes")
    order = fields.get("record-by", "").lower()
    sizes = [_ripple_size(fields, name) for name in names]
    return {
        "shape": shape,
        "dtype": f"{kinds[kind]}{int(width) * 8}",
        "byteorder": "big" if fields.get("byte-order", "").lower() == "big-endian" else "little",
        "offset": int(fields["offset"]) if fields.get("offset", "").isdecimal() else 0,
        "axes": "yxz" if order == "vector" else "zyx",
        "voxel_size": tuple(sizes),
    }


def _ripple_size(fields: Mapping[str, str], name: str) -> float | None:
    unit = fields.get(f"{name}-units", "")
    return nanometers(fields.get(f"{name}-scale"), unit) if unit else None
