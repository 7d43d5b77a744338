"""One large file over HTTP into a folder: with progress, resumed after an interruption, checked."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import urlsplit

import httpx

from wk_jupyter.errors import Conflict, CorruptData, TooLarge, Unreachable

if TYPE_CHECKING:
    from pathlib import Path

Progress: TypeAlias = Callable[[int, int | None], None]
"""Told how many bytes are there, and of how many (None where the server doesn't say)."""

_ATTEMPTS: Final = 5
_TIMEOUT: Final = httpx.Timeout(30.0, connect=15.0)


@dataclass(frozen=True)
class Expected:
    """What is known of the file beforehand."""

    megabytes: int
    sha256: str | None = None

    def check_size(self, url: str, size: int) -> None:
        """A published size is rounded, so half and double are the limits. Raises CorruptData."""
        published = self.megabytes * 1_000_000
        if not published / 2 <= size <= published * 2:
            raise CorruptData(
                f"{url} has {size:,} bytes, but about {self.megabytes} MB were announced.",
                path=url,
                hint="Another file lies there now, or a proxy answers in its place: look at it in a browser.",
            )


@dataclass
class Transfer:
    """Gets ``url`` into ``target``. What has come lies in ``<target>.part`` until it is whole.

    ``pause`` waits between two attempts (seconds); a later ``run`` goes on where this one was stopped.
    """

    url: str
    target: Path
    expected: Expected
    progress: Progress
    pause: Callable[[float], None] = time.sleep
    _part: Path = field(init=False)
    _notes: Path = field(init=False)

    def __post_init__(self) -> None:
        self._part = self.target.with_name(self.target.name + ".part")
        self._notes = self.target.with_name(self.target.name + ".part.json")

    def run(self) -> None:
        """Raises Unreachable, CorruptData, TooLarge (no room on the disk) or Conflict (runs already)."""
        self.target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(self._part), httpx.Client(timeout=_TIMEOUT, follow_redirects=True) as client:
            self._persist(client)
            self._check()
            self._part.replace(self.target)
            self._notes.unlink(missing_ok=True)

    def _persist(self, client: httpx.Client) -> None:
        """Ask again for what is missing, until all is there or nothing more comes."""
        failures, most = 0, self._have()
        while True:
            try:
                self._receive(client)
            except httpx.TransportError as error:
                # Only more than ever before is progress: a file that keeps changing must come to an end.
                failures = 0 if self._have() > most else failures + 1
                most = max(most, self._have())
                if failures >= _ATTEMPTS or isinstance(error, httpx.UnsupportedProtocol):
                    raise self._unreachable(str(error) or type(error).__name__) from error
                self.pause(min(2.0**failures, 30.0))
            except (httpx.TooManyRedirects, httpx.InvalidURL) as error:
                raise self._unreachable(f"it leads nowhere ({error})") from error
            else:
                return

    def _receive(self, client: httpx.Client) -> None:
        have, notes = self._have(), self._read_notes()
        headers = {"Accept-Encoding": "identity"}
        if have and notes.validator:
            headers |= {"Range": f"bytes={have}-", "If-Range": notes.validator}
        with client.stream("GET", self.url, headers=headers) as reply:
            self._check_reply(reply)
            start, total = _place(reply)
            if reply.status_code == 416 or (start and (start != have or total != notes.total)):
                # Another file lies there by now: what we have is of no use.
                self._part.write_bytes(b"")
                raise httpx.RemoteProtocolError("the file changed while it was being downloaded")
            if total is not None:
                self.expected.check_size(self.url, total)
                self._check_room(total - start)
            self._write_notes(_Notes(self.url, _validator(reply), total))
            self._store(reply, start, total)

    def _store(self, reply: httpx.Response, start: int, total: int | None) -> None:
        limit = 2_000_000 * self.expected.megabytes
        with self._part.open("r+b") as file:
            file.seek(start)
            file.truncate()
            for piece in reply.iter_raw():
                if file.tell() + len(piece) > limit:
                    self.expected.check_size(self.url, file.tell() + len(piece))
                file.write(piece)
                self.progress(file.tell(), total)
            if total is not None and file.tell() != total:
                raise httpx.RemoteProtocolError(f"{file.tell():,} of {total:,} bytes came")

    def _check_reply(self, reply: httpx.Response) -> None:
        if urlsplit(self.url).scheme == "https" and reply.url.scheme != "https":
            raise self._unreachable(f"it leads to {reply.url.host} without encryption")
        if reply.status_code in (429, 500, 502, 503, 504):
            raise httpx.RemoteProtocolError(f"{reply.url.host} answered {reply.status_code}")
        if reply.status_code not in (200, 206, 416):
            raise self._unreachable(f"{reply.url.host} answered {reply.status_code} {reply.reason_phrase}")

    def _check_room(self, needed: int) -> None:
        free = shutil.disk_usage(self.target.parent).free
        if needed > free:
            raise TooLarge(
                f"{needed:,} bytes are still to come, but {self.target.parent} has room for {free:,}.",
                hint="Make room, or choose another data_dir.",
            )

    def _check(self) -> None:
        self.expected.check_size(self.url, self._have())
        if self.expected.sha256 is None:
            return
        with self._part.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != self.expected.sha256:
            self._part.write_bytes(b"")
            raise CorruptData(
                f"what came from {self.url} is not the published file (sha256 {found}).",
                path=self.url,
                hint="Download it again; if that doesn't help, the file was changed at its source.",
            )

    def _have(self) -> int:
        return self._part.stat().st_size

    def _unreachable(self, reason: str) -> Unreachable:
        have = self._have()
        kept = f" {have:,} bytes have come and are kept: the next call goes on from there." if have else ""
        return Unreachable(
            f"{self.url} cannot be downloaded: {reason}.{kept}",
            hint=f"Without a network, wk.samples.generate() makes a sample on this machine; or get the file "
            f"elsewhere, put it at {self.target} and call again.",
        )

    def _read_notes(self) -> _Notes:
        try:
            notes = _Notes(**json.loads(self._notes.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return _Notes(self.url)
        return notes if notes.url == self.url else _Notes(self.url)

    def _write_notes(self, notes: _Notes) -> None:
        self._notes.write_text(json.dumps(asdict(notes)), "utf-8")


@dataclass(frozen=True)
class _Notes:
    """What must be the same for a download to be continued."""

    url: str
    validator: str | None = None
    total: int | None = None


def _validator(reply: httpx.Response) -> str | None:
    """What tells this version of the file from others; a weak ETag says nothing about bytes."""
    etag: str | None = reply.headers.get("ETag")
    if etag and not etag.startswith("W/"):
        return etag
    modified: str | None = reply.headers.get("Last-Modified")
    return modified


def _place(reply: httpx.Response) -> tuple[int, int | None]:
    """Where in the file the reply begins, and how long the file is (None: not said)."""
    if reply.status_code == 206:
        match = re.fullmatch(
            r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})", reply.headers.get("Content-Range", "")
        )
        if match is None:
            raise httpx.RemoteProtocolError("the server doesn't say which part it sends")
        return int(match[1]), int(match[3])
    length: Any = reply.headers.get("Content-Length")
    return 0, int(length) if length and reply.status_code == 200 else None


@contextmanager
def _alone(part: Path) -> Iterator[None]:
    """Two downloads into one file would mix their bytes. Raises Conflict."""
    import fcntl  # noqa: PLC0415 - not on Windows, where only this call needs it

    part.touch()
    with part.open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Conflict(
                f"{part} is being downloaded already.", hint="Wait for that to end, or stop it."
            ) from None
        yield
