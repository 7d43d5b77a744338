"""The anatomy of an invented piece of nervous tissue: neurites packed side by side, and what lies in them.

Everything is in nanometres, from the corner of the volume. A cell is a chain of balls; it owns every place
that is nearer to the surface of one of its balls than to that of any other cell. Chains of different cells
push each other apart until they lie side by side, so that cells run through the volume in one piece.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]

MARGIN_NM = 700.0
"""Cells begin outside the volume, so that they don't end at its faces."""

_FILLING = 0.8
_ROUNDS = 12
_NEARLY_NM = 150.0


@dataclass(frozen=True)
class Organelle:
    """A sausage: a short chain of balls inside the cell ``cell``."""

    cell: int
    centres: Floats
    radius: float


@dataclass(frozen=True)
class Synapse:
    """Where ``cell`` touches ``partner``: vesicles on its side, a thick dark membrane between."""

    cell: int
    partner: int
    centre: Floats
    radius: float
    vesicles: Floats


@dataclass(frozen=True)
class Tissue:
    """``centres`` (n, 3), ``radii`` (n,) and ``cells`` (n,) are the balls; cell ids start at 1."""

    extent: Floats
    centres: Floats
    radii: Floats
    cells: Ints
    nucleus: Organelle
    mitochondria: tuple[Organelle, ...]
    synapses: tuple[Synapse, ...]

    @property
    def largest_id(self) -> int:
        return int(self.cells.max())


def grow(extent_nm: tuple[float, float, float], rng: np.random.Generator) -> Tissue:
    """Invent the tissue of a volume of ``extent_nm`` (x, y, z)."""
    extent = np.asarray(extent_nm, np.float32)
    soma = _soma(extent)
    chains = [(soma.centres, np.full(len(soma.centres), soma.radius, np.float32))]
    chains += list(_chains(extent, soma, rng))
    cells = np.repeat(np.arange(1, len(chains) + 1), [len(c) for c, _ in chains])
    centres = np.concatenate([c for c, _ in chains])
    radii = np.concatenate([r for _, r in chains])
    _push_apart(centres, radii, cells, soma)
    nucleus = Organelle(1, soma.centres, soma.radius * 0.7)
    mitochondria = (*_mitochondria_of_soma(soma, nucleus, rng), *_mitochondria(centres, radii, cells, rng))
    synapses = tuple(_synapses(centres, radii, cells, rng))
    return Tissue(extent, centres, radii, cells, nucleus, mitochondria, synapses)


def _soma(extent: Floats) -> Organelle:
    """A cell body that reaches into the volume from one corner."""
    radius = float(min(0.42 * extent.max(), 2600.0))
    centre = np.array([0.02 * extent[0], 0.06 * extent[1], 0.4 * extent[2]], np.float32)
    return Organelle(1, centre[None, :], radius)


