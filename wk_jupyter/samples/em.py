"""An electron microscope for invented tissue: what a stained, cut and imaged block of it looks like.

Cytoplasm is light grey, membranes are dark lines, mitochondria grey with stripes (cristae), vesicles small
rings, synapses dark thickenings of the membrane. The segmentation is the anatomy itself: the border of two
segments runs in the middle of the membrane between them.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from wk_jupyter.samples.noise import Field, interpolate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from wk_jupyter.samples.tissue import Organelle, Synapse, Tissue

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]

_BLOCK = (32, 32, 16)
_KNOTS = (4, 4, 2)
_VIEW = (128, 128, 32)
_WANDER_NM = 34.0
_VESICLE_NM = 17.0


@dataclass
class _View:
    """A part of the volume being drawn: ``axes`` are voxel centres in nm, the arrays are x, y, z."""

    axes: tuple[Floats, Floats, Floats]
    cell: NDArray[np.uint32]
    depth: Floats  # nm from the nearest membrane
    light: Floats  # grey value

    def window(self, low: Floats, high: Floats) -> tuple[slice, slice, slice] | None:
        """The part between two places (nm), or None where they don't meet."""
        spans = []
        for axis, a, b in zip(self.axes, low, high, strict=True):
            begin, end = np.searchsorted(axis, (a, b))
            if begin == end:
                return None
            spans.append(slice(int(begin), int(end)))
        return spans[0], spans[1], spans[2]

    def distances(self, window: tuple[slice, slice, slice], centre: Floats) -> Floats:
        """Distance (nm) of each voxel of ``window`` from ``centre``."""
        x, y, z = (axis[part] - c for axis, part, c in zip(self.axes, window, centre, strict=True))
        squared = (x**2)[:, None, None] + (y**2)[None, :, None] + (z**2)[None, None, :]
        distances: Floats = np.sqrt(squared)
        return distances


