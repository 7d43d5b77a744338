"""What the package adds to the import of a kernel and to the start of a server."""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median

from benchmarks import data, processes
from benchmarks.rows import Row

ROUNDS = 5


def run() -> list[Row]:
    folder = data.prepare()
    base, ours, without, having = [], [], [], []
    for _ in range(ROUNDS):
        base.append(_seconds("import numpy, ipywidgets"))
        ours.append(_seconds("import numpy, ipywidgets, wk_jupyter; wk_jupyter.BoundingBox"))
    for _ in range(3):
        without.append(_start(folder, extension=False))
        having.append(_start(folder, extension=True))
    added = max(0.0, median(ours) - median(base))
    longer = max(0.0, median(having) - median(without))
    return [
        Row("import added to numpy and ipywidgets / 0.3 s", added, 0.3, 1, "s", at_most=True),
        Row("server start added / 1 s", longer, 1.0, 1, "s", at_most=True),
    ]


def _seconds(program: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True)
    return time.perf_counter() - started


def _start(folder: object, *, extension: bool) -> float:
    started = time.perf_counter()
    with processes.jupyter(folder, extension=extension):  # type: ignore[arg-type]
        return time.perf_counter() - started
