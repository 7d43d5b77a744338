"""Pictures: PNG, JPEG, BMP, GIF, WebP. One picture, or the frames of one along z, decoded whole.

Alpha is left out, palettes become colours (or greys, where they have no others), CMYK becomes RGB, one bit
becomes 0 and 1; a photograph is turned as its EXIF orientation says. Pillow decodes, and for PNG of 8 and 16
bits imagecodecs, because Pillow cuts 16 bits of colour to 8.
"""

from __future__ import annotations

import contextlib
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import BmpImagePlugin, GifImagePlugin, JpegImagePlugin, PngImagePlugin, WebPImagePlugin
from PIL import Image as Pillow

from wk_jupyter.errors import CorruptData, UnsupportedFormat, WkError
from wk_jupyter.store.readers.base import Grain, Hints, Image, ImageInfo, Region, Size

_MAX_PIXELS: Final = 2**29  # of one picture, which is decoded as a whole
_MAX_FRAMES: Final = 2**16
_SUSPICIOUS: Final = 2**22
_MOST_IN_A_BYTE: Final = {"PNG": 8300, "JPEG": 2000, "BMP": 130, "GIF": 3000}  # pixels, by what packs them
_BAND: Final = 2**24  # pixels that are taken over from Pillow at once
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_RIFF: Final = b"RIFF"
# Pillow's own way to open files has a limit for all of the process
_PLUGINS: Final[dict[bytes, Callable[[Path], Pillow.Image]]] = {
    _PNG: PngImagePlugin.PngImageFile,
    b"\xff\xd8\xff": JpegImagePlugin.JpegImageFile,
    b"BM": BmpImagePlugin.BmpImageFile,
    b"GIF87a": GifImagePlugin.GifImageFile,
    b"GIF89a": GifImagePlugin.GifImageFile,
    _RIFF: WebPImagePlugin.WebPImageFile,
}
_ORIENTATION: Final = 274
_SHORT: Final = 3
_TURNS: Final = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}
_SWAPPING: Final = (
    Pillow.Transpose.TRANSPOSE,
    Pillow.Transpose.ROTATE_270,
    Pillow.Transpose.TRANSVERSE,
    Pillow.Transpose.ROTATE_90,
)
_AGAIN: Final = "Copy or download it again."
_Decoded = Pillow.Image | NDArray[Any]


class _Kind(NamedTuple):
    """What a picture becomes: the ``mode`` of Pillow to convert to, channels, type, notes."""

    mode: str
    channels: int
    dtype: str
    notes: tuple[str, ...] = ()


_ALPHA: Final = ("the alpha channel is left out.",)
_APPLIED: Final = ("the palette is applied.",)
_KINDS: Final = {
    "1": _Kind("1", 1, "uint8", ("1-bit voxels are 0 and 1.",)),
    "L": _Kind("L", 1, "uint8"),
    "LA": _Kind("L", 1, "uint8", _ALPHA),
    "La": _Kind("L", 1, "uint8", _ALPHA),
    "P": _Kind("RGB", 3, "uint8", _APPLIED),
    "PA": _Kind("RGB", 3, "uint8", (*_APPLIED, *_ALPHA)),
    "RGB": _Kind("RGB", 3, "uint8"),
    "RGBA": _Kind("RGB", 3, "uint8", _ALPHA),
    "RGBX": _Kind("RGB", 3, "uint8"),
    "CMYK": _Kind("RGB", 3, "uint8", ("CMYK is converted to RGB.",)),
    "YCbCr": _Kind("RGB", 3, "uint8"),
    "I;16": _Kind("I;16", 1, "uint16"),
}
_GREYS: Final = _Kind("L", 1, "uint8", _APPLIED)
_DEEP: Final = {  # PNG of 16 bits a sample, by the kind of colour in its header
    0: _Kind("", 1, "uint16"),
    2: _Kind("", 3, "uint16"),
    4: _Kind("", 1, "uint16", _ALPHA),
    6: _Kind("", 3, "uint16", _ALPHA),
}


