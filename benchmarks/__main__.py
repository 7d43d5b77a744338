"""Run the benchmarks, print their table, keep it in ``results.json``. Names pick some: ``bricks scan``."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from benchmarks.rows import Row, print_table, save

_ALL = ("startup", "scan", "catalog", "reads", "bricks", "convert")


def main() -> int:
    rows: list[Row] = []
    for name in sys.argv[1:] or _ALL:
        print(f"{name} …", flush=True)
        found = importlib.import_module(f"benchmarks.{name}").run()
        rows += found
        print_table(found)
    print_table(rows)
    save(rows, Path(__file__).parent / "results.json")
    return 0 if all(row.met for row in rows) else 1


sys.exit(main())
