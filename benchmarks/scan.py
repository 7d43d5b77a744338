"""Ten thousand dataset folders: the first scan and the next, against merely opening each file."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.rows import Row

DATASETS = 10_000
ROUNDS = 3
_MAGS = (1, 2, 4, 8, 16, 32)


def run() -> list[Row]:
    with tempfile.TemporaryDirectory() as home:
        root = Path(home) / "binaryData" / "bench"
        _make(root)
        _bare(root)  # once for the page cache
        bare, first, again, memory = [], [], [], 0.0
        for number in range(ROUNDS):
            bare.append(_bare(root))
            # A process of its own, so that the first scan is really one.
            command = [sys.executable, "-m", "benchmarks.scan", home, str(number)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            figures = json.loads(done.stdout)
            first.append(figures["first"])
            again.append(figures["again"])
            memory = max(memory, figures["megabytes"])
    print(f"memory of the scanning process at its peak: {memory:.0f} MB")
    return [
        Row(
            "first scan of 10,000 datasets / scandir and reading",
            median(first),
            median(bare),
            3,
            "s",
            at_most=True,
        ),
        Row(
            "scan again, unchanged / scandir and reading", median(again), median(bare), 0.5, "s", at_most=True
        ),
    ]


def _make(root: Path) -> None:
    def layer(name: str) -> dict[str, object]:
        axes = {"c": 0, "x": 1, "y": 2, "z": 3}
        mags = [
            {"mag": [m, m, m], "path": f"./{name}/{m}", "cubeLength": 1024, "axisOrder": axes} for m in _MAGS
        ]
        return {
            "name": name,
            "category": name,
            "boundingBox": {"topLeft": [0, 0, 0], "width": 1024, "height": 1024, "depth": 1024},
            "elementClass": "uint8",
            "dataFormat": "wkw",
            "mags": mags,
        }

    document = {"scale": [11, 11, 28], "dataLayers": [layer("color"), layer("segmentation")], "version": 1}
    text = json.dumps(document, indent=1)
    for number in range(DATASETS):
        folder = root / f"dataset_{number:05d}"
        for name in ("color", "segmentation"):
            for mag in _MAGS:
                (folder / name / str(mag)).mkdir(parents=True)
        (folder / "datasource-properties.json").write_text(text)


def _bare(root: Path) -> float:
    started = time.perf_counter()
    with os.scandir(root) as entries:
        for entry in entries:
            with open(f"{entry.path}/datasource-properties.json", "rb") as stream:  # noqa: PTH123 the limit has no Path
                stream.read()
    return time.perf_counter() - started


def _scan(home: Path, number: int) -> dict[str, float]:
    from wk_jupyter.store import Store, StoreConfig

    database = f"sqlite:///{home}/catalog{number}.sqlite"
    store = Store(StoreConfig(data_dir=home, organization="bench", database_url=database))
    seconds = []
    for _ in range(2):
        started = time.perf_counter()
        store.scan()
        seconds.append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"first": seconds[0], "again": seconds[1], "megabytes": peak}


if __name__ == "__main__":
    print(json.dumps(_scan(Path(sys.argv[1]), int(sys.argv[2]))))
