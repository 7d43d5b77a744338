"""A stream of what happens, as server-sent events."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from wk_jupyter.api.events import Event, EventsQuery
from wk_jupyter.api.openapi import EVENT_STREAM
from wk_jupyter.errors import InvalidInput
from wk_jupyter.server_ext import auth
from wk_jupyter.server_ext.handlers.base import WkHandler

if TYPE_CHECKING:
    from wk_jupyter.store.events import Events, Report

_RETRY_MS: Final = 2000  # after which a browser comes again
_LIFE_SECONDS: Final = 15.0  # between signs of life, by which proxies and we find out that nobody is there
_RIGHTS_SECONDS: Final = 5.0  # between looks at who it is
_PATIENCE_SECONDS: Final = 30.0  # with somebody who takes nothing of what is sent
_PEOPLE: Final = frozenset({"user", "team"})


class EventsHandler(WkHandler):
    """One stream; the feed tells it what happened, and it keeps what its principal may know."""

    number: int

    async def get(self) -> None:
        asked = self._asked()
        with self.services.events.place(self.principal.user_id or self.principal.name):
            self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._looked = self._spoke = time.monotonic()
            self._stuck: float | None = None
            self._events: Events = (await self.store()).events
            self._begin()
            try:
                await self._catch_up(asked)
                await self._closed
            finally:
                self.services.events.leave(self)

    async def head(self) -> None:  # type: ignore[override]  # its address has no variable
        self._asked()
        self._set_headers()

    async def tell(self, report: Report) -> None:
        now = time.monotonic()
        # Rights first: of what follows she may know by them alone.
        if now - self._looked > _RIGHTS_SECONDS or any(
            each.change.noun in _PEOPLE for each in report.happened
        ):
            self._looked = now
            self.principal = await auth.principal_of(self.identity, self.services)
        if self._is_stuck(now):
            self.request.connection.stream.close()  # type: ignore[union-attr]
            return
        if not self.principal.is_signed_in:
            self.end()
            return
        self._send(report)
        if now - self._spoke > _LIFE_SECONDS:
            self._say(f":\nid: {self.number}\n\n")

    def end(self) -> None:
        if not self._closed.done():
            self._closed.set_result(None)

    def on_connection_close(self) -> None:
        super().on_connection_close()
        if hasattr(self, "_closed"):  # not where the client went before all was asked
            self.end()

    def _asked(self) -> int | None:
        """The last change that the client knows; None: all that happened so far. Raises InvalidInput."""
        said = self.request.headers.get("Last-Event-ID", "").strip()
        if not said:
            return self.query(EventsQuery).since
        if not (said.isascii() and said.isdecimal()) or len(said) > 18:
            raise InvalidInput("Last-Event-ID: it is no id of an event.", hint="Leave it out to begin anew.")
        return int(said)

    def _set_headers(self) -> None:
        self.set_header("Content-Type", EVENT_STREAM)
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Accel-Buffering", "no")  # nginx would keep it back

    def _begin(self) -> None:
        self._set_headers()
        self._say(f"retry: {_RETRY_MS}\n\n")

    async def _catch_up(self, asked: int | None) -> None:
        """Send what happened since the client was here last, until nothing is missing any more."""
        feed = self.services.events
        self.number = await self.services.run((await self.store()).changes.newest) if asked is None else asked
        while not self._closed.done():
            report = await self.services.read_events(self.number)
            self._send(report)
            await self.flush()
            if report.newest == self.number and not report.happened and feed.join(self):
                self._say(f"id: {self.number}\n\n")  # after a break before the first event: from here
                return

    def _send(self, report: Report) -> None:
        if report.has_gap:
            self.number = report.newest
            self._say(f"event: reset\ndata: {{}}\nid: {self.number}\n\n")
            return
        news = [each for each in report.happened if each.change.number > self.number]
        self.number = max(self.number, report.newest)
        told = self._events.told(self.principal, news)
        if told:
            self._say("".join(_lines(*event) for event in told))

    def _say(self, text: str) -> None:
        self._spoke = time.monotonic()
        self.write(text)
        self.flush()

    def _is_stuck(self, now: float) -> bool:
        """Whether the client has not taken for long what was sent: it may come again and resume."""
        if not self.request.connection.stream.writing():  # type: ignore[union-attr]
            self._stuck = None
            return False
        self._stuck = self._stuck or now
        return now - self._stuck > _PATIENCE_SECONDS


def _lines(number: int, noun: Any, kind: Any, subject_id: str | None) -> str:
    data = msgspec.json.encode(Event(noun=noun, kind=kind, id=subject_id)).decode()
    return f"event: {noun}.{kind}\nid: {number}\ndata: {data}\n\n"
