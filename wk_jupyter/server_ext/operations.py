"""What one row of the table of routes says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import msgspec

    from wk_jupyter.server_ext.handlers.base import WkHandler


class Access(Enum):
    """Who may use a route at all. Which datasets somebody sees is the store's to say, everywhere."""

    OPEN = "anybody"
    VISIBLE = "anybody, who then sees only what she may"
    SIGNED_IN = "users who are signed in"
    MANAGING = "admins, dataset managers and team managers"


@dataclass(frozen=True)
class Operation:
    """One method of one address below ``<base_url>wk/``.

    ``path`` names its variables in braces: ``{dataset}`` is one piece, ``{rest*}`` any number of them.
    ``response`` is a model or a media type; ``streamed``: many of the model, as server-sent events.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    area: Literal["api", "data"]
    path: str
    handler: type[WkHandler]
    access: Access
    summary: str
    response: Any
    query: type[msgspec.Struct] | None = None
    body: Any = None
    streamed: bool = False

    @property
    def variables(self) -> tuple[str, ...]:
        return tuple(re.findall(r"\{(\w+)\*?\}", self.path))

    @property
    def access_text(self) -> str:
        return self.access.value

    @property
    def needs_sign_in(self) -> bool:
        return self.access in (Access.SIGNED_IN, Access.MANAGING)

    @property
    def pattern(self) -> str:
        """The regular expression of the address, version included, relative to the base URL."""
        pieces = re.split(r"(\{\w+\*?\})", self.path)
        return rf"wk/{self.area}(?:/v(?P<version>\d{{1,4}}))?/" + "".join(map(_expression, pieces)) + "/?"


def _expression(piece: str) -> str:
    if not piece.startswith("{"):
        return re.escape(piece)
    name = piece.strip("{}")
    return rf"(?P<{name[:-1]}>.*)" if name.endswith("*") else rf"(?P<{name}>[^/]+)"
