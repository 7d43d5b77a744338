"""API tokens: by which scripts and other programs come as a user. Only a hash of each is kept."""

from __future__ import annotations

import hashlib
import secrets
from typing import Final, NamedTuple

import sqlalchemy as sa

from wk_jupyter.errors import Conflict, Forbidden, InvalidInput, NotFound
from wk_jupyter.store.access import Principal
from wk_jupyter.store.catalog.database import new_id, now_ms
from wk_jupyter.store.catalog.tables import api_tokens, users
from wk_jupyter.store.context import Context
from wk_jupyter.store.names import checked_name

PREFIX: Final = "wkt_"
_SECRET_BYTES: Final = 32  # 256 bit
_MOST_PER_USER: Final = 100
_MOST_DAYS: Final = 3650
_DAY_MS: Final = 86_400_000


class TokenRecord(NamedTuple):
    """What is told of a token, never the token itself. Times are in ms since 1970."""

    id: str
    user_id: str
    name: str
    created: int
    expires: int | None
    last_used: int | None


_SHOWN: Final = [api_tokens.c[name] for name in TokenRecord._fields]


class Tokens:
    """Makes, lists and revokes the tokens of users."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def create(
        self, principal: Principal, name: str, *, days: int | None = None, user_id: str | None = None
    ) -> tuple[TokenRecord, str]:
        """Make a token and return it with what is kept of it; it is never shown again.

        ``days``: how long it is good for; None: until it is revoked. What a token that ends makes, ends
        with it at the latest: a stolen one is not made to last. ``user_id``: whose it is, one's own
        by default; for others an admin may. Raises InvalidInput, Forbidden, NotFound, Conflict.
        """
        name = checked_name(name, "name")
        if days is not None and not 1 <= days <= _MOST_DAYS:
            raise InvalidInput(f"days: {days} is not from 1 to {_MOST_DAYS}.")
        secret = PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
        now = now_ms()
        ends = (None if days is None else now + days * _DAY_MS, principal.until)
        expires = min((end for end in ends if end is not None), default=None)
        with self._context.changes.writing() as writer:
            whose, organization_id = self._owner_of(writer.connection, principal, user_id)
            theirs = sa.select(sa.func.count()).select_from(api_tokens).where(api_tokens.c.user_id == whose)
            if (writer.connection.scalar(theirs) or 0) >= _MOST_PER_USER:
                raise Conflict(f"there are {_MOST_PER_USER} tokens already.", hint="Revoke some first.")
            record = TokenRecord(new_id(), whose, name, now, expires, None)
            writer.connection.execute(sa.insert(api_tokens).values(**record._asdict(), digest=digest(secret)))
            writer.note("user", "changed", whose, organization_id)
        return record, secret

    def list(self, principal: Principal, user_id: str | None = None) -> list[TokenRecord]:
        """Return the tokens of a user, the newest first. Raises Forbidden, NotFound."""
        with self._context.engine.connect() as connection:
            whose, _ = self._owner_of(connection, principal, user_id)
            newest_first = sa.select(*_SHOWN).where(api_tokens.c.user_id == whose)
            rows = connection.execute(newest_first.order_by(api_tokens.c.created.desc(), api_tokens.c.id))
            return [TokenRecord(*row) for row in rows]

    def revoke(self, principal: Principal, token_id: str) -> None:
        """End a token at once. Raises NotFound for those that are not there or not one's own."""
        with self._context.changes.writing() as writer:
            found = writer.connection.execute(
                sa.select(api_tokens.c.user_id, users.c.organization_id)
                .join(users, users.c.id == api_tokens.c.user_id)
                .where(api_tokens.c.id == token_id)
            ).first()
            may = found is not None and (
                found.user_id == principal.user_id or principal.administers(found.organization_id)
            )
            if found is None or not may:
                raise NotFound(f"you have no token {token_id[:100]!r}.", hint="See wk.tokens().")
            writer.connection.execute(sa.delete(api_tokens).where(api_tokens.c.id == token_id))
            writer.note("user", "changed", found.user_id, found.organization_id)

    @staticmethod
    def _owner_of(connection: sa.Connection, principal: Principal, user_id: str | None) -> tuple[str, str]:
        """Return a user and her organization where the principal may care for her tokens."""
        wanted = user_id or principal.user_id
        organization_id = connection.scalar(sa.select(users.c.organization_id).where(users.c.id == wanted))
        if organization_id is None:
            raise NotFound("there is no such user.", hint="Tokens belong to a user: name one.")
        if wanted != principal.user_id and not principal.administers(organization_id):
            if not principal.is_member_of(organization_id):
                raise NotFound("there is no such user.")
            raise Forbidden("the tokens of others are an admin's to care for.")
        return wanted, organization_id  # type: ignore[return-value]  # found by it, so it is no None


def digest(secret: str) -> str:
    """Return what is kept of a token. It is random enough to need no salt and no slow hash."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
