"""What all handlers share: the store, the threads that may block, and the limits."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from wk_jupyter.server_ext.event_feed import EventFeed
from wk_jupyter.server_ext.picture_cache import PictureCache

if TYPE_CHECKING:
    from collections.abc import Callable
    from logging import Logger
    from pathlib import Path

    from wk_jupyter.store import DatasetRecord, ScanReport, Store
    from wk_jupyter.store.access import Principal
    from wk_jupyter.store.events import Report

P = ParamSpec("P")
T = TypeVar("T")

_MAX_SIZES: Final = 10_000
_PATIENCE_SECONDS: Final = 0.5
_FIRST_SCAN_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Limits:
    """Sizes are in bytes, of voxels unless the name says otherwise."""

    cutout_bytes: int
    bricks_per_request: int
    concurrent_decodes: int
    kept_picture_bytes: int
    chunk_bytes: int = 512 * 1024**2


class Services:
    """Built once per server. The store is opened by the first who needs it, on a thread of its own:
    its libraries take long to load, and neither the server's start nor its loop shall wait for them.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        *,
        owner_name: str,
        users_by_name: bool,
        limits: Limits,
        log: Logger,
    ) -> None:
        self.owner_name = owner_name
        self.users_by_name = users_by_name
        self.limits = limits
        self.log = log
        self.threads = ThreadPoolExecutor(limits.concurrent_decodes + 2, thread_name_prefix="wk_jupyter")
        self.pictures = PictureCache(limits.kept_picture_bytes)
        self.events = EventFeed(self.read_events, log)
        self.decode_slots = asyncio.Semaphore(limits.concurrent_decodes)
        self.allowed_hosts: set[str] = set()
        self.scanning = False
        self.logs_every_request = False
        self._open = open_store
        self._sizes: dict[tuple[str, str], asyncio.Future[int]] = {}
        self._first_scan: asyncio.Future[None] | None = None
        self._opened: Store | None = None
        self._opening: asyncio.Future[Store] | None = None

    def is_at_home(self, principal: Principal) -> bool:
        """Whether she belongs to the organization that this server is of."""
        return self._opened is not None and principal.is_member_of(self._opened.home.id)

    async def store(self) -> Store:
        """The store, opened when this is first asked."""
        if self._opened is None:
            if self._opening is None or (self._opening.done() and self._opening.exception()):
                self._opening = asyncio.ensure_future(self.run(self._open_listening))
            self._opened = await asyncio.shield(self._opening)
        return self._opened

    def _open_listening(self) -> Store:
        store = self._open()
        store.changes.listen(self.events.wake)
        return store

    def folder(self, record: DatasetRecord) -> Path | None:
        """Where a dataset lies, as far as the store is open."""
        return None if self._opened is None else self._opened.folder(record)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call what may block on a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.threads, lambda: function(*args, **kwargs))

    async def read_events(self, number: int) -> Report:
        """What happened after a change, for everybody; see ``store.events``."""
        return await self.run((await self.store()).events.read, number)

    async def scan(self) -> ScanReport:
        """Compare the data directory with the catalog."""
        store = await self.store()
        self.scanning = True
        try:
            report = await self.run(store.scan)
            store.usage.count_new(report.touched)
            return report
        finally:
            self.scanning = False

    async def look_again(self, record: DatasetRecord) -> DatasetRecord:
        """Compare one dataset with the disk, and forget all that was made from it."""
        store = await self.store()
        found = await self.run(store.check_disk, record)
        self.pictures.drop(record.id)
        for key in [key for key in self._sizes if key[0] == record.id]:
            del self._sizes[key]
        return found

    async def first_scan(self) -> None:
        """Wait until the scan at the start is over, so that a new folder is not said to be missing.

        Not longer than some seconds: on a slow disk an incomplete list is better than none.
        """
        if self._first_scan is not None and not self._first_scan.done():
            await asyncio.wait([self._first_scan], timeout=_FIRST_SCAN_SECONDS)

    async def used_storage_bytes(self, record: DatasetRecord) -> int | None:
        """The size of a dataset's files, what is known of it while they are being counted."""
        key = (record.id, record.disk_key)
        counting = self._sizes.get(key)
        if counting is None:
            store = await self.store()
            counting = asyncio.wrap_future(store.usage.count(record.id))
            self._sizes[key] = counting
            while len(self._sizes) > _MAX_SIZES:
                del self._sizes[next(iter(self._sizes))]
        done, _ = await asyncio.wait([counting], timeout=_PATIENCE_SECONDS)
        return record.used_storage_bytes if not done or counting.cancelled() else counting.result()

    async def keep_scanning(self, interval_seconds: float) -> None:
        """Scan now and, where the interval is not 0, again and again. A failure is logged, not fatal."""
        self._first_scan = first = asyncio.get_running_loop().create_future()
        while True:
            try:
                report = await self.scan()
                self.log.info("wk_jupyter: scanned the data directory: %s", report)
            except Exception:
                self.log.exception("wk_jupyter: the scan of the data directory failed")
            if not first.done():
                first.set_result(None)
            if interval_seconds <= 0:
                return
            await asyncio.sleep(interval_seconds)

    def close(self) -> None:
        """Let go of pages, files and threads."""
        self.events.close()
        self.threads.shutdown(wait=False, cancel_futures=True)
        if self._opened is not None:
            self._opened.close()
