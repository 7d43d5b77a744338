"""The process of one import: looks at what was brought, converts it, and leaves a whole dataset behind.

``python -m wk_jupyter.store.imports.worker FOLDER`` reads ``FOLDER/request.json`` and writes one JSON line
for each thing that it has to say: ``{"progress", "message"}``, at the end ``{"made": path}`` or
``{"error": …}``. It ends, with all processes that it started, when its standard input is closed: whoever
started it is gone then. Killed and started again on the same folder, it goes on where it was.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, Final

import msgspec

from wk_jupyter.errors import InvalidInput, WkError
from wk_jupyter.store.convert import ConversionProgress, convert
from wk_jupyter.store.imports.archives import archive_of, unpacked
from wk_jupyter.store.imports.corrections import conversion_plan
from wk_jupyter.store.imports.inspection import inspect
from wk_jupyter.store.imports.process import Request
from wk_jupyter.store.imports.proposal import Inspection
from wk_jupyter.store.imports.stored import arrange

_WORK: Final = "work"
_COPY: Final = "copy"
_EVERY_SECONDS: Final = 0.25
_UNPACKING: Final = 0.2  # the part of the progress that unpacking makes


def run(folder: Path, request: Request) -> Path:
    """Do what a folder's request says. Returns the dataset's folder. Raises WkError."""
    source = Path(request.source)
    reporter = _Reporter()
    archive = archive_of(source)
    if archive is not None:
        source = unpacked(archive, folder, reporter.unpacking)
        request = msgspec.structs.replace(request, is_own=True)
    say(progress=reporter.begin, message="looking at the files")
    inspected = inspect(source, request.options.hints)
    if inspected.inspection.kind == "stored":
        return _stored(folder, source, request)
    plan = conversion_plan(inspected, request.options, name=request.name, data_format=request.data_format)
    convert(plan, folder / _WORK, workers=request.workers, progress=reporter.report, cancelled=lambda: False)
    return folder / _WORK / "dataset"


def look(folder: Path, request: Request) -> Inspection:
    """Say what a request's source is. A ZIP is unpacked into ``folder`` for it. Raises WkError."""
    source = Path(request.source)
    archive = archive_of(source)
    return inspect(unpacked(archive, folder) if archive else source, request.options.hints).inspection


def _stored(folder: Path, source: Path, request: Request) -> Path:
    """Take a dataset as it is: what was handed over, a copy of it, or links to its layers."""
    if request.is_own:
        return arrange(source, request.options)
    target = folder / _COPY
    if request.link:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        for entry in source.iterdir():
            if entry.is_dir():
                (target / entry.name).symlink_to(entry.resolve())
            else:
                shutil.copyfile(entry, target / entry.name)
    else:
        _copy(source, target)
    return arrange(target, request.options, linked=request.link)


def _copy(source: Path, target: Path) -> None:
    """Copy a folder with links followed; what is there already from a run that was killed is kept."""
    names = [path for path in source.rglob("*") if path.is_file()]
    done, total = 0, sum(path.stat().st_size for path in names) or 1
    last = 0.0
    for path in names:
        place = target / path.relative_to(source)
        size = path.stat().st_size
        if not (place.exists() and place.stat().st_size == size):
            place.parent.mkdir(parents=True, exist_ok=True)
            part = place.with_name(f".copying-{place.name}"[:255])
            shutil.copyfile(path, part)
            part.replace(place)
        done += size
        if time.monotonic() - last > _EVERY_SECONDS:
            say(progress=0.99 * done / total, message="copying the files")
            last = time.monotonic()


class _Reporter:
    """Tells how far unpacking and conversion are, a few times a second."""

    def __init__(self) -> None:
        self._last = 0.0
        self.begin = 0.0

    def unpacking(self, fraction: float) -> None:
        self.begin = _UNPACKING * fraction
        self._say(self.begin, "unpacking the ZIP")

    def report(self, progress: ConversionProgress) -> None:
        self._say(self.begin + (0.99 - self.begin) * progress.fraction, progress.message)

    def _say(self, progress: float, message: str) -> None:
        now = time.monotonic()
        if now - self._last >= _EVERY_SECONDS:
            self._last = now
            say(progress=progress, message=message)


def say(**what: Any) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(what) + b"\n")
    sys.stdout.buffer.flush()


def main() -> int:
    """Run the process. What is printed besides goes to standard error, which is kept as the log."""
    _end_with_parent()
    try:
        folder = Path(sys.argv[1])
        request = Request.read(folder)
        if request.is_inspection:
            say(inspection=msgspec.to_builtins(look(folder, request)))
        else:
            say(made=str(run(folder, request)))
    except WkError as error:
        say(error=told(error))
    except OSError as error:
        say(error=told(InvalidInput(f"{error.filename or 'a file'}: {error.strerror}.", hint=_hint(error))))
    except Exception as error:  # noqa: BLE001 - what it is stands in the log
        traceback.print_exc()
        say(error=told(WkError(f"this went wrong in a way that was not foreseen: {error!r}.")))
    return 0


def told(error: WkError) -> dict[str, Any]:
    """Return an error as a job keeps it."""
    details = {key: value for key, value in error.details.items() if isinstance(value, str | int | float)}
    return {"code": error.code, "message": error.message, "hint": error.hint, "details": details}


def _hint(error: OSError) -> str:
    return "Make room, then try again." if error.errno == 28 else ""


def _end_with_parent() -> None:
    """End the whole group of processes when the pipe from whoever started this one closes."""

    def wait() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 1):
                pass
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
