"""A reader that takes its process down: always, or only as long as the file of the hint ``once`` is absent.

Workers learn of it by ``sitecustomize``, which imports this module.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wk_jupyter.store import readers
from wk_jupyter.store.readers.base import Grain, Hints, ImageInfo, Region, Size

SIZE = Size(1, 1, 64, 512, 1024)


class _Image:
    info = ImageInfo(SIZE, np.dtype(np.uint8), Grain(1, 1, 1024))

    def __init__(self, hints: Hints) -> None:
        self._once = hints.get("once")

    def read(self, region: Region) -> NDArray[Any]:
        if self._once is None or not Path(self._once).exists():
            if self._once:
                Path(self._once).touch()
            ctypes.string_at(0)
        return np.full(region.shape, 7, np.uint8)


class _File:
    def __init__(self, hints: Hints) -> None:
        self.images = [_Image(hints)]

    def close(self) -> None:
        pass


class CrashingReader:
    name = "crashing"
    suffixes = ()

    def recognises(self, path: Path, head: bytes) -> bool:
        return False

    def open(self, paths: Sequence[Path], hints: Hints) -> _File:
        return _File(hints)


READER = CrashingReader()
sys.modules["wk_jupyter.store.readers.crashing"] = sys.modules[__name__]
readers._MODULES = {**readers._MODULES, "crashing": "crashing"}
