"""Handles whose settings are written through: a misspelt one must not look as if it had worked."""

from __future__ import annotations

import difflib
from typing import Any

from wk_jupyter.errors import UnknownOption


class Guarded:
    """Takes values for those names alone that its class knows."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and not hasattr(type(self), name) and name not in self._known():
            known = [each for each in dir(type(self)) if not each.startswith("_")]
            near = difflib.get_close_matches(name, known, n=2)
            raise UnknownOption(
                f"a {type(self).__name__.lower()} has no {name!r}.",
                hint=f"Did you mean {' or '.join(near)}?" if near else "See help(…).",
            )
        try:
            super().__setattr__(name, value)
        except AttributeError:
            raise UnknownOption(
                f"{name!r} of a {type(self).__name__.lower()} cannot be set.", hint="It is as it is."
            ) from None

    @classmethod
    def _known(cls) -> set[str]:
        return {name for kind in cls.__mro__ for name in vars(kind).get("__annotations__", ())}
