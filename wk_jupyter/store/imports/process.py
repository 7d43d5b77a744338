"""An import as a process of its own, which may crash: what it is asked, what it says, and how it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final, Self

import msgspec

from wk_jupyter.errors import CorruptData, InvalidInput, NotFound, TooLarge, UnsupportedFormat, WkError
from wk_jupyter.store.imports.options import ImportOptions

_WORKER: Final = "wk_jupyter.store.imports.worker"
_REQUEST: Final = "request.json"
_LOG: Final = "log.txt"
_MAX_LOG: Final = 2**16
KILLED: Final = "killed"

_KINDS: Final[dict[str, type[WkError]]] = {
    kind.code: kind for kind in (InvalidInput, NotFound, CorruptData, UnsupportedFormat, TooLarge)
}


class Request(msgspec.Struct, frozen=True):
    """``source``: a file or folder. ``is_own``: it was handed over, and may be moved and changed.

    ``link``: a stored format is linked, not copied. ``workers``: processes that convert.
    ``is_inspection``: the files are only looked at.
    """

    name: str
    source: str
    is_own: bool
    link: bool = False
    options: ImportOptions = ImportOptions()
    data_format: str = "zarr3"
    workers: int = 2
    is_inspection: bool = False

    def write(self, folder: Path) -> None:
        """Put the request where the process looks for it."""
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{_REQUEST}.part"
        part.write_bytes(msgspec.json.encode(self))
        part.replace(folder / _REQUEST)

    @staticmethod
    def read(folder: Path) -> Request:
        """Return what was asked for in a folder."""
        return msgspec.json.decode((folder / _REQUEST).read_bytes(), type=Request)


class ImportProcess:
    """The process that does what a folder's request says. Leaving it ends all processes that it started."""

    def __init__(self, folder: Path) -> None:
        with (folder / _LOG).open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own module, with a folder of our own
                [sys.executable, "-m", _WORKER, str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self._lines = _Lines(self._process.stdout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    @property
    def is_over(self) -> bool:
        return self._lines.is_over

    def next(self, seconds: float) -> dict[str, Any] | None:
        """Return the next thing that the process says, waiting for it so long."""
        return self._lines.next(seconds)

    def last_word(self) -> dict[str, Any]:
        """Wait for the end, and return what was said last: ``made``, ``inspection`` or ``error``."""
        while True:
            said = self.next(1.0)
            if said is None and self.is_over:
                return self.died()
            if said is not None and "progress" not in said:
                return said

    def died(self) -> dict[str, Any]:
        """Return in words how it ended without a last word. To be asked when it is over."""
        self._kill()
        code = self._process.wait()
        if code == -signal.SIGKILL:
            return _error(KILLED, "the process that did this was killed.", "Did it run out of memory?")
        name = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return _error(
            "crashed",
            f"the process that read the files crashed ({name}): one is damaged, or a reader has a bug.",
            "Check the files with the program that wrote them, or bring them in another format.",
        )

    def _kill(self) -> None:
        """End the whole group, also where its first process has died and left others behind.

        Its id is not given to another as long as nobody has waited for it.
        """
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


class _Lines:
    """Lines of JSON from a pipe, waited for with patience: a thread reads them."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        assert stream is not None
        self._stream = stream
        self._ready = threading.Condition()
        self._lines: list[dict[str, Any]] = []
        self.is_over = False
        threading.Thread(target=self._read, daemon=True).start()

    def next(self, seconds: float) -> dict[str, Any] | None:
        with self._ready:
            if not self._lines and not self.is_over:
                self._ready.wait(seconds)
            return self._lines.pop(0) if self._lines else None

    def _read(self) -> None:
        for raw in self._stream:
            with contextlib.suppress(msgspec.DecodeError):  # a library that prints is not listened to
                line = msgspec.json.decode(raw, type=dict[str, Any])
                with self._ready:
                    # Only the newest word on the progress is worth telling.
                    if self._lines and "progress" in self._lines[-1]:
                        self._lines.pop()
                    self._lines.append(line)
                    self._ready.notify()
        with self._ready:
            self.is_over = True
            self._ready.notify()


def read_log(folder: Path) -> str:
    """Return the end of what the processes of a folder printed."""
    with contextlib.suppress(OSError), (folder / _LOG).open("rb") as stream:
        stream.seek(max(0, os.fstat(stream.fileno()).st_size - _MAX_LOG))
        return stream.read().decode("utf-8", "replace")
    return ""


def error_told(error: Mapping[str, Any]) -> WkError:
    """Return an error that a process has told as JSON, as what it was."""
    kind = _KINDS.get(error["code"], WkError)
    return kind(error["message"], hint=error["hint"], **({} if kind is CorruptData else error["details"]))


def _error(code: str, message: str, hint: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "hint": hint, "details": {}}}
