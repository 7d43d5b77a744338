"""Worker processes that may die: a task whose process crashes is tried once more, then it fails in words.

A worker is ``python -m wk_jupyter.store.convert.process FOLDER``: a line with a task in, a line with what
came of it out. It ends when its input closes.
"""

from __future__ import annotations

import contextlib
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from wk_jupyter.store.convert.statistics import Statistics
from wk_jupyter.store.convert.tasks import Task
from wk_jupyter.store.convert.work import Answer, statistics_in

_MODULE: Final = "wk_jupyter.store.convert.process"
_ATTEMPTS: Final = 2


class WorkerPool:
    """A number of workers of one folder with a plan. ``name_of``: what a task is about, for errors."""

    def __init__(self, folder: Path, workers: int, name_of: Callable[[Task], str]) -> None:
        self._folder = folder
        self._workers = workers
        self._name_of = name_of
        self._stopped = threading.Event()

    def run(
        self, tasks: Iterable[Task], cancelled: Callable[[], bool]
    ) -> Iterator[tuple[Task, Statistics | None]]:
        """Have tasks done, and yield each when it is. Raises WkError for the first that fails."""
        waiting = iter(tasks)
        lock = threading.Lock()
        results: queue.Queue[tuple[Task, Answer] | BaseException | None] = queue.Queue()

        def next_task() -> Task | None:
            with lock:
                return None if self._stopped.is_set() else next(waiting, None)

        threads = [
            threading.Thread(target=self._serve, args=(next_task, results), daemon=True)
            for _ in range(self._workers)
        ]
        for thread in threads:
            thread.start()
        try:
            yield from _collect(results, len(threads), cancelled)
        finally:
            self._stopped.set()
            for thread in threads:
                thread.join()

    def _serve(self, next_task: Callable[[], Task | None], results: queue.Queue[Any]) -> None:
        """Feed one worker after the other, as long as there are tasks."""
        worker = _Process(self._folder, self._stopped)
        try:
            while (task := next_task()) is not None:
                for attempt in range(_ATTEMPTS):
                    answer = worker.ask(task)
                    if answer is not None:
                        break
                    code = worker.close()
                    if self._stopped.is_set() or attempt == _ATTEMPTS - 1:
                        answer = self._crashed(task, code)
                    else:
                        worker = _Process(self._folder, self._stopped)
                results.put((task, answer))
                if answer is None or answer.error is not None:
                    return
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            results.put(error)
        finally:
            worker.close()
            results.put(None)

    def _crashed(self, task: Task, code: int) -> Answer:
        reason = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        hint = (
            "Was there too little memory?"
            if code == -signal.SIGKILL
            else "Check the file with the program that wrote it, or bring it in another format."
        )
        said = f"reading {self._name_of(task)} has crashed twice ({reason})."
        return Answer(error=("corrupt_data", said, hint))


class _Process:
    """One worker process."""

    def __init__(self, folder: Path, stopped: threading.Event) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", _MODULE, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._watch = threading.Thread(target=self._kill_when, args=(stopped,), daemon=True)
        self._watch.start()

    def ask(self, task: Task) -> Answer | None:
        """Return what came of a task; None: the process died."""
        pipe_in, pipe_out = self._process.stdin, self._process.stdout
        assert pipe_in is not None
        assert pipe_out is not None
        try:
            pipe_in.write(msgspec.json.encode(task) + b"\n")
            pipe_in.flush()
            line = pipe_out.readline()
        except (BrokenPipeError, ValueError):
            return None
        return msgspec.json.decode(line, type=Answer) if line.endswith(b"\n") else None

    def close(self) -> int:
        """End the process and return its status. It may be asked again."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        return self._process.wait()

    def _kill_when(self, stopped: threading.Event) -> None:
        while self._process.poll() is None:
            if stopped.wait(0.2):
                self._process.kill()
                return


def _collect(
    results: queue.Queue[Any], running: int, cancelled: Callable[[], bool]
) -> Iterator[tuple[Task, Statistics | None]]:
    while running:
        try:
            result = results.get(timeout=0.2)
        except queue.Empty:
            result = ()
        if cancelled():
            return
        if result is None:
            running -= 1
        elif isinstance(result, BaseException):
            raise result
        elif result:
            task, answer = result
            yield task, statistics_in(answer)
