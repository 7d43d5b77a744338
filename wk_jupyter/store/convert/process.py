"""A worker process of a conversion; see ``pool.py``."""

from __future__ import annotations

import errno
import sys
from pathlib import Path

import msgspec

from wk_jupyter.errors import WkError
from wk_jupyter.store.convert.plan import DATASET_FOLDER, PLAN_FILE, ConversionPlan
from wk_jupyter.store.convert.pool import Answer
from wk_jupyter.store.convert.tasks import Layout, Task
from wk_jupyter.store.convert.work import Worker


def main() -> int:
    folder = Path(sys.argv[1])
    layout = Layout(ConversionPlan.decode((folder / PLAN_FILE).read_bytes()), folder / DATASET_FOLDER)
    worker = Worker(layout)
    answers, sys.stdout = sys.stdout.buffer, sys.stderr  # what a library prints is no answer
    for line in sys.stdin.buffer:
        answers.write(msgspec.json.encode(answer(worker, msgspec.json.decode(line, type=Task))) + b"\n")
        answers.flush()
    return 0


def answer(worker: Worker, task: Task) -> Answer:
    """Do a task and say what came of it."""
    try:
        return Answer(statistics=worker.do(task))
    except WkError as error:
        return Answer(error=(error.code, error.message, error.hint))
    except OSError as error:
        hint = "Make room on the disk, then try again." if error.errno == errno.ENOSPC else ""
        what = f"{error.filename or 'a file'}: {error.strerror or error}."
        return Answer(error=("invalid_input", what, hint))
    except MemoryError:
        return Answer(error=("too_large", "there was not enough memory for a part of it.", ""))
    except Exception as error:  # noqa: BLE001 - a reader's bug is told with the file, and fails this job alone
        name = worker.name_of(task)
        return Answer(error=("corrupt_data", f"{name} cannot be read: {type(error).__name__}: {error}.", ""))


if __name__ == "__main__":
    sys.exit(main())
