"""``viewer.layers["color"].opacity = 50``: a layer's settings as attributes, over one synced trait."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol

from wk_jupyter.errors import InvalidInput, LayerNotFound


def _number(low: float, high: float) -> Callable[[Any], float | None]:
    def check(value: Any) -> float | None:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return value if is_number and math.isfinite(value) and low <= value <= high else None

    return check


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _color(value: Any) -> list[int] | None:
    if isinstance(value, str) and len(value) == 7 and value[0] == "#":
        try:
            value = [int(value[at : at + 2], 16) for at in (1, 3, 5)]
        except ValueError:
            return None
    check = _number(0, 255)
    if isinstance(value, list | tuple) and len(value) == 3 and all(check(n) is not None for n in value):
        return [round(n) for n in value]
    return None


def _range(value: Any) -> list[float] | None:
    check = _number(-math.inf, math.inf)
    if isinstance(value, list | tuple) and len(value) == 2 and all(check(n) is not None for n in value):
        return list(value) if value[0] <= value[1] else None
    return None


# Python's name, the page's name, what makes it valid, and what to say of it.
SETTINGS: Final[dict[str, tuple[str, Callable[[Any], Any], str]]] = {
    "visible": ("visible", _flag, "True or False"),
    "opacity": ("opacity", _number(0, 100), "a number from 0 to 100"),
    "color": ("color", _color, 'red, green and blue from 0 to 255, or "#rrggbb"'),
    "intensity_range": ("intensityRange", _range, "two numbers, the lower first"),
    "gamma": ("gamma", _number(0.01, 10), "a number from 0.01 to 10"),
    "inverted": ("inverted", _flag, "True or False"),
    "interpolation": ("interpolation", _flag, "True or False"),
}


def checked(settings: Mapping[str, Any], layer: str) -> dict[str, Any]:
    """Return settings under the page's names. Raises InvalidInput, naming layer and setting."""
    by_page = {page: (page, check, said) for page, check, said in SETTINGS.values()}
    result: dict[str, Any] = {}
    for name, value in settings.items():
        known = SETTINGS.get(name) or by_page.get(name)
        if known is None:
            raise InvalidInput(f"layers have no setting {name!r}.", hint=f"They have {', '.join(SETTINGS)}.")
        page, check, said = known
        if value is None and page == "intensityRange":
            result[page] = None
            continue
        good = check(value)
        if good is None:
            raise InvalidInput(f"{name} of layer {layer!r} is {said}, not {value!r}.")
        result[page] = good
    return result


class Holder(Protocol):
    """What has the trait."""

    layer_settings: dict[str, dict[str, Any]]


class LayerSettings:
    """The settings of one layer in a viewer; setting one changes the picture."""

    __slots__ = ("_holder", "_name")

    def __init__(self, holder: Holder, name: str) -> None:
        object.__setattr__(self, "_holder", holder)
        object.__setattr__(self, "_name", name)

    def __getattr__(self, name: str) -> Any:
        if name not in SETTINGS:
            raise AttributeError(f"layers have no setting {name!r}; they have {', '.join(SETTINGS)}")
        return self._holder.layer_settings[self._name].get(SETTINGS[name][0])

    def __setattr__(self, name: str, value: Any) -> None:
        self.update(**{name: value})

    def update(self, **settings: Any) -> None:
        """Change several settings at once."""
        holder = self._holder
        changed = {**holder.layer_settings[self._name], **checked(settings, self._name)}
        holder.layer_settings = {**holder.layer_settings, self._name: changed}

    def __dir__(self) -> list[str]:
        return [*SETTINGS, "update"]

    def __repr__(self) -> str:
        return f"<{self._name}: " + ", ".join(f"{name}={getattr(self, name)!r}" for name in SETTINGS) + ">"


class LayersSettings(Mapping[str, LayerSettings]):
    """A viewer's layers by name."""

    def __init__(self, holder: Holder) -> None:
        self._holder = holder

    def __getitem__(self, name: str) -> LayerSettings:
        if name not in self._holder.layer_settings:
            names = ", ".join(map(repr, self._holder.layer_settings))
            raise LayerNotFound(f"the viewer has no layer {name!r}.", hint=f"It has {names}.")
        return LayerSettings(self._holder, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._holder.layer_settings)

    def __len__(self) -> int:
        return len(self._holder.layer_settings)

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def __repr__(self) -> str:
        return "\n".join(map(repr, self.values()))
