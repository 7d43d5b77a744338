"""From what a request carries to who asks. What was found is remembered for seconds, and dropped with
any change of the catalog in this process, so that a token that is revoked ends at once."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final, NamedTuple

import sqlalchemy as sa

from wk_jupyter.store.access import Principal, principal_of
from wk_jupyter.store.cache import RecentCache
from wk_jupyter.store.catalog.database import now_ms, writing
from wk_jupyter.store.catalog.tables import api_tokens, users
from wk_jupyter.store.catalog.users import find_users
from wk_jupyter.store.context import Context
from wk_jupyter.store.tokens import PREFIX, digest

_SECONDS: Final = 2.0
_MOST: Final = 1024
_NOTED_EVERY_MS: Final = 60_000
_log = logging.getLogger(__name__)


class Found(NamedTuple):
    """Whom something belongs to; None: nobody, which is worth remembering too."""

    principal: Principal | None


class Authentication:
    """Knows users by their tokens and names. Thread-safe."""

    def __init__(self, context: Context) -> None:
        self._engine = context.engine
        self._organization = context.home
        self._known: RecentCache[str, Found] = RecentCache(_MOST, _SECONDS)
        # Notes wait for others who write, which no request shall do.
        self._notes = ThreadPoolExecutor(1, thread_name_prefix="wk_jupyter uses of tokens")
        context.changes.listen(self._known.clear)

    def cached(self, key: str) -> Found | None:
        """Return what is known without asking the database; ``key`` comes from a ``key_of_…``."""
        return self._known.get(key)

    @staticmethod
    def is_token(text: str) -> bool:
        """Whether a text may be an API token: all others may be sharing tokens."""
        return text.startswith(PREFIX)

    @staticmethod
    def key_of_token(token: str) -> str:
        return digest(token)

    @staticmethod
    def key_of_name(name: str) -> str:
        return f"name:{name}"

    def of_token(self, token: str) -> Principal | None:
        """Return whose token it is; None where it is unknown, revoked or expired, or she is not active."""
        key = self.key_of_token(token)
        # The era is taken before the look: arguments are worked out from left to right.
        return (self.cached(key) or self._keep(key, self._known.era, self._find_token(key))).principal

    def of_name(self, name: str) -> Principal | None:
        """Return the active user of a name in the server's own organization."""
        key = self.key_of_name(name)
        return (self.cached(key) or self._keep(key, self._known.era, self._find_name(name))).principal

    def close(self) -> None:
        """Write down what is left to be noted."""
        self._notes.shutdown()

    def _find_name(self, name: str) -> Principal | None:
        is_she = sa.and_(users.c.organization_id == self._organization.id, users.c.name == name)
        with self._engine.connect() as connection:
            found = find_users(connection, is_she)
        return principal_of(found[0]) if found and found[0].is_active else None

    def _find_token(self, key: str) -> Principal | None:
        now = now_ms()
        # The database compares hashes: the time that takes tells nothing of the token.
        columns = (api_tokens.c.id, api_tokens.c.user_id, api_tokens.c.last_used, api_tokens.c.expires)
        wanted = sa.select(*columns).where(
            api_tokens.c.digest == key, sa.or_(api_tokens.c.expires.is_(None), api_tokens.c.expires > now)
        )
        with self._engine.connect() as connection:
            token = connection.execute(wanted).first()
            found = find_users(connection, users.c.id == token.user_id) if token is not None else []
        if token is None or not found or not found[0].is_active:
            return None
        if token.last_used is None or now - token.last_used > _NOTED_EVERY_MS:
            self._notes.submit(self._note_use, token.id, token.user_id, now)
        return replace(principal_of(found[0]), until=token.expires)

    def _note_use(self, token_id: str, user_id: str, now: int) -> None:
        try:
            with writing(self._engine) as connection:
                used = sa.update(api_tokens).where(api_tokens.c.id == token_id)
                connection.execute(used.values(last_used=now))
                connection.execute(sa.update(users).where(users.c.id == user_id).values(last_activity=now))
        except sa.exc.SQLAlchemyError:
            _log.exception("wk_jupyter: the use of a token could not be noted")

    def _keep(self, key: str, era: object, principal: Principal | None) -> Found:
        found = Found(principal)
        self._known.put(key, found, era)
        return found
