"""API tokens as one uses them in a cell: ``wk.tokens().create("laptop", days=90).secret``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, ClassVar

from wk_jupyter.client.connection import Connection, current
from wk_jupyter.client.listed import Listed, time_of
from wk_jupyter.errors import NotFound


class Token:
    """One of one's own tokens, by which scripts come as oneself. It is never shown by itself."""

    def __init__(self, connection: Connection, told: Mapping[str, Any]) -> None:
        self._connection = connection
        self._told = dict(told)
        self._secret = self._told.pop("token", None)

    @property
    def id(self) -> str:
        return str(self._told["id"])

    @property
    def name(self) -> str:
        return str(self._told["name"])

    @property
    def created(self) -> dt.datetime | None:
        return time_of(self._told["created"])

    @property
    def expires(self) -> dt.datetime | None:
        """When it ends; None: when it is revoked."""
        return time_of(self._told["expires"])

    @property
    def last_used(self) -> dt.datetime | None:
        """When somebody came with it, to the minute; None: nobody has yet."""
        return time_of(self._told["lastUsed"])

    @property
    def secret(self) -> str:
        """The token itself, for as long as this object lives that made it. Raises NotFound for others.

        What a cell shows is saved with the notebook: put it where it is needed instead.
        """
        if self._secret is None:
            raise NotFound("the token itself is known where it was made alone.", hint="Make another one.")
        return str(self._secret)

    def revoke(self) -> None:
        """End it at once. Raises NotFound where it has been."""
        self._connection.api("DELETE", f"tokens/{self.id}")

    def _row(self) -> tuple[Any, ...]:
        return (self.name, self.id, self.created, self.expires or "never", self.last_used or "never")

    def __repr__(self) -> str:
        until = f"good until {self.expires:%Y-%m-%d}" if self.expires else "good until it is revoked"
        advice = "; .secret has it, this once" if self._secret else ""
        return f"<Token {self.name!r}, {until}{advice}>"


class Tokens(Listed[Token]):
    """One's own tokens, the newest first."""

    _noun: ClassVar[str] = "token"
    _columns: ClassVar[tuple[str, ...]] = ("name", "id", "made", "ends", "last used")

    def create(self, name: str, *, days: int | None = None) -> Token:
        """Make a token; ``days``: how long it is good for, None: until it is revoked.

        Its ``secret`` is told this once. Raises InvalidInput.
        """
        body = {"name": name, "days": days}
        return Token(self.connection, self.connection.api("POST", "tokens", body=body))

    def _fetch(self) -> list[Token]:
        return [Token(self.connection, told) for told in self.connection.get("tokens")]


def tokens() -> Tokens:
    """Return one's own tokens."""
    return Tokens(current())
