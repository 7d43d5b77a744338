"""One file of a DICOM series: what its header says of its frames, and their pixels.

pydicom reads headers and plain pixels; imagecodecs unpacks the JPEG family.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wk_jupyter.errors import CorruptData, UnsupportedFormat, WkError
from wk_jupyter.store.readers.byte_sources import open_binary

_TAGS: Final = [
    "SOPClassUID", "Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "BitsStored", "PixelRepresentation",
    "NumberOfFrames", "PhotometricInterpretation", "PixelSpacing", "SpacingBetweenSlices", "SliceThickness",
    "RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth", "SeriesInstanceUID", "SeriesNumber",
    "SeriesDescription", "InstanceNumber", "TemporalPositionIdentifier", "ImagePositionPatient", "FrameTime",
    "ImageOrientationPatient", "FrameTimeVector", "Modality", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
]  # fmt: skip
# Directories, waveforms, presentations, registrations, reports, documents, plans of radiation.
_WITHOUT_PIXELS: Final = (
    "1.2.840.10008.1.3.10",
    *(f"1.2.840.10008.5.1.4.1.1.{kind}" for kind in (
        "9.", "11.", "66.1", "66.2", "66.3", "88.", "104.", "481.3", "481.4", "481.5", "481.8"
    )),
)  # fmt: skip
_DTYPES: Final = {
    (1, 0): "u1", (8, 0): "u1", (8, 1): "i1", (16, 0): "u2", (16, 1): "i2", (32, 0): "u4", (32, 1): "i4"
}  # fmt: skip
_COLORS: Final = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT", "YBR_PARTIAL_420")
_GREYS: Final = ("MONOCHROME1", "MONOCHROME2")
_JPEG: Final = "1.2.840.10008.1.2.4."
_LOSSLESS: Final = {"57", "70"}
_JPEG_LS: Final = {"80", "81"}
_JPEG_2000: Final = {"90", "91", "201", "202", "203"}
_DEFLATED: Final = "1.2.840.10008.1.2.1.99"
_RLE: Final = "1.2.840.10008.1.2.5"
_MOST_FRAME: Final = 2**30
_MOST_RATIO: Final = 20_000
_SUSPICIOUS: Final = 2**30
Vector = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Slice:
    """A file. ``spacing``: of rows (y) and columns (x) in mm; ``position``: of the first voxel; 0: not told.

    ``normal``: the direction from one section to the next, where it is told. ``window``: rescaled values.
    """

    path: Path
    rows: int
    columns: int
    samples: int
    frames: int
    dtype: np.dtype[Any]
    bits: int
    syntax: str
    photometric: str
    series: str
    name: str
    modality: str
    number: int
    time: int
    is_cine: bool
    spacing: tuple[float, float]
    thickness: float
    position: Vector | None
    normal: Vector | None
    slope: float
    intercept: float
    window: tuple[float, float] | None
    frame_positions: tuple[Vector, ...]
    notes: tuple[str, ...]

    @property
    def is_scaled(self) -> bool:
        """Whether its values differ from those that are stored."""
        return (self.slope, self.intercept) != (1.0, 0.0)

    @property
    def key(self) -> tuple[Any, ...]:
        """Files of one image agree in this."""
        turned = tuple(round(part, 3) for part in self.normal) if self.normal else None
        return (self.series, self.rows, self.columns, self.samples, self.dtype.str, turned)

    @property
    def range(self) -> tuple[int, int]:
        """The least and the greatest value that may be stored."""
        bits = min(self.bits, self.dtype.itemsize * 8)
        if self.dtype.kind == "i":
            return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        return (0, 2**bits - 1)


@dataclass(frozen=True)
class Frame:
    """One picture in a file."""

    of: Slice
    index: int


def look(path: Path) -> Slice | None:
    """Return what a header says; None where there are no pixels. Raises UnsupportedFormat, CorruptData."""
    import pydicom  # noqa: PLC0415 - large, and needed for this format alone

    with open_binary(path) as stream:
        try:
            header = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=list(_TAGS))
        except Exception as error:  # noqa: BLE001 - headers have any shape: it is the file's fault
            raise _damaged(path, error) from None
        try:
            if not header.get("Rows") or not header.get("Columns"):
                if str(header.get("SOPClassUID", "")).startswith(_WITHOUT_PIXELS):
                    return None
                raise ValueError("it does not say how many pixels it has")  # noqa: TRY301 - told as all others
            found = _slice(path, header)
        except WkError:
            raise
        except Exception as error:  # noqa: BLE001 - values are decoded when they are asked for
            raise _damaged(path, error) from None
    _require_possible(found)
    return found


def decode(frame: Frame) -> NDArray[Any]:
    """Return the pixels (y, x[, sample]) of a frame; colours are red, green, blue. Raises CorruptData."""
    of = frame.of
    try:
        pixels = _unpacked(frame) if of.syntax.startswith(_JPEG) else _plain(frame)
    except WkError:
        raise
    except Exception as error:  # noqa: BLE001 - codecs raise what they like
        raise CorruptData(
            f"{of.path.name} is damaged: frame {frame.index + 1} cannot be decoded "
            f"({type(error).__name__}: {error}).",
            path=str(of.path),
            hint="Copy or download it again.",
        ) from None
    native = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    if native.dtype.itemsize == of.dtype.itemsize:
        return native.view(of.dtype)  # decoders of JPEG know no signs
    return native.astype(of.dtype)


def _plain(frame: Frame) -> NDArray[Any]:
    from pydicom.pixels.utils import pixel_array  # noqa: PLC0415 - large, and needed for this format alone

    found: NDArray[Any] = pixel_array(frame.of.path, index=frame.index)
    return found


def _unpacked(frame: Frame) -> NDArray[Any]:
    import imagecodecs  # noqa: PLC0415 - large, and needed for few files
    import pydicom  # noqa: PLC0415
    from pydicom.encaps import get_frame  # noqa: PLC0415

    of = frame.of
    kind = of.syntax.removeprefix(_JPEG)
    with open_binary(of.path) as stream:
        whole = pydicom.dcmread(stream, specific_tags=["PixelData"])
        data = get_frame(whole.PixelData, frame.index, number_of_frames=of.frames)
    if kind in _JPEG_2000:
        found: NDArray[Any] = imagecodecs.jpeg2k_decode(data)
    elif kind in _JPEG_LS:
        found = imagecodecs.jpegls_decode(data)
    elif kind in _LOSSLESS:
        found = imagecodecs.ljpeg_decode(data)
    elif of.samples == 1:
        found = imagecodecs.jpeg_decode(data)
    else:
        stored = "RGB" if of.photometric == "RGB" else "YCBCR"
        found = imagecodecs.jpeg_decode(data, colorspace=stored, outcolorspace="RGB")
    return found


def _slice(path: Path, header: Any) -> Slice:
    samples, photometric, dtype = _pixel_kind(path, header)
    measured = _functional(header, "PixelMeasuresSequence")
    scaled = _functional(header, "PixelValueTransformationSequence")
    oriented = _functional(header, "PlaneOrientationSequence")
    slope, intercept = (_number(scaled.get(f"Rescale{name}")) for name in ("Slope", "Intercept"))
    thickness = _number(measured.get("SpacingBetweenSlices")) or _number(measured.get("SliceThickness"))
    is_inverted = photometric == "MONOCHROME1"
    return Slice(
        path=path,
        rows=int(header.Rows),
        columns=int(header.Columns),
        samples=samples,
        frames=max(1, int(header.get("NumberOfFrames") or 1)),
        dtype=dtype,
        bits=int(header.get("BitsStored") or header.BitsAllocated),
        syntax=str(header.file_meta.get("TransferSyntaxUID", "")),
        photometric=photometric,
        series=str(header.get("SeriesInstanceUID", "")),
        name=str(header.get("SeriesDescription") or f"series{header.get('SeriesNumber') or ''}"),
        modality=str(header.get("Modality", "")),
        number=int(header.get("InstanceNumber") or 0),
        time=int(header.get("TemporalPositionIdentifier") or 0),
        is_cine=bool(header.get("FrameTime") or header.get("FrameTimeVector")),
        spacing=_pair(measured.get("PixelSpacing")) or (0.0, 0.0),
        thickness=abs(thickness or 0.0),
        position=_vector(header.get("ImagePositionPatient")),
        normal=_normal(oriented.get("ImageOrientationPatient")),
        slope=slope or 1.0,
        intercept=intercept or 0.0,
        window=_window(header),
        frame_positions=_positions(header),
        notes=("its greys are inverted: the least value is white.",) if is_inverted else (),
    )


def _pixel_kind(path: Path, header: Any) -> tuple[int, str, np.dtype[Any]]:
    """Return samples a pixel, what they mean, and their type. Raises UnsupportedFormat."""
    samples = int(header.get("SamplesPerPixel") or 1)
    photometric = str(header.get("PhotometricInterpretation") or "MONOCHROME2")
    if photometric not in (_COLORS if samples == 3 else _GREYS if samples == 1 else ()):
        raise UnsupportedFormat(
            f"{path.name} has pixels of the kind {photometric[:40]!r} with {samples} samples.",
            hint="Save it in grey or RGB.",
        )
    allocated, representation = header.get("BitsAllocated"), header.get("PixelRepresentation")
    if (allocated, representation) not in _DTYPES:
        raise UnsupportedFormat(f"{path.name} has pixels of {allocated} bits, which are not read.")
    return samples, photometric, np.dtype(_DTYPES[allocated, representation])


def _functional(header: Any, name: str) -> Any:
    """Return the group of values that all frames share, or the first one's; else the header itself."""
    for kind in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        found = _first(_get(_first(header.get(kind)), name))
        if found is not None:
            return found
    return header


