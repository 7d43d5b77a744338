"""Run by tests as a process that they may kill: converts the plan in a file, and says how far it is."""

from __future__ import annotations

import sys
from pathlib import Path

from wk_jupyter.store.convert import ConversionPlan, convert

if __name__ == "__main__":
    plan = ConversionPlan.decode(Path(sys.argv[1]).read_bytes())
    convert(
        plan,
        Path(sys.argv[2]),
        workers=int(sys.argv[3]),
        progress=lambda progress: print(f"{progress.done}/{progress.total}", flush=True),
    )
    print("converted", flush=True)