class PictureReader:
    name = "picture"
    suffixes = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")

    def recognises(self, path: Path, head: bytes) -> bool:  # noqa: ARG002 - the magic tells
        return head.startswith(tuple(_PLUGINS)) and (head[:4] != _RIFF or head[8:12] == b"WEBP")

    def open(self, paths: Sequence[Path], hints: Hints) -> _PictureFile:  # noqa: ARG002 - they tell all
        return _PictureFile(_Picture(paths[0]))


READER = PictureReader()


class _PictureFile:
    def __init__(self, image: _Picture) -> None:
        self._image = image
        self.images: list[Image] = [image]

    def close(self) -> None:
        self._image.close()


class _Picture:
    """One file. The frame that was read last is kept: it is decoded as a whole anyway."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._kept: tuple[int, _Decoded] | None = None
        self._animation: Pillow.Image | None = None
        with _opened(path) as (picture, head):
            self._kind = _kind(path, picture, head)
            self._turn = _TURNS.get(_orientation(picture.info.get("exif")))
            width, height = picture.size
            frames = min(int(getattr(picture, "n_frames", 1)), _MAX_FRAMES)
            self._is_png_of_bytes = (
                _png_form(head)[0] >= 8
                and (picture.mode in {"L", "LA", "RGB", "RGBA"} or not self._kind.mode)
                and frames == 1
                and self._turn is None
            )
        notes = self._kind.notes
        if self._turn is not None:
            notes = (*notes, "it is turned as its EXIF orientation says.")
        if self._turn in _SWAPPING:
            width, height = height, width
        self.info = ImageInfo(
            Size(1, self._kind.channels, frames, height, width),
            np.dtype(self._kind.dtype),
            Grain(1, height, width),
            rgb=self._kind.channels == 3,
            notes=notes,
        )

    def close(self) -> None:
        with self._lock:
            self._kept = None
            if self._animation is not None:
                self._animation.close()
                self._animation = None

    def read(self, region: Region) -> NDArray[Any]:
        out = np.empty(region.shape, self.info.dtype)
        if out.size:
            for row, z in enumerate(range(*region.z)):
                self._copy(self._frame(z), region, out[:, row])
        return out

    def _copy(self, frame: _Decoded, region: Region, out: NDArray[Any]) -> None:
        """Put a part of a frame into ``out`` (c, y, x), of Pillow's in bands that have a bounded size."""
        (y0, y1), (x0, x1) = region.y, region.x
        rows = y1 - y0 if isinstance(frame, np.ndarray) else max(1, _BAND // (x1 - x0))
        for low in range(y0, y1, rows):
            high = min(y1, low + rows)
            if isinstance(frame, np.ndarray):
                part = frame[low:high, x0:x1]
            else:
                part = np.asarray(frame.crop((x0, low, x1, high)))
            part = part != 0 if part.dtype == np.bool_ else part  # Pillow's True is 255
            part = part[np.newaxis] if part.ndim == 2 else part.transpose(2, 0, 1)
            out[:, low - y0 : high - y0] = part[slice(*region.c)]

    def _frame(self, number: int) -> _Decoded:
        with self._lock:
            if self._kept is None or self._kept[0] != number:
                self._kept = None  # two of them may be too much
                self._kept = number, self._decoded(number)
            return self._kept[1]

    def _decoded(self, number: int) -> _Decoded:
        with _telling(self._path, f"is damaged: frame {number + 1} cannot be decoded"):
            if self._is_png_of_bytes:
                voxels: NDArray[Any] = imagecodecs.png_decode(self._path.read_bytes())
                size = voxels.shape[1::-1]
                decoded: _Decoded = voxels
            else:
                decoded = self._decoded_by_pillow(number)
                size = decoded.size
            if size != (self.info.size.x, self.info.size.y):
                raise ValueError("it is of another size")
            return decoded

    def _decoded_by_pillow(self, number: int) -> Pillow.Image:
        if self.info.size.z > 1:
            if self._animation is not None and number < self._animation.tell():
                self._animation.close()  # going back fails in some
                self._animation = None
            if self._animation is None:
                self._animation = _plugin(self._path)(self._path)
            while self._animation.tell() < number:  # frames build on those before
                self._animation.load()
                self._animation.seek(self._animation.tell() + 1)
            return self._converted(self._animation)
        with _plugin(self._path)(self._path) as picture:
            picture.load()
            is_as_stored = picture.mode == self._kind.mode  # then no copy is made: it may be large
            converted = picture if is_as_stored else self._converted(picture)
            return converted if self._turn is None else converted.transpose(self._turn)

    def _converted(self, picture: Pillow.Image) -> Pillow.Image:
        picture.load()
        picture.info.pop("transparency", None)  # Pillow warns of what it cannot keep
        return picture.convert(self._kind.mode)  # a copy, whatever the mode is


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[Pillow.Image, bytes]]:
    """Open a picture's header. Raises CorruptData, UnsupportedFormat where it is too large to decode."""
    with _telling(path, "is no picture that can be read"):
        with path.open("rb") as stream:
            head = stream.read(32)
        with _plugin(path)(path) as picture:
            if picture.width * picture.height > _MAX_PIXELS:
                raise UnsupportedFormat(
                    f"{path.name} has {picture.width:,} × {picture.height:,} pixels, which would have to be "
                    "decoded at once.",
                    hint="Save it as a tiled TIFF.",
                )
            _require_room(path, picture)
            yield picture, head