def _positions(header: Any) -> tuple[Vector, ...]:
    """Return the place of each frame; nothing where one does not tell it."""
    each = header.get("PerFrameFunctionalGroupsSequence") or ()
    found = [
        _vector(_get(_first(_get(group, "PlanePositionSequence")), "ImagePositionPatient")) for group in each
    ]
    told = tuple(position for position in found if position is not None)
    return told if len(told) == len(found) else ()


def _get(group: Any, name: str) -> Any:
    return None if group is None else group.get(name)


def _first(sequence: Any) -> Any:
    return sequence[0] if sequence else None


def _number(value: Any) -> float | None:
    number = float(value) if value is not None and str(value) else math.nan
    return number if math.isfinite(number) else None


def _vector(values: Any) -> Vector | None:
    numbers = [_number(value) for value in values or ()]
    if len(numbers) != 3 or None in numbers:
        return None
    x, y, z = (number or 0.0 for number in numbers)
    return (x, y, z)


def _pair(values: Any) -> tuple[float, float] | None:
    numbers = [_number(value) for value in values or ()]
    return (abs(numbers[0] or 0.0), abs(numbers[1] or 0.0)) if len(numbers) == 2 else None


def _normal(values: Any) -> Vector | None:
    numbers = [_number(value) or 0.0 for value in values or ()]
    if len(numbers) != 6:
        return None
    x, y, z = np.cross(np.clip(numbers[:3], -1, 1), np.clip(numbers[3:], -1, 1))
    return (float(x), float(y), float(z)) if x or y or z else None


