"""Pictures: PNG, JPEG, BMP, GIF, WebP. One picture, or the frames of one along z, read whole.

Alpha is left out, palettes become colours, CMYK becomes RGB, one bit becomes 0 and 1; a photograph is
turned as its EXIF orientation says. Pillow decodes; what it would scale or cut silently is read as it is.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from wk_jupyter.errors import CorruptData, UnsupportedFormat
from wk_jupyter.store.readers.base import Grain, Hints, Image, ImageInfo, Region, Size

_FORMATS: Final = ("PNG", "JPEG", "BMP", "GIF", "WEBP")
_MAGIC: Final = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"GIF87a", b"GIF89a")
_MAX_PIXELS: Final = 2**29  # of one picture, which is decoded as a whole
_TURNED: Final = {5, 6, 7, 8}  # EXIF orientations that swap width and height
_ORIENTATION: Final = 274


class _Kind(NamedTuple):
    """What a mode of Pillow becomes: ``mode`` to convert to ("" : none), channels, type, notes."""

    mode: str
    channels: int
    dtype: str
    notes: tuple[str, ...] = ()


_ALPHA: Final = ("the alpha channel is left out.",)
_KINDS: Final = {
    "1": _Kind("", 1, "uint8", ("1-bit voxels are 0 and 1.",)),
    "L": _Kind("", 1, "uint8"),
    "LA": _Kind("L", 1, "uint8", _ALPHA),
    "La": _Kind("L", 1, "uint8", _ALPHA),
    "P": _Kind("RGB", 3, "uint8", ("the palette is applied.",)),
    "PA": _Kind("RGB", 3, "uint8", ("the palette is applied.", *_ALPHA)),
    "RGB": _Kind("", 3, "uint8"),
    "RGBA": _Kind("RGB", 3, "uint8", _ALPHA),
    "RGBX": _Kind("RGB", 3, "uint8"),
    "CMYK": _Kind("RGB", 3, "uint8", ("CMYK is converted to RGB.",)),
    "YCbCr": _Kind("RGB", 3, "uint8"),
    "I;16": _Kind("", 1, "uint16"),
    "I;16B": _Kind("", 1, "uint16"),
    "I": _Kind("", 1, "int32"),
    "F": _Kind("", 1, "float32"),
}


class PictureReader:
    name = "picture"
    suffixes = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")

    def recognises(self, path: Path, head: bytes) -> bool:  # noqa: ARG002 - the magic tells
        return head.startswith(_MAGIC) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")

    def open(self, paths: Sequence[Path], hints: Hints) -> _PictureFile:  # noqa: ARG002 - they tell all
        return _PictureFile(_Picture(paths[0]))


READER = PictureReader()


class _PictureFile:
    def __init__(self, image: _Picture) -> None:
        self.images: list[Image] = [image]

    def close(self) -> None:
        self.images = []


class _Picture:
    """One file. The frame that was read last is kept: it is decoded as a whole anyway."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._kept: tuple[int, NDArray[Any]] | None = None
        with _opened(path) as picture:
            self._kind = _kind(path, picture)
            width, height = picture.size
            if picture.getexif().get(_ORIENTATION) in _TURNED:
                width, height = height, width
            frames = int(getattr(picture, "n_frames", 1))
        size = Size(1, self._kind.channels, frames, height, width)
        self.info = ImageInfo(
            size,
            np.dtype(self._kind.dtype),
            Grain(1, height, width),
            rgb=self._kind.channels == 3,
            notes=self._kind.notes,
        )

    def read(self, region: Region) -> NDArray[Any]:
        out = np.empty(region.shape, self.info.dtype)
        for row, z in enumerate(range(*region.z)):
            out[:, row] = self._frame(z)[slice(*region.c), slice(*region.y), slice(*region.x)]
        return out

    def _frame(self, number: int) -> NDArray[Any]:
        """Return a frame (c, y, x)."""
        with self._lock:
            if self._kept is None or self._kept[0] != number:
                self._kept = number, self._decoded(number)
            return self._kept[1]

    def _decoded(self, number: int) -> NDArray[Any]:
        try:
            with _opened(self._path) as picture:
                if number:
                    picture.seek(number)
                turned = ImageOps.exif_transpose(picture)
                if self._kind.mode:
                    turned = turned.convert(self._kind.mode)
                voxels = np.asarray(turned)
        except (OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError) as error:
            raise CorruptData(
                f"{self._path.name} is damaged: it cannot be decoded ({error}).",
                path=str(self._path),
                hint="Copy or download it again.",
            ) from None
        whole = voxels[np.newaxis] if voxels.ndim == 2 else voxels.transpose(2, 0, 1)
        if whole.shape != (self.info.size.c, *self.info.size[3:]):
            raise CorruptData(
                f"frame {number + 1} of {self._path.name} is of another size.", path=str(self._path)
            )
        return whole.astype(self.info.dtype, copy=False)


def _opened(path: Path) -> Pillow.Image:
    """Open a picture's header. Raises CorruptData, UnsupportedFormat where it is too large to decode."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Pillow.DecompressionBombWarning)  # there is a limit of our own
            picture = Pillow.open(path, formats=_FORMATS)
    except Pillow.DecompressionBombError:
        raise _too_large(path, "more than 170 million") from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        reason = "it is cut or of another format" if isinstance(error, UnidentifiedImageError) else str(error)
        raise CorruptData(f"{path.name} is no picture that can be read: {reason}.", path=str(path)) from None
    if picture.width * picture.height > _MAX_PIXELS:
        picture.close()
        raise _too_large(path, f"{picture.width:,} × {picture.height:,}")
    return picture


def _too_large(path: Path, pixels: str) -> UnsupportedFormat:
    return UnsupportedFormat(
        f"{path.name} has {pixels} pixels, which would have to be decoded at once.",
        hint="Save it as a tiled TIFF.",
    )


def _kind(path: Path, picture: Pillow.Image) -> _Kind:
    kind = _KINDS.get(picture.mode)
    if kind is None:
        raise UnsupportedFormat(f"{path.name} has pixels of the kind {picture.mode}.", hint="Save it as RGB.")
    return kind
