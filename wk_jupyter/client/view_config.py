"""How a dataset is shown to oneself: a dictionary whose changes are written at once."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, MutableMapping
from html import escape
from typing import Any, Final

from wk_jupyter.client.connection import Connection
from wk_jupyter.errors import InvalidInput, LayerNotFound
from wk_jupyter.view_configuration import DATASET_CHECKS, LAYER_CHECKS, Check

_LAYERS: Final = "layers"


class _Shared:
    """One configuration as the server last told it, which the dataset's part and the layers' look at."""

    def __init__(self, connection: Connection, dataset_id: str) -> None:
        self.connection = connection
        self.path = f"datasetConfigurations/{dataset_id}"
        self.default_path = f"datasetConfigurations/default/{dataset_id}"
        self.now: dict[str, Any] = connection.get(self.path)
        self.defaults: dict[str, Any] = connection.get(self.default_path)

    def change(self, settings: Mapping[str, Any], forget: list[list[str]]) -> None:
        body = {"settings": settings, "forget": forget}
        self.now = self.connection.api("PATCH", self.path, body=body)


class Section(MutableMapping[str, Any]):
    """Settings of a dataset or of one of its layers; ``del`` makes one follow the defaults again."""

    def __init__(self, shared: _Shared, path: tuple[str, ...], checks: Mapping[str, Check]) -> None:
        self._shared = shared
        self._path = path
        self._checks = checks

    def __getitem__(self, key: str) -> Any:
        return self._settings()[self._known(key)]

    def __setitem__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def __delitem__(self, key: str) -> None:
        self._shared.change({}, [[*self._path, self._known(key)]])

    def __iter__(self) -> Iterator[str]:
        return iter([key for key in self._settings() if key in self._checks])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def update(self, *others: Any, **named: Any) -> None:
        """Set several at once: all of them, or none where one is refused."""
        settings = {key: self._checked(key, value) for key, value in dict(*others, **named).items()}
        for part in reversed(self._path):
            settings = {part: settings}
        self._shared.change(settings, [])

    def clear(self) -> None:
        """Make all of these settings follow the defaults again."""
        self._shared.change({}, [[*self._path, key] for key in self])

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def __repr__(self) -> str:
        return repr(dict(self))

    def _settings(self) -> dict[str, Any]:
        found = self._shared.now
        for part in self._path:
            found = found[part]
        return found

    def _known(self, key: str) -> str:
        if key in self._checks:
            return key
        near = difflib.get_close_matches(str(key), self._checks, n=2)
        raise InvalidInput(
            f"view_config: there is no setting {key!r}.",
            hint=f"Did you mean {' or '.join(near)}?" if near else f"There are {', '.join(self._checks)}.",
        )

    def _checked(self, key: str, value: Any) -> Any:
        plain = _plain(value)
        if not self._checks[self._known(key)](plain):
            raise InvalidInput(
                f"view_config: {key!r} cannot be {value!r}.", hint=f"It is {self[key]!r} at the moment."
            )
        return plain


class ViewConfig(Section):
    """How the dataset is shown to you: ``ds.view_config["zoom"] = 2``.

    What you set is yours alone, and over the defaults; ``save_as_default`` makes it everybody's. Layers:
    ``ds.view_config.layers["color"]["alpha"] = 50``. Keys are WEBKNOSSOS's.
    """

    def __init__(self, connection: Connection, dataset_id: str) -> None:
        super().__init__(_Shared(connection, dataset_id), (), DATASET_CHECKS)

    @property
    def layers(self) -> LayerViews:
        """The settings of each layer, by name."""
        return LayerViews(self._shared)

    def __getitem__(self, key: str) -> Any:
        return self.layers if key == _LAYERS else super().__getitem__(key)

    def save_as_default(self) -> None:
        """Show the dataset like this to everybody who has set nothing. For those who may edit it.

        Raises Forbidden, Conflict where somebody else has set a default meanwhile: nothing is changed then.
        """
        shared = self._shared
        body = {**shared.now, "expected": shared.defaults}
        shared.defaults = shared.connection.api("PUT", shared.default_path, body=body)

    def reset(self) -> None:
        """Forget all that you have set: the dataset is shown to you by its defaults again."""
        self._shared.change({}, [[]])

    def to_json(self) -> str:
        """Return all settings, with those of layers, as JSON text."""
        return json.dumps(self._shared.now, indent=2, ensure_ascii=False)

    def __repr__(self) -> str:
        layers = "".join(f"\n  {name}: {section!r}" for name, section in self.layers.items())
        return f"{dict(self)!r}{layers}"

    def _repr_html_(self) -> str:
        sections = [("", dict(self)), *((name, dict(layer)) for name, layer in self.layers.items())]
        rows = "".join(
            f"<tr>{_cell(name)}{_cell(key)}{_cell(json.dumps(value, ensure_ascii=False))}</tr>"
            for name, settings in sections
            for key, value in settings.items()
        )
        head = "".join(f"<th style='text-align:left'>{name}</th>" for name in ("Layer", "Setting", "Value"))
        return f"<table><tr>{head}</tr>{rows}</table>"


class LayerViews(Mapping[str, Section]):
    """The settings of layers by name. Raises LayerNotFound, naming those there are."""

    def __init__(self, shared: _Shared) -> None:
        self._shared = shared

    def __getitem__(self, name: str) -> Section:
        if name not in self._shared.now[_LAYERS]:
            raise LayerNotFound(
                f"the dataset has no layer {name!r}.", hint=f"It has {', '.join(map(repr, self))}."
            )
        return Section(self._shared, (_LAYERS, name), LAYER_CHECKS)

    def __iter__(self) -> Iterator[str]:
        return iter(self._shared.now[_LAYERS])

    def __len__(self) -> int:
        return len(self._shared.now[_LAYERS])

    def __contains__(self, name: object) -> bool:
        return name in self._shared.now[_LAYERS]

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {section!r}" for name, section in self.items())


def _cell(text: str) -> str:
    return f"<td style='text-align:left'>{escape(text)}</td>"


def _plain(value: Any) -> Any:
    """Return arrays, tuples and numpy's numbers as JSON has them."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
