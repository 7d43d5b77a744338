"""A worker process of a conversion; see ``pool.py``."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from wk_jupyter.store.convert.plan import DATASET_FOLDER, PLAN_FILE, ConversionPlan
from wk_jupyter.store.convert.tasks import Layout, Task
from wk_jupyter.store.convert.work import Worker, attempt


def main() -> int:
    folder = Path(sys.argv[1])
    layout = Layout(ConversionPlan.decode((folder / PLAN_FILE).read_bytes()), folder / DATASET_FOLDER)
    worker = Worker(layout)
    answers, sys.stdout = sys.stdout.buffer, sys.stderr  # what a library prints is no answer
    for line in sys.stdin.buffer:
        answers.write(msgspec.json.encode(attempt(worker, msgspec.json.decode(line, type=Task))) + b"\n")
        answers.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
