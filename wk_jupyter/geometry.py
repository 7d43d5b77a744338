"""Pure values of space: vectors, mags, boxes and voxel sizes. Axes are always x, y, z.

Boxes and positions are in voxels of mag 1 unless a name says otherwise, and boxes are half-open.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import total_ordering
from typing import Any, Final, Self, SupportsIndex, TypeAlias, cast

from wk_jupyter.errors import InvalidInput

MAX_COORDINATE: Final = 2**47
"""Coordinates beyond this are refused: a product of three sizes must stay an honest number of bytes."""


def _integer(value: Any, what: str) -> int:
    if value.__class__ is int:  # nearly always
        return value
    if isinstance(value, bool) or not (hasattr(value, "__index__") or isinstance(value, float)):
        raise InvalidInput(f"{what} must be a whole number, not {value!r}.")
    if isinstance(value, float):
        if not value.is_integer():
            raise InvalidInput(f"{what} must be a whole number, not {value!r}.")
        return int(value)
    return int(cast("SupportsIndex", value).__index__())


class Vec3Int(tuple[int, int, int]):
    """Three integers x, y, z with elementwise arithmetic: ``Vec3Int(1, 2, 3) * 2 == (2, 4, 6)``."""

    __slots__ = ()

    def __new__(cls, x: int, y: int, z: int) -> Self:
        return tuple.__new__(cls, (x, y, z))

    def __getnewargs__(self) -> tuple[int, int, int]:
        return (self.x, self.y, self.z)

    @classmethod
    def of(cls, value: Vec3Like, what: str = "a vector") -> Vec3Int:
        """Make a vector of one number or of three. Raises InvalidInput."""
        if isinstance(value, Vec3Int):
            return value
        if value.__class__ is int:
            return cls(value, value, value)
        if isinstance(value, str | bytes | Mapping) or (
            not hasattr(value, "__iter__")
            and not hasattr(value, "__index__")
            and not isinstance(value, float)
        ):
            raise InvalidInput(f"{what} must be three whole numbers x, y, z, not {value!r}.")
        if not hasattr(value, "__iter__"):
            number = _integer(value, what)
            return cls(number, number, number)
        numbers = [_integer(item, what) for item in cast("Sequence[Any]", value)]
        if len(numbers) != 3:
            raise InvalidInput(f"{what} must be three whole numbers x, y, z, not {len(numbers)} of them.")
        return cls(*numbers)

    @property
    def x(self) -> int:
        return self[0]

    @property
    def y(self) -> int:
        return self[1]

    @property
    def z(self) -> int:
        return self[2]

    def __add__(self, other: Any) -> Vec3Int:
        o = Vec3Int.of(other)
        return Vec3Int(self[0] + o[0], self[1] + o[1], self[2] + o[2])

    def __sub__(self, other: Any) -> Vec3Int:
        o = Vec3Int.of(other)
        return Vec3Int(self[0] - o[0], self[1] - o[1], self[2] - o[2])

    def __mul__(self, other: Any) -> Vec3Int:
        o = Vec3Int.of(other)
        return Vec3Int(self[0] * o[0], self[1] * o[1], self[2] * o[2])

    __rmul__ = __mul__

    def __floordiv__(self, other: Any) -> Vec3Int:
        o = Vec3Int.of(other)
        return Vec3Int(self[0] // o[0], self[1] // o[1], self[2] // o[2])

    def __mod__(self, other: Any) -> Vec3Int:
        o = Vec3Int.of(other)
        return Vec3Int(self[0] % o[0], self[1] % o[1], self[2] % o[2])

    def ceildiv(self, other: Vec3Like) -> Vec3Int:
        """Divide and round up."""
        o = Vec3Int.of(other)
        return Vec3Int(-(-self[0] // o[0]), -(-self[1] // o[1]), -(-self[2] // o[2]))

    def pairmin(self, other: Vec3Like) -> Vec3Int:
        o = Vec3Int.of(other)
        return Vec3Int(min(self[0], o[0]), min(self[1], o[1]), min(self[2], o[2]))

    def pairmax(self, other: Vec3Like) -> Vec3Int:
        o = Vec3Int.of(other)
        return Vec3Int(max(self[0], o[0]), max(self[1], o[1]), max(self[2], o[2]))

    @property
    def product(self) -> int:
        return self[0] * self[1] * self[2]


Vec3Like: TypeAlias = "Vec3Int | int | Sequence[int] | tuple[int, int, int]"


@total_ordering
@dataclass(frozen=True, init=False)
class Mag:
    """A magnification: how many mag-1 voxels one voxel spans along x, y, z. ``Mag(1)`` is the finest.

    Made of an int (the same along all axes), a name such as ``"2-2-1"``, or three numbers.
    """

    x: int
    y: int
    z: int

    def __init__(self, value: MagLike) -> None:
        if isinstance(value, Mag):
            vector = value.as_vec()
        elif isinstance(value, str):
            if not re.fullmatch(r"[0-9]{1,9}(-[0-9]{1,9}-[0-9]{1,9})?", value):
                raise InvalidInput(f'a mag is written as "2" or "2-2-1", not {value!r}.')
            numbers = [int(part) for part in value.split("-")]
            vector = Vec3Int.of(numbers[0] if len(numbers) == 1 else numbers)
        else:
            vector = Vec3Int.of(value, "a mag")
        if min(vector) < 1 or max(vector) > MAX_COORDINATE:
            raise InvalidInput(f"a mag must be positive, not {tuple(vector)}.")
        for name, number in zip("xyz", vector, strict=True):
            object.__setattr__(self, name, number)

    def as_vec(self) -> Vec3Int:
        return Vec3Int(self.x, self.y, self.z)

    def __iter__(self) -> Iterator[int]:
        return iter((self.x, self.y, self.z))

    @property
    def name(self) -> str:
        """``"2"`` where all axes are alike, else ``"2-2-1"``: the usual folder name."""
        return str(self.x) if self.x == self.y == self.z else self.long_name

    @property
    def long_name(self) -> str:
        return f"{self.x}-{self.y}-{self.z}"

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f'Mag("{self.name}")'

    def __lt__(self, other: Mag) -> bool:
        return self._order() < other._order()

    def _order(self) -> tuple[int, int, int, int]:
        return (max(self.x, self.y, self.z), self.x, self.y, self.z)


MagLike: TypeAlias = "Mag | str | int | Sequence[int]"


@dataclass(frozen=True, init=False)
class BoundingBox:
    """A half-open box: ``topleft`` is inside, ``bottomright = topleft + size`` is not."""

    topleft: Vec3Int
    size: Vec3Int

    def __init__(self, topleft: Vec3Like, size: Vec3Like) -> None:
        corner = Vec3Int.of(topleft, "the top left corner of a bounding box")
        extent = Vec3Int.of(size, "the size of a bounding box")
        if min(extent) < 0:
            raise InvalidInput(f"the size of a bounding box cannot be negative: {tuple(extent)}.")
        if max(abs(n) for n in corner) > MAX_COORDINATE or max(extent) > MAX_COORDINATE:
            raise InvalidInput(
                f"the bounding box at {tuple(corner)} of size {tuple(extent)} is absurdly large."
            )
        object.__setattr__(self, "topleft", corner)
        object.__setattr__(self, "size", extent)

    @classmethod
    def from_corners(cls, topleft: Vec3Like, bottomright: Vec3Like) -> BoundingBox:
        """Make a box of its first and one-past-last corner; empty where they cross."""
        corner = Vec3Int.of(topleft)
        return cls(corner, (Vec3Int.of(bottomright) - corner).pairmax(0))

    @classmethod
    def parse(cls, text: str) -> BoundingBox:
        """Read ``"x, y, z, width, height, depth"``. Raises InvalidInput."""
        parts = text.split(",")
        try:
            numbers = [int(part) for part in parts]
        except ValueError:
            numbers = []
        if len(numbers) != 6:
            raise InvalidInput(
                f"a bounding box is six whole numbers x, y, z, width, height, depth, not {text!r}."
            )
        return cls(numbers[:3], numbers[3:])

    @property
    def bottomright(self) -> Vec3Int:
        return self.topleft + self.size

    @property
    def is_empty(self) -> bool:
        return min(self.size) == 0

    @property
    def volume(self) -> int:
        """The number of voxels."""
        return self.size.product

    @property
    def center(self) -> tuple[float, float, float]:
        x, y, z = (c + s / 2 for c, s in zip(self.topleft, self.size, strict=True))
        return (x, y, z)

    def intersection(self, other: BoundingBox) -> BoundingBox:
        """What both hold; empty (of size 0 along some axis) where they do not meet."""
        return BoundingBox.from_corners(
            self.topleft.pairmax(other.topleft), self.bottomright.pairmin(other.bottomright)
        )

    def union(self, other: BoundingBox) -> BoundingBox:
        """Return the smallest box that holds both; an empty one adds nothing."""
        if self.is_empty or other.is_empty:
            return other if self.is_empty else self
        return BoundingBox.from_corners(
            self.topleft.pairmin(other.topleft), self.bottomright.pairmax(other.bottomright)
        )

    def contains(self, other: BoundingBox) -> bool:
        return other.is_empty or self.intersection(other) == other

    def in_mag(self, mag: Mag) -> BoundingBox:
        """This box of mag-1 voxels in voxels of ``mag``, rounded outward."""
        vector = mag.as_vec()
        return BoundingBox.from_corners(self.topleft // vector, self.bottomright.ceildiv(vector))

    def from_mag(self, mag: Mag) -> BoundingBox:
        """This box of voxels of ``mag`` in mag-1 voxels."""
        return BoundingBox(self.topleft * mag.as_vec(), self.size * mag.as_vec())

    def aligned(self, mag: Mag) -> BoundingBox:
        """Grow the box outward to whole voxels of ``mag``."""
        return self.in_mag(mag).from_mag(mag)

    def to_json(self) -> dict[str, Any]:
        width, height, depth = self.size
        return {"topLeft": list(self.topleft), "width": width, "height": height, "depth": depth}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> BoundingBox:
        return cls(value["topLeft"], (value["width"], value["height"], value["depth"]))

    def __str__(self) -> str:
        return f"{tuple(self.topleft)} + {' × '.join(map(str, self.size))}"


_UNITS_IN_NM: Final[dict[str, float]] = {
    "yoctometer": 1e-15, "zeptometer": 1e-12, "attometer": 1e-9, "femtometer": 1e-6, "picometer": 1e-3,
    "nanometer": 1.0, "micrometer": 1e3, "millimeter": 1e6, "centimeter": 1e7, "decimeter": 1e8,
    "meter": 1e9, "hectometer": 1e11, "kilometer": 1e12, "megameter": 1e15, "gigameter": 1e18,
    "terameter": 1e21, "petameter": 1e24, "exameter": 1e27, "zettameter": 1e30, "yottameter": 1e33,
    "angstrom": 0.1, "inch": 2.54e7, "foot": 3.048e8, "yard": 9.144e8, "mile": 1.609344e12,
    "parsec": 3.0856775814913673e25,
}  # fmt: skip
_UNIT_SYMBOLS: Final[dict[str, str]] = {
    "ym": "yoctometer", "zm": "zeptometer", "am": "attometer", "fm": "femtometer", "pm": "picometer",
    "nm": "nanometer", "µm": "micrometer", "μm": "micrometer", "um": "micrometer", "mm": "millimeter",
    "cm": "centimeter", "dm": "decimeter", "m": "meter", "hm": "hectometer", "km": "kilometer",
    "Mm": "megameter", "Gm": "gigameter", "Tm": "terameter", "Pm": "petameter", "Em": "exameter",
    "Zm": "zettameter", "Ym": "yottameter", "Å": "angstrom", "in": "inch", "ft": "foot", "yd": "yard",
    "mi": "mile", "pc": "parsec",
}  # fmt: skip


def length_unit(name: str) -> str:
    """Return the full name of a unit of length, given as ``"nm"`` or ``"nanometer"``. Raises InvalidInput."""
    full = _UNIT_SYMBOLS.get(name) or name.lower()
    if full not in _UNITS_IN_NM:
        raise InvalidInput(
            f"{name[:40]!r} is not a unit of length.",
            hint='Write a full name such as "nanometer" or "micrometer".',
        )
    return full


@dataclass(frozen=True)
class VoxelSize:
    """The physical size of a mag-1 voxel along x, y, z, in ``unit`` (a full name, as ``"nanometer"``)."""

    factor: tuple[float, float, float]
    unit: str = field(default="nanometer")

    def __post_init__(self) -> None:
        numbers = tuple(float(number) for number in self.factor)
        if len(numbers) != 3 or not all(math.isfinite(n) and n > 0 for n in numbers):
            raise InvalidInput(f"a voxel size is three positive numbers, not {self.factor!r}.")
        object.__setattr__(self, "factor", numbers)
        object.__setattr__(self, "unit", length_unit(self.unit))

    @property
    def nanometers(self) -> tuple[float, float, float]:
        x, y, z = (number * _UNITS_IN_NM[self.unit] for number in self.factor)
        return (x, y, z)

    def to_json(self) -> dict[str, Any]:
        return {"factor": list(self.factor), "unit": self.unit}

    def __str__(self) -> str:
        symbol = next(symbol for symbol, unit in _UNIT_SYMBOLS.items() if unit == self.unit)
        return f"{' × '.join(f'{number:g}' for number in self.factor)} {symbol}"
