"""From voxels to colours: intensities by a layer's view settings, segment ids by a fixed scheme."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_WHITE: Final = (255, 255, 255)
_PERCENTILES: Final = (0.5, 99.5)


def to_rgb(
    voxels: NDArray[Any], settings: Mapping[str, Any], *, stored: np.dtype[Any], is_rgb: bool
) -> NDArray[np.float32]:
    """Return (c, …) intensities, perhaps averages of a ``stored`` type, as (…, 3) in 0 … 255.

    The range is the settings' ``intensityRange``; without one 0 … 255 for 8 bits, else what the voxels
    themselves span. Of several channels that are not RGB, the first is shown.
    """
    channels = voxels[:3] if is_rgb else voxels[:1]
    low, high = _range(channels, stored, settings.get("intensityRange"))
    span = high - low or 1.0
    intensity = np.clip((np.nan_to_num(channels.astype(np.float64)) - low) / span, 0, 1)
    gamma = settings.get("gammaCorrectionValue")
    if isinstance(gamma, int | float) and gamma > 0 and gamma != 1:
        intensity **= gamma
    if settings.get("isInverted") is True:
        intensity = 1 - intensity
    tint = np.asarray(_color(settings.get("color")), np.float64)
    return np.asarray(np.moveaxis(intensity, 0, -1) * tint, np.float32)


def _range(channels: NDArray[Any], stored: np.dtype[Any], given: Any) -> tuple[float, float]:
    match given:
        case [int() | float() as low, int() | float() as high]:
            return float(low), float(high)
    if stored == np.uint8:
        return 0.0, 255.0
    seen = channels[np.isfinite(channels) & (channels != 0)]
    if seen.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(seen, _PERCENTILES)
    return float(low), float(high)


def _color(given: Any) -> tuple[float, float, float]:
    match given:
        case [int() | float() as red, int() | float() as green, int() | float() as blue]:
            return red, green, blue
    return _WHITE


def segment_colors(ids: NDArray[Any]) -> NDArray[np.float32]:
    """Return a colour (…, 3) in 0 … 255 for each id: the one in which the viewer shows it.

    The scheme is that of ``js/src/viewer/segmentColor.ts``.
    """
    unique, inverse = np.unique(ids, return_inverse=True)
    mixed = _mix(unique.astype(np.uint64))
    hue = (mixed & np.uint32(0xFFFF)).astype(np.float64) / 0x10000
    saturation = 0.55 + 0.45 * ((mixed >> np.uint32(16)) & np.uint32(0xFF)).astype(np.float64) / 255
    value = 0.75 + 0.25 * (mixed >> np.uint32(24)).astype(np.float64) / 255
    sector = (hue[:, np.newaxis] * 6 + np.array([5.0, 3.0, 1.0])) % 6
    darkening = saturation[:, np.newaxis] * np.clip(np.minimum(sector, 4 - sector), 0, 1)
    rgb = value[:, np.newaxis] * (1 - darkening)
    return np.asarray(rgb[inverse.reshape(ids.shape)] * 255, np.float32)


def _mix(ids: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """A hash in which near ids come out far apart."""
    low, high = ids.astype(np.uint32), (ids >> np.uint64(32)).astype(np.uint32)
    with np.errstate(over="ignore"):
        mixed = (low * np.uint32(0x9E3779B1)) ^ (high * np.uint32(0x85EBCA77))
        mixed = (mixed ^ (mixed >> np.uint32(16))) * np.uint32(0x7FEB352D)
        mixed = (mixed ^ (mixed >> np.uint32(15))) * np.uint32(0x846CA68B)
        return np.asarray(mixed ^ (mixed >> np.uint32(16)), np.uint32)