class Microscope:
    """Images ``tissue`` in voxels of ``voxel_nm`` (x, y, z). Same seed, same picture, in any parts."""

    def __init__(self, tissue: Tissue, voxel_nm: tuple[float, float, float], seed: int) -> None:
        self._tissue = tissue
        self._voxel = np.asarray(voxel_nm, np.float32)
        self._seed = seed
        rng = np.random.default_rng([seed, 2])
        self._tone = rng.normal(scale=7.0, size=tissue.largest_id + 1).astype(np.float32)
        self._wander = [Field(grain, rng) for grain in (230.0, 230.0, 230.0)]
        self._shade = Field(900.0, rng)
        self._cloud = Field(210.0, rng)
        self._tubes = Field(95.0, rng)
        self._grain = Field(30.0, rng)
        reach = np.ceil(30.0 / self._voxel).astype(int)
        self._ring = np.array(list(np.ndindex(*(2 * reach + 1)))) - reach
        self._mitochondria = _Index([_reach(body, 20.0) for body in tissue.mitochondria])
        self._synapses = _Index([_cloud_reach(synapse) for synapse in tissue.synapses])

    def image(
        self, origin: tuple[int, int, int], shape: tuple[int, int, int]
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
        """Grey values and cell ids (x, y, z) of the box of ``shape`` voxels at ``origin``.

        The shot noise depends on how a volume is divided into boxes, all else on the place alone.
        """
        grey, cells = np.empty(shape, np.uint8), np.empty(shape, np.uint32)
        for part in _blocks(shape, _VIEW):
            corner = [o + span.start for o, span in zip(origin, part, strict=True)]
            axes = self._axes(corner, [span.stop - span.start for span in part])
            cells[part], depth = self._anatomy(axes)
            view = _View(axes, cells[part], depth, np.empty(depth.shape, np.float32))
            self._draw(view)
            grey[part] = self._expose(view, corner)
        return grey, cells

    def _draw(self, view: _View) -> None:
        synapses = [self._tissue.synapses[i] for i in self._synapses.near(view.axes)]
        self._cytoplasm(view)
        self._nucleus(view)
        for i in self._mitochondria.near(view.axes):
            self._mitochondrion(view, self._tissue.mitochondria[i])
        if synapses:
            self._vesicles(view, synapses)
        view.light -= 96.0 * np.exp(-((view.depth / 11.5) ** 2))
        for synapse in synapses:
            self._thickening(view, synapse)

    def _axes(self, origin: Sequence[int], shape: Sequence[int]) -> tuple[Floats, Floats, Floats]:
        x, y, z = (
            ((np.arange(o, o + n) + 0.5) * v).astype(np.float32)
            for o, n, v in zip(origin, shape, self._voxel, strict=True)
        )
        return x, y, z

    def _anatomy(self, axes: tuple[Floats, Floats, Floats]) -> tuple[NDArray[np.uint32], Floats]:
        """Whose each voxel is, and how far the nearest membrane is."""
        shape = (len(axes[0]), len(axes[1]), len(axes[2]))
        cell, depth = np.empty(shape, np.uint32), np.empty(shape, np.float32)
        knots = [_knots(axis, every) for axis, every in zip(axes, _KNOTS, strict=True)]
        drift = np.stack([_WANDER_NM * field.sample(knots) for field in self._wander])
        places = np.stack(np.meshgrid(*knots, indexing="ij")) + drift
        among = self._candidates(places.reshape(3, -1), np.arange(len(self._tissue.cells)))
        for part in _blocks(shape, _BLOCK):
            near = [slice(s.start // n, -(-s.stop // n) + 1) for s, n in zip(part, _KNOTS, strict=True)]
            cells, gaps = self._gaps(places[:, near[0], near[1], near[2]], among)
            for number, (span, every) in enumerate(zip(part, _KNOTS, strict=True)):
                gaps = interpolate(gaps, number + 1, *_between_knots(span.stop - span.start, every))
            cell[part], depth[part] = _nearest(cells, gaps)
        return cell, depth

    def _gaps(self, knots: Floats, among: Ints) -> tuple[Ints, Floats]:
        """The cells near ``knots`` (3, x, y, z), and how far (nm) each knot is from the surface of each."""
        places = knots.reshape(3, -1)
        candidates = self._candidates(places, among)
        centres, cells = self._tissue.centres[candidates], self._tissue.cells[candidates]
        gaps = np.zeros((len(candidates), places.shape[1]), np.float32)
        for along, centre in zip(places, centres.T, strict=True):
            aside = along[None] - centre[:, None]
            aside *= aside
            gaps += aside
        np.sqrt(gaps, out=gaps)
        gaps -= self._tissue.radii[candidates][:, None]
        begins = np.flatnonzero(np.diff(cells, prepend=-1))
        gaps = np.minimum.reduceat(gaps, begins, axis=0)
        # A cell that is nowhere near second needs no more work.
        second = np.partition(gaps, 1, axis=0)[1] + 15.0
        near = np.any(gaps < second, axis=1)
        return cells[begins][near], gaps[near].reshape(-1, *knots.shape[1:])

    def _candidates(self, places: Floats, among: Ints) -> Ints:
        """Those of some balls that can be first or second at any of ``places`` (3, n), ordered by cell."""
        low, high = places.min(axis=1), places.max(axis=1)
        middle, half = (low + high) / 2, (high - low) / 2
        radii, cells = self._tissue.radii[among], self._tissue.cells[among]
        aside = np.abs(self._tissue.centres[among] - middle)
        farthest = _length(aside + half) - radii
        nearest = _length(np.maximum(aside - half, np.float32(0.0))) - radii
        farthest_of_cells = np.minimum.reduceat(farthest, np.flatnonzero(np.diff(cells, prepend=-1)))
        certain = np.partition(farthest_of_cells, 1)[1] if len(farthest_of_cells) > 1 else np.inf
        return among[nearest <= certain]

    def _cytoplasm(self, view: _View) -> None:
        tubes, cloud = self._tubes.sample(view.axes), self._cloud.sample(view.axes)
        view.light[:] = 168.0 + self._tone[view.cell]
        view.light += 5.0 * self._grain.sample(view.axes)
        # Thin dark threads where a field passes zero, in the regions that another field picks: the reticulum.
        threads = np.exp(-((tubes / 0.16) ** 2)) * _step(cloud, 0.2, 1.0) * _step(view.depth, 20.0, 60.0)
        view.light -= 34.0 * threads

    def _nucleus(self, view: _View) -> None:
        nucleus = self._tissue.nucleus
        window = view.window(*_reach(nucleus, 60.0))
        if window is None:
            return
        cloud = self._cloud.sample([axis[part] for axis, part in zip(view.axes, window, strict=True)])
        shell = view.distances(window, nucleus.centres[0]) - nucleus.radius + 18.0 * cloud
        inside = _step(-shell, 0.0, 12.0)
        chromatin = _step(cloud + np.float32(1.3) * np.exp(shell / np.float32(130.0)), 0.55, 1.25)
        light = view.light[window]
        light += inside * (156.0 - 38.0 * chromatin - light) * 0.85
        light -= 70.0 * (np.exp(-(((shell - 16) / 9) ** 2)) + np.exp(-(((shell + 14) / 9) ** 2)))

    def _mitochondrion(self, view: _View, body: Organelle) -> None:
        window = view.window(*_reach(body, 20.0))
        if window is None or not np.any(view.cell[window] == body.cell):
            return
        surface = view.distances(window, body.centres[0])
        for centre in body.centres[1:]:
            np.minimum(surface, view.distances(window, centre), out=surface)
        surface -= body.radius
        # It stays within its cell and keeps a little away from the membrane, whose form it then takes.
        np.maximum(surface, 26.0 - view.depth[window], out=surface)
        surface[view.cell[window] != body.cell] = 100.0
        axes = [axis[part] for axis, part in zip(view.axes, window, strict=True)]
        stripes = np.sin(self._phase(axes, body) + 1.5 * self._tubes.sample(axes))
        light = view.light[window]
        inside = _step(-surface, 2.0, 14.0)
        light += inside * (116.0 - 26.0 * _step(stripes, 0.1, 0.9) + 0.35 * (light - 168.0) - light)
        light -= 60.0 * np.exp(-((surface / 9.0) ** 2))

    @staticmethod
    def _phase(axes: list[Floats], body: Organelle) -> Floats:
        """Grows along the body: cristae lie across it."""
        along = body.centres[-1] - body.centres[0]
        along = along / max(float(np.linalg.norm(along)), 1e-3) * np.float32(2 * np.pi / 68.0)
        x, y, z = (axis * step for axis, step in zip(axes, along, strict=True))
        phase: Floats = x[:, None, None] + y[None, :, None] + z[None, None, :]
        return phase

    def _vesicles(self, view: _View, synapses: Sequence[Synapse]) -> None:
        """Rings of the size of a few voxels: all of them at once, by their offsets from the nearest voxel."""
        centres = np.concatenate([synapse.vesicles for synapse in synapses])
        owners = np.repeat([synapse.cell for synapse in synapses], [len(s.vesicles) for s in synapses])
        last = np.array([axis[-1] for axis in view.axes])
        first = np.array([axis[0] for axis in view.axes])
        seen = np.all((centres > first - 30) & (centres < last + 30), axis=1)
        centres, owners = (centres[seen] - first) / self._voxel, owners[seen]
        index = np.rint(centres).astype(np.int64)[:, None] + self._ring[None]
        x, y, z = np.moveaxis(index, -1, 0)
        aside = np.square((index - centres[:, None]) * self._voxel)
        ring = np.exp(-(((np.sqrt(aside[..., 0] + aside[..., 1] + aside[..., 2]) - _VESICLE_NM) / 7.5) ** 2))
        here = ring > 0.2
        for along, size in zip((x, y, z), view.light.shape, strict=True):
            here &= (along >= 0) & (along < size)
        place = np.ravel_multi_index((x[here], y[here], z[here]), view.light.shape)
        fits = view.cell.flat[place] == np.broadcast_to(owners[:, None], here.shape)[here]
        fits &= view.depth.flat[place] > 24.0
        grey = (168.0 - 62.0 * ring[here][fits]).astype(np.float32)
        np.minimum.at(view.light.reshape(-1), place[fits], grey)

    def _thickening(self, view: _View, synapse: Synapse) -> None:
        window = view.window(synapse.centre - 1.4 * synapse.radius, synapse.centre + 1.4 * synapse.radius)
        if window is None:
            return
        near = np.exp(-((view.distances(window, synapse.centre) / synapse.radius) ** 6))
        cell, light = view.cell[window], view.light[window]
        # Thin on the side of the vesicles, thick on the other, and nothing in cells that only pass by.
        width = np.where(cell == synapse.cell, 13.0, np.where(cell == synapse.partner, 32.0, 1.0))
        light += near * np.exp(-((view.depth[window] / width) ** 4)) * (52.0 - light) * 0.85

    def _expose(self, view: _View, origin: Sequence[int]) -> NDArray[np.uint8]:
        """Uneven brightness, a step from slice to slice, and shot noise."""
        rng = np.random.default_rng([self._seed, 3, *origin])
        light = view.light
        light += 4.0 * self._shade.sample(view.axes)
        slices = range(origin[2], origin[2] + light.shape[2])
        light += np.array([np.random.default_rng([self._seed, 4, z]).normal(scale=1.6) for z in slices], "f4")
        light += 8.5 * rng.standard_normal(light.shape, np.float32)
        return np.clip(np.rint(light), 0, 255).astype(np.uint8)


class _Index:
    """Which of many things may be seen in a view, by the boxes round them."""

    def __init__(self, boxes: Sequence[tuple[Floats, Floats]]) -> None:
        self._low = np.array([low for low, _ in boxes], np.float32).reshape(-1, 3)
        self._high = np.array([high for _, high in boxes], np.float32).reshape(-1, 3)

    def near(self, axes: tuple[Floats, Floats, Floats]) -> Ints:
        first, last = np.array([a[0] for a in axes]), np.array([a[-1] for a in axes])
        return np.flatnonzero(np.all((self._low <= last) & (self._high >= first), axis=1))


def _blocks(shape: tuple[int, int, int], block: tuple[int, int, int]) -> Iterator[tuple[slice, slice, slice]]:
    """Divide a box; the blocks at its far ends may be smaller."""
    for x, y, z in itertools.product(*(range(0, n, b) for n, b in zip(shape, block, strict=True))):
        yield (
            slice(x, min(x + block[0], shape[0])),
            slice(y, min(y + block[1], shape[1])),
            slice(z, min(z + block[2], shape[2])),
        )


def _knots(axis: Floats, every: int) -> Floats:
    """Every few places of an axis, to one behind its end."""
    step = (axis[-1] - axis[0]) / max(len(axis) - 1, 1) * every
    knots: Floats = axis[0] + step * np.arange(-(-len(axis) // every) + 1, dtype=np.float32)
    return knots


@cache
def _between_knots(length: int, every: int) -> tuple[Ints, Floats]:
    """Taps and weights of each place between knots.

    Distances change so evenly that knots are enough; it saves 31 of 32 square roots.
    """
    place = np.arange(length) / every
    first = np.floor(place).astype(np.int64)
    after = (place - first).astype(np.float32)
    return np.stack([first, first + 1]), np.stack([1 - after, after])


def _nearest(cells: Ints, gaps: Floats) -> tuple[NDArray[np.uint32], Floats]:
    """The cell of the smallest of ``gaps`` (cell, x, y, z), and half of what the second is farther away."""
    best: Floats = np.full(gaps.shape[1:], np.inf, np.float32)
    second = best.copy()
    owner: NDArray[np.uint32] = np.zeros(gaps.shape[1:], np.uint32)
    for cell, mine in zip(cells, gaps, strict=True):
        owner[mine < best] = cell
        np.minimum(second, np.maximum(best, mine), out=second)
        np.minimum(best, mine, out=best)
    return owner, (second - best) * np.float32(0.5)


def _reach(body: Organelle, margin: float) -> tuple[Floats, Floats]:
    away = body.radius + margin
    return body.centres.min(axis=0) - away, body.centres.max(axis=0) + away


def _cloud_reach(synapse: Synapse) -> tuple[Floats, Floats]:
    places = np.concatenate([synapse.vesicles, synapse.centre[None]])
    away = max(1.4 * synapse.radius, 40.0)
    return places.min(axis=0) - away, places.max(axis=0) + away


def _length(vectors: NDArray[np.floating]) -> Floats:
    length: Floats = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    return length


def _step(values: NDArray[np.floating], low: float, high: float) -> Floats:
    """0 below ``low``, 1 above ``high``, smooth between."""
    part = np.clip((values - low) / (high - low), 0.0, 1.0)
    smooth: Floats = part * part * (3.0 - 2.0 * part)
    return smooth
