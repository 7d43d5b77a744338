"""A bar for work that takes longer than a second; nothing is shown for what is quicker."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Final, Self

_QUIET_SECONDS: Final = 1.0
_BETWEEN_SECONDS: Final = 0.2


class Progress:
    """Used as a context: ``with Progress("Reading", 10) as progress: … progress.advance()``."""

    def __init__(self, title: str, steps: int) -> None:
        self._title = title
        self._steps = steps
        self._done = 0
        self._started = self._shown = time.monotonic()
        self._display: Any = None
        self._in_terminal = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._display is not None:
            self._display.update({"text/plain": ""}, raw=True)
        if self._in_terminal:
            sys.stderr.write("\r\x1b[K")

    def advance(self) -> None:
        self._done += 1
        now = time.monotonic()
        if now - self._started < _QUIET_SECONDS or now - self._shown < _BETWEEN_SECONDS:
            return
        self._shown = now
        left = (now - self._started) / max(1, self._done) * (self._steps - self._done)
        self._show(f"{self._title}: {100 * self._done // self._steps} %, {left:.0f} s left")

    def reach(self, done: int, of: int) -> None:
        """Say how much of all is done, in whatever unit."""
        self._done = round(self._steps * done / of) - 1 if of else 0
        self.advance()

    def _show(self, text: str) -> None:
        if _in_notebook():
            from IPython.display import display  # noqa: PLC0415 only where a notebook shows it

            html = f"<progress value='{self._done}' max='{self._steps}'></progress> {text}"
            content = {"text/plain": text, "text/html": html}
            if self._display is None:
                self._display = display(content, raw=True, display_id=True)  # type: ignore[no-untyped-call]
            else:
                self._display.update(content, raw=True)
        elif sys.stderr.isatty():
            self._in_terminal = True
            sys.stderr.write(f"\r\x1b[K{text}")


def _in_notebook() -> bool:
    interactive = sys.modules.get("IPython")
    shell = interactive.get_ipython() if interactive is not None else None
    return shell is not None and hasattr(shell, "kernel")