def _chains(extent: Floats, soma: Organelle, rng: np.random.Generator) -> Iterator[tuple[Floats, Floats]]:
    """Random neurites until their volume fills the tissue."""
    low, high = -MARGIN_NM, extent + MARGIN_NM
    room = float(np.prod(high - low)) * _FILLING
    while room > 0:
        base = float(np.clip(rng.lognormal(np.log(165.0), 0.55), 70.0, 620.0))
        step = 0.75 * base
        start = rng.uniform(low, high)
        direction = _unit(rng.normal(size=3))
        ahead = _walk(start, direction, step, _Bounds(extent, soma), rng)
        behind = _walk(start, -direction, step, _Bounds(extent, soma), rng)
        centres = np.concatenate([behind[::-1], ahead]).astype(np.float32)
        if len(centres) < 3:
            continue
        swellings = rng.normal(size=len(centres) // 4 + 2)
        waves = np.interp(np.arange(len(centres)) / 4, np.arange(len(swellings)), swellings)
        radii = (base * np.exp(0.28 * waves)).astype(np.float32)
        room -= float(np.sum(np.pi * radii**2) * step)
        yield centres, radii


@dataclass(frozen=True)
class _Bounds:
    """Where a neurite may go: the volume and its margin, without the cell body."""

    extent: Floats
    soma: Organelle

    def holds(self, place: NDArray[np.float64]) -> bool:
        inside = bool(np.all(place > -MARGIN_NM) and np.all(place < self.extent + MARGIN_NM))
        return inside and float(np.linalg.norm(place - self.soma.centres[0])) > self.soma.radius


def _walk(
    start: NDArray[np.float64],
    direction: NDArray[np.float64],
    step: float,
    bounds: _Bounds,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Steps from ``start`` in a slowly turning direction until the bounds are left."""
    places: list[NDArray[np.float64]] = []
    place = start + 0.5 * step * direction
    while bounds.holds(place) and len(places) < 1000:
        places.append(place)
        direction = _unit(direction + rng.normal(scale=0.16, size=3))
        place = place + step * direction
    return np.asarray(places, np.float64).reshape(-1, 3)


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    unit: NDArray[np.float64] = vector / max(float(np.linalg.norm(vector)), 1e-9)
    return unit


def _push_apart(centres: Floats, radii: Floats, cells: Ints, soma: Organelle) -> None:
    """Move overlapping balls of different cells apart, in place; cell 1 (the soma) stays where it is."""
    inner = np.flatnonzero((cells[1:-1] == cells[:-2]) & (cells[1:-1] == cells[2:])) + 1
    first = second = np.empty(0, np.int64)
    for turn in range(_ROUNDS):
        if turn % 6 == 0:
            first, second = _neighbours(centres, radii, cells)
        apart = centres[second] - centres[first]
        distance = np.sqrt(np.einsum("ij,ij->i", apart, apart)) + 1e-3
        overlap = np.maximum(radii[first] + radii[second] - distance, 0.0)
        share = radii[first] / (radii[first] + radii[second])
        for here, part in ((first, share - 1), (second, share)):
            shift = apart * (overlap * part / distance)[:, None]
            count = np.bincount(here[overlap > 0], minlength=len(centres)) + 0.6
            for axis in range(3):
                total = np.bincount(here, weights=shift[:, axis], minlength=len(centres))
                centres[:, axis] += (1.4 * total / count).astype(np.float32)
        centres[inner] += 0.35 * ((centres[inner - 1] + centres[inner + 1]) / 2 - centres[inner])
        _keep_out(centres, radii, cells, soma)


def _keep_out(centres: Floats, radii: Floats, cells: Ints, soma: Organelle) -> None:
    """Push what has come into the cell body back out of it."""
    apart = centres - soma.centres[0]
    distance = np.sqrt(np.einsum("ij,ij->i", apart, apart)) + 1e-3
    inside = (cells > 1) & (distance < soma.radius + radii)
    outward = apart[inside] / distance[inside, None]
    centres[inside] = soma.centres[0] + outward * (soma.radius + radii[inside])[:, None]


def _neighbours(centres: Floats, radii: Floats, cells: Ints) -> tuple[Ints, Ints]:
    """Pairs of balls of different neurites that (nearly) touch; memory grows with the pairs only."""
    order = np.flatnonzero(cells > 1)
    order = order[np.argsort(centres[order, 0], kind="stable")]
    along = centres[order, 0]
    reach = 2.0 * float(radii[order].max()) + _NEARLY_NM
    pairs = []
    for begin in range(0, len(order), 256):
        here = np.arange(begin, min(begin + 256, len(order)))
        there = np.arange(begin, int(np.searchsorted(along, along[here[-1]] + reach)))
        a, b = order[here], order[there]
        squared = sum((centres[a, axis][:, None] - centres[b, axis][None]) ** 2 for axis in range(3))
        near = squared < (radii[a][:, None] + radii[b][None] + _NEARLY_NM) ** 2
        near &= (cells[a][:, None] != cells[b][None]) & (here[:, None] < there[None])
        rows, columns = np.nonzero(near)
        pairs.append(np.stack([a[rows], b[columns]]))
    first, second = np.concatenate(pairs, axis=1)
    return first, second


def _mitochondria(
    centres: Floats, radii: Floats, cells: Ints, rng: np.random.Generator
) -> Iterator[Organelle]:
    """Sausages along the wider neurites."""
    for cell in range(2, int(cells.max()) + 1):
        chain = np.flatnonzero(cells == cell)
        at = int(rng.integers(0, 6))
        while at + 2 < len(chain):
            length = int(rng.integers(2, 7))
            piece = chain[at : at + length]
            radius = float(min(radii[piece].min() * 0.62, rng.uniform(110.0, 210.0)))
            if radius > 85.0 and len(piece) > 1:
                aside = rng.normal(scale=0.16, size=3) * radii[piece].min()
                yield Organelle(cell, _dense(centres[piece] + aside.astype(np.float32), radius), radius)
                at += length
            at += int(rng.integers(3, 12))


def _mitochondria_of_soma(
    soma: Organelle, nucleus: Organelle, rng: np.random.Generator
) -> Iterator[Organelle]:
    """Sausages between nucleus and membrane, turned any way round the nucleus."""
    for _ in range(60):
        outward = _unit(rng.normal(size=3))
        along = _unit(np.cross(outward, rng.normal(size=3)))
        depth = nucleus.radius + (soma.radius - nucleus.radius) * rng.uniform(0.3, 0.7)
        length = rng.uniform(150.0, 700.0)
        ends = [soma.centres[0] + depth * outward + along * length * side for side in (-0.5, 0.0, 0.5)]
        radius = float(rng.uniform(95.0, 150.0))
        yield Organelle(1, _dense(np.asarray(ends, np.float32), radius), radius)


def _dense(centres: Floats, radius: float) -> Floats:
    """The same line with balls so close that their union is a smooth sausage."""
    lengths = np.linalg.norm(np.diff(centres, axis=0), axis=1)
    place = np.concatenate([[0.0], np.cumsum(lengths)])
    count = max(2, int(np.ceil(place[-1] / (0.6 * radius))) + 1)
    wanted = np.linspace(0.0, place[-1], count)
    return np.stack([np.interp(wanted, place, centres[:, a]) for a in range(3)], axis=1).astype(np.float32)


def _synapses(centres: Floats, radii: Floats, cells: Ints, rng: np.random.Generator) -> Iterator[Synapse]:
    """Contacts between neighbouring cells, with a cloud of vesicles on the side of the first."""
    first, second = _neighbours(centres, radii, cells)
    apart = centres[second] - centres[first]
    distance = np.linalg.norm(apart, axis=1)
    touching = np.flatnonzero((distance < 1.1 * (radii[first] + radii[second])) & (radii[first] > 150.0))
    rng.shuffle(touching)
    taken: set[int] = set()
    for pair in touching:
        axon, dendrite = int(first[pair]), int(second[pair])
        if axon in taken or dendrite in taken or len(taken) > len(centres) // 8:
            continue
        taken.update((axon, dendrite))
        toward = apart[pair] / distance[pair]
        contact = centres[axon] + toward * radii[axon]
        reach = float(min(radii[axon], 330.0))
        count = int(rng.integers(30, 90) * (reach / 220.0) ** 2)
        cloud = contact - toward * reach * 0.5 + rng.normal(scale=0.28 * reach, size=(count, 3))
        width = float(rng.uniform(120.0, 230.0))
        yield Synapse(int(cells[axon]), int(cells[dendrite]), contact, width, cloud.astype(np.float32))
