"""Which tasks of a conversion are done: a line for each, which outlives kills and power cuts.

Files are not flushed one by one, which would cost half of the speed. Every so often all of them are, and a
line says so: after the machine itself went down, only what stands above the last such line is believed.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from wk_jupyter.store.convert.statistics import Statistics
from wk_jupyter.store.convert.tasks import Task

_FLUSH_SECONDS: Final = 60.0
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class _Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of: a task that is done, the start of a machine on which what follows was done, a flush."""

    task: Task | None = None
    statistics: Statistics | None = None
    boot: str | None = None


class Journal:
    """Read when it is opened: ``done`` are the tasks and what they found. A context manager.

    ``is_after_restart``: the machine was restarted since the last line.
    """

    def __init__(self, path: Path) -> None:
        self._boot = _this_boot()
        whole = _cut_to_whole_lines(path)
        self.done: dict[Task, Statistics | None] = dict(_believed(whole, self._boot))
        boots = [line.boot for line in whole if line.boot is not None]
        self.is_after_restart = bool(boots) and boots[-1] != self._boot
        self._stream = path.open("ab")
        self._flushed = time.monotonic()
        self._write(_Line(boot=self._boot))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # what is not written here is done once more
            self._stream.close()

    def add(self, task: Task, found: Statistics | None) -> None:
        """Note that a task is done. Raises OSError."""
        self.done[task] = found
        self._write(_Line(task, found))
        if time.monotonic() - self._flushed > _FLUSH_SECONDS:
            os.sync()
            self._write(_Line())
            self._flushed = time.monotonic()

    def _write(self, line: _Line) -> None:
        self._stream.write(msgspec.json.encode(line) + b"\n")
        self._stream.flush()


def _believed(lines: list[_Line], boot: str) -> Iterator[tuple[Task, Statistics | None]]:
    """Yield what is on disk for sure, or was done since the machine was started."""
    unsure: list[_Line] = []
    of = ""
    for line in [*lines, _Line(boot=boot)]:
        if line.task is not None:
            unsure.append(line)
        elif line.boot is None:
            yield from _pairs(unsure)
            unsure = []
        else:
            unsure = unsure if line.boot == of else []
            of = line.boot
    yield from _pairs(unsure)


def _pairs(lines: list[_Line]) -> Iterator[tuple[Task, Statistics | None]]:
    for line in lines:
        assert line.task is not None
        yield line.task, line.statistics


def _cut_to_whole_lines(path: Path) -> list[_Line]:
    """Return the lines; the last one may have been cut by a kill, and what a power cut left is no JSON."""
    if not path.is_file():
        return []
    raw = path.read_bytes()
    lines: list[_Line] = []
    end = 0
    for piece in raw.splitlines(keepends=True):
        try:
            line: Any = msgspec.json.decode(piece, type=_Line) if piece.endswith(b"\n") else None
        except msgspec.MsgspecError:
            line = None
        if line is None:
            break
        lines.append(line)
        end += len(piece)
    if end != len(raw):
        os.truncate(path, end)
    return lines


def _this_boot() -> str:
    """What tells one start of the machine from the next; the same always where there is no such thing."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return "unknown"