def _window(header: Any) -> tuple[float, float] | None:
    center, width = (_number(_one(header.get(name))) for name in ("WindowCenter", "WindowWidth"))
    if center is None or width is None or not 0 < width < 1e30 or abs(center) > 1e30:
        return None
    return (center - width / 2, center + width / 2)


def _one(value: Any) -> Any:
    """Several windows may be proposed: the first counts."""
    is_several = hasattr(value, "__len__") and not isinstance(value, str | bytes)
    return (value[0] if len(value) else None) if is_several else value


def _require_possible(found: Slice) -> None:
    """Refuse sizes that no file of this length can have, before anything is allocated."""
    frame = found.rows * found.columns * found.samples * found.dtype.itemsize
    total, length = frame * found.frames, found.path.stat().st_size
    if found.syntax.startswith(_JPEG) or found.syntax in {_RLE, _DEFLATED}:
        is_absurd = total > _SUSPICIOUS and total > _MOST_RATIO * length
    else:  # bits may be packed, and colours subsampled
        is_absurd = total // (8 if found.bits == 1 else 2 if found.samples == 3 else 1) > length
    if is_absurd or frame > _MOST_FRAME:
        raise CorruptData(
            f"{found.path.name} promises {found.frames:,} × {found.rows:,} × {found.columns:,} pixels in "
            f"{length:,} bytes.",
            path=str(found.path),
            hint="It is cut, or its header is wrong: copy or download it again.",
        )


def _damaged(path: Path, error: Exception) -> CorruptData:
    return CorruptData(
        f"{path.name} is no DICOM file that can be read ({type(error).__name__}: {error}).",
        path=str(path),
        hint="Copy or download it again.",
    )
