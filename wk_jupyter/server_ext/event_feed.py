"""One look at the journal for all pages that wait for news: one task, however many streams there are."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from tornado.web import HTTPError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from logging import Logger

    from wk_jupyter.store.events import Report

MOST_STREAMS: Final = 32  # of one principal; browsers have six connections to a server without HTTP/2
_OTHERS_SECONDS: Final = 1.0  # between looks for what other processes noted
_REST_SECONDS: Final = 0.2  # after each look: many changes in a row are told together


class Stream(Protocol):
    """Somebody who is told. ``number``: the last change that she was told of, or that is not hers to know."""

    number: int

    async def tell(self, report: Report) -> None:
        """Send what of the report is news to her, or a sign of life when it is time for one."""

    def end(self) -> None: ...


class EventFeed:
    """Belongs to one event loop. ``read`` returns what happened after a number, for everybody."""

    def __init__(self, read: Callable[[int], Awaitable[Report]], log: Logger) -> None:
        self._read = read
        self.log = log
        self._streams: dict[Stream, None] = {}
        self._places: Counter[str] = Counter()
        self._news = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._telling: asyncio.Task[None] | None = None
        self._number = 0

    def wake(self) -> None:
        """Have a look at the journal. To be called from any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                self._loop.call_soon_threadsafe(self._news.set)

    @contextmanager
    def place(self, whose: str) -> Iterator[None]:
        """Count a stream of somebody while it is open. Raises HTTPError 429 where she has too many."""
        if self._places[whose] >= MOST_STREAMS:
            raise HTTPError(429)
        self._places[whose] += 1
        try:
            yield
        finally:
            self._places[whose] -= 1
            if not self._places[whose]:
                del self._places[whose]

    def join(self, stream: Stream) -> bool:
        """Tell a stream from now on; False where it does not know all yet that the others were told."""
        if self._telling is None:
            self._number = stream.number
            self._loop = asyncio.get_running_loop()
            self._telling = self._loop.create_task(self._keep_telling())
        elif stream.number < self._number:
            return False
        self._streams[stream] = None
        return True

    def leave(self, stream: Stream) -> None:
        self._streams.pop(stream, None)

    def close(self) -> None:
        """End all streams."""
        if self._telling is not None:
            self._telling.cancel()
        self._end_all()

    async def _keep_telling(self) -> None:
        try:
            while self._streams:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_OTHERS_SECONDS):
                        await self._news.wait()
                self._news.clear()
                report = await self._read(self._number)
                self._number = report.newest
                for stream in tuple(self._streams):
                    await stream.tell(report)
                await asyncio.sleep(_REST_SECONDS)
        except Exception:
            self.log.exception("wk_jupyter: changes of the catalog cannot be read")
            self._end_all()  # they come again, and are told then what happened meanwhile
        finally:
            self._telling = None

    def _end_all(self) -> None:
        for stream in tuple(self._streams):
            stream.end()
        self._streams.clear()