def _require_room(path: Path, picture: Pillow.Image) -> None:
    """Refuse sizes that no file of this length can have."""
    pixels, length = picture.width * picture.height, path.stat().st_size
    most = _MOST_IN_A_BYTE.get(picture.format or "")
    if pixels > _SUSPICIOUS and most is not None and pixels > most * length:
        raise CorruptData(
            f"{path.name} promises {picture.width:,} × {picture.height:,} pixels in {length:,} bytes.",
            path=str(path),
            hint=_AGAIN,
        )


@contextlib.contextmanager
def _telling(path: Path, what: str) -> Iterator[None]:
    """Have whatever goes wrong told with the name of the file."""
    try:
        yield
    except WkError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise CorruptData(f"{path.name} {what} ({reason}).", path=str(path), hint=_AGAIN) from None
    except Exception as error:  # noqa: BLE001 - plugins and codecs raise what they like
        raise CorruptData(f"{path.name} {what} ({error}).", path=str(path), hint=_AGAIN) from None


def _plugin(path: Path) -> Callable[[Path], Pillow.Image]:
    with path.open("rb") as stream:
        head = stream.read(8)
    for magic, plugin in _PLUGINS.items():
        if head.startswith(magic):
            return plugin
    raise ValueError("it is of another format")


def _kind(path: Path, picture: Pillow.Image, head: bytes) -> _Kind:
    bits, form = _png_form(head)
    if bits == 16 and form in _DEEP:
        return _DEEP[form]
    if picture.mode == "P":
        colors = np.frombuffer(bytes(picture.getpalette("RGB") or ()), np.uint8).reshape(-1, 3)
        return _GREYS if (colors == colors[:, :1]).all() else _KINDS["P"]
    kind = _KINDS.get(picture.mode)
    if kind is None:
        raise UnsupportedFormat(f"{path.name} has pixels of the kind {picture.mode}.", hint="Save it as RGB.")
    return kind


def _png_form(head: bytes) -> tuple[int, int]:
    """Return the bits of a sample and the kind of colour that a PNG's header tells; 0: it is none."""
    return (head[24], head[25]) if head.startswith(_PNG) and len(head) > 25 else (0, 0)


def _orientation(exif: Any) -> int:
    """Return how a photograph was held, 1 to 8. What is wrong in it is of no account."""
    with contextlib.suppress(struct.error, KeyError, TypeError):
        block = bytes(exif).removeprefix(b"Exif\0\0")
        order = {b"II": "<", b"MM": ">"}[block[:2]]
        (place,) = struct.unpack_from(f"{order}I", block, 4)
        (count,) = struct.unpack_from(f"{order}H", block, place)
        for number in range(count):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", block, place + 2 + 12 * number)
            if (tag, kind) == (_ORIENTATION, _SHORT):
                return int(value)
    return 1
