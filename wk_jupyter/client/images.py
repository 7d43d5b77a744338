"""Pictures that a cell shows."""

from __future__ import annotations

import struct
from pathlib import Path


class Png:
    """A PNG: shown by notebooks, saved by ``save(path)``, its bytes are ``data``."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        width, height = struct.unpack(">II", self.data[16:24])
        return width, height

    def save(self, path: str | Path) -> None:
        Path(path).write_bytes(self.data)

    def _repr_png_(self) -> bytes:
        return self.data

    def __repr__(self) -> str:
        return f"<PNG {self.size[0]} × {self.size[1]}>"
