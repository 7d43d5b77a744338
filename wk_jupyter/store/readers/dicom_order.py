"""In which order the frames of a DICOM series lie: by their place in the body, by time, by their numbers."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Final

import numpy as np

from wk_jupyter.store.readers.dicom_frames import Frame, Slice, Vector

_SAME: Final = 1e-3  # mm
_UNEVEN: Final = 0.02  # of the distance between sections


@dataclass(frozen=True)
class Stack:
    """``frames``: all sections of the first point in time, then of the next; ``thickness``: mm, or 0."""

    frames: list[Frame]
    times: int
    thickness: float
    notes: tuple[str, ...] = ()


def ordered(slices: list[Slice]) -> Stack:
    """Put the frames of an image into their order."""
    first = slices[0]
    if len(slices) == 1 and first.frames > 1:
        return _of_frames(first)
    heights = _heights([each.position for each in slices], first.normal)
    if heights is None:
        frames = [Frame(each, 0) for each in sorted(slices, key=lambda each: each.number)]
        note = "no places of its sections are told, they are in the order of their numbers."
        return Stack(frames, 1, first.thickness, (note,) if len(frames) > 1 else ())
    places: dict[int, list[Slice]] = defaultdict(list)
    for height, each in zip(heights, slices, strict=True):
        places[round(height / _SAME)].append(each)
    counts = {len(those) for those in places.values()}
    for those in places.values():
        those.sort(key=lambda each: (each.time, each.number))
    levels = [places[place] for place in sorted(places)]
    thickness, notes = _thickness([place * _SAME for place in sorted(places)], first.thickness)
    if len(counts) == 1:
        times = counts.pop()
        return Stack([Frame(level[t], 0) for t in range(times) for level in levels], times, thickness, notes)
    frames = [Frame(each, 0) for level in levels for each in level]
    return Stack(frames, 1, thickness, (*notes, "several sections lie at one place, others alone."))


def _of_frames(one: Slice) -> Stack:
    """Frames with places are sections; a film's are points in time."""
    frames = [Frame(one, index) for index in range(one.frames)]
    heights = (
        _heights(list(one.frame_positions), one.normal) if len(one.frame_positions) == one.frames else None
    )
    if heights is not None and len({round(height / _SAME) for height in heights}) == one.frames:
        order = sorted(range(one.frames), key=lambda index: heights[index])
        thickness, notes = _thickness(sorted(heights), one.thickness)
        return Stack([frames[index] for index in order], 1, thickness, notes)
    return Stack(frames, one.frames if one.is_cine else 1, one.thickness)


def _heights(positions: list[Vector | None], normal: Vector | None) -> list[float] | None:
    """Return how far each section lies along the normal, in mm; None where that is not told of all."""
    told = [position for position in positions if position is not None]
    if normal is None or len(told) < len(positions) or not told:
        return None
    heights = np.array(told) @ (np.array(normal) / np.linalg.norm(normal))
    return [float(height) for height in heights] if np.abs(heights).max() < 1e9 else None


def _thickness(heights: list[float], told: float) -> tuple[float, tuple[str, ...]]:
    """Return the distance between sections, which counts more than what is told of their thickness."""
    if len(heights) < 2:
        return told, ()
    steps = np.diff(heights)
    middle = float(np.median(steps))
    if steps.max() - steps.min() <= _UNEVEN * middle:
        return middle, ()
    return middle, (f"its sections lie {steps.min():g} to {steps.max():g} mm apart; {middle:g} mm is taken.",)
