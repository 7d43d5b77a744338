"""Stacks of TIFF sections to datasets with all mags: against the official client and ngff-zarr.

``WK_BENCH_LARGE=1`` also shows that memory grows neither with the volume nor with the section.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import tifffile

from benchmarks import data, processes
from benchmarks.rows import Row

ROUNDS = 3
PEER_ROUNDS = 1  # of the official client, which takes minutes
PEERS = processes.ROOT / ".venv-converters"
_REQUIREMENTS = (
    "webknossos[tifffile]>=4",
    "ngff-zarr>=0.50",
    "dask-image",
    "tifffile",
    "zarr>=3",
    "zarrista==0.1.0b7",
)
_PEER = Path(__file__).with_name("convert_peer.py")
_FOLDER = data.FOLDER / "stacks"
_SHAPE = (512, 1024, 1024)  # z, y, x
_CATEGORIES = {"grey": "color", "ids": "segmentation"}
_MEGA = 1e6
_MIB = 2**20


@dataclass(frozen=True)
class Run:
    """What one conversion took. ``peak``: MiB of all its processes, what they share counted once."""

    seconds: float
    peak: float
    size: int


def run() -> list[Row]:
    _make_stacks()
    _make_environment()
    rows = [*_against_peers("grey"), *_against_peers("ids"), _two_workers(), _small()]
    if os.environ.get("WK_BENCH_LARGE"):
        rows += [_four_gigabytes(), _large_sections()]
    return rows


def _against_peers(kind: str) -> list[Row]:
    source, category = _FOLDER / kind, _CATEGORIES[kind]
    megabytes = sum(path.stat().st_size for path in source.iterdir()) / _MEGA
    ours: dict[str, list[Run]] = {"zstd:1": [], "zstd:5": [], "lz4hc": []}
    peers: dict[str, list[Run]] = {"client-zarr3": [], "client-wkw": [], "ngff-zarr": []}
    for number in range(ROUNDS):
        for compression, runs in ours.items():
            runs.append(_ours(source, category, compression=compression))
        for peer, runs in peers.items():
            if peer == "ngff-zarr" or number < PEER_ROUNDS:
                runs.append(_measured([_python(), str(_PEER), peer, str(source), "{}", category]))
    for name, runs in {**ours, **peers}.items():
        print(
            f"{kind} {name}: {_seconds(runs):.1f} s, {_peak(runs):.0f} MiB, {runs[0].size / _MEGA:.0f} MB",
            flush=True,
        )

    def row(what: str, compression: str, peer: str, goal: float) -> Row:
        speeds = megabytes / _seconds(ours[compression]), megabytes / _seconds(peers[peer])
        return Row(f"{kind}: {what}", *speeds, goal, "MB/s")

    return [
        row("Zarr v3, zstd 1 / official client (zstd 5)", "zstd:1", "client-zarr3", 15),
        row("Zarr v3, zstd 5 / official client (zstd 5)", "zstd:5", "client-zarr3", 10),
        row("Zarr v3, zstd 1 / ngff-zarr", "zstd:1", "ngff-zarr", 2),
        row("WKW, LZ4HC / official client (LZ4HC)", "lz4hc", "client-wkw", 2),
        Row(f"{kind}: memory at the peak / 400 MiB", _peak(ours["zstd:1"]), 400, 1, "MiB", at_most=True),
        Row(
            f"{kind}: size, zstd 1 / official client's",
            ours["zstd:1"][0].size / _MEGA,
            peers["client-zarr3"][0].size / _MEGA,
            1.05,
            "MB",
            at_most=True,
        ),
    ]


def _two_workers() -> Row:
    one, two = [], []
    for _ in range(ROUNDS):
        one.append(_ours(_FOLDER / "grey", "color", workers=1))
        two.append(_ours(_FOLDER / "grey", "color", workers=2))
    return Row("two workers / one", 1 / _seconds(two), 1 / _seconds(one), 1.7, "1/s")


def _small() -> Row:
    runs = [_ours(_FOLDER / "small.tif", "segmentation") for _ in range(ROUNDS)]
    return Row("a TIFF of 2 MiB / 2 s", _seconds(runs), 2, 1, "s", at_most=True)


def _four_gigabytes() -> Row:
    """The same sections eight times over, by links."""
    folder = _FOLDER / "many"
    folder.mkdir(exist_ok=True)
    for number in range(8 * _SHAPE[0]):
        with contextlib.suppress(FileExistsError):
            (folder / f"{number:05d}.tif").symlink_to(_FOLDER / "grey" / f"{number % _SHAPE[0]:04d}.tif")
    large, small = _ours(folder, "color"), _ours(_FOLDER / "grey", "color")
    return Row("memory for 4 GB / for 0.5 GB", large.peak, small.peak, 1.1, "MiB", at_most=True)


def _large_sections() -> Row:
    """Sections of 20,000 × 20,000, each packed as a whole: no part of one can be read alone."""
    folder = _FOLDER / "wide"
    folder.mkdir(exist_ok=True)
    tile = tifffile.imread(_FOLDER / "grey" / "0000.tif")
    for number in range(4):
        path = folder / f"{number}.tif"
        if not path.exists():
            section = np.tile(np.roll(tile, number, 0), (20, 20))[:20_000, :20_000]
            tifffile.imwrite(path, section, compression="zlib", rowsperstrip=20_000)
    found = _ours(folder, "color")
    print(f"sections of 20,000 × 20,000: {found.seconds:.1f} s, {found.peak:.0f} MiB", flush=True)
    return Row("memory for sections of 20,000² / 1 GiB", found.peak, 1024, 1, "MiB", at_most=True)


def _ours(source: Path, category: str, *, compression: str = "zstd:1", workers: int = 2) -> Run:
    command = [str(Path(sys.executable).with_name("wk-jupyter")), "convert", str(source), "{}"]
    options = {
        "--voxel-size": "11.24,11.24,28",
        "--category": category,
        "--format": "zarr3" if compression.startswith("zstd") else "wkw",
        "--compression": compression,
        "--workers": str(workers),
    }
    return _measured([*command, *(word for option in options.items() for word in option)])


def _measured(command: list[str]) -> Run:
    """Run a command; ``{}`` in it becomes the folder to be made, which is removed again."""
    target = _FOLDER / "out" / "dataset"
    shutil.rmtree(target.parent, ignore_errors=True)  # with what a run that was stopped would go on from
    target.parent.mkdir(parents=True)
    os.sync()  # what others have written is not to be waited for
    started, peak = time.perf_counter(), 0.0
    words = [word.replace("{}", str(target)) for word in command]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        while True:
            try:
                _, said = process.communicate(timeout=0.1)
            except subprocess.TimeoutExpired:
                peak = max(peak, sum(map(_pss, _family(process.pid))))
            else:
                break
    seconds = time.perf_counter() - started
    if process.returncode != 0:
        raise RuntimeError(f"{words} failed: {said.decode()[-2000:]}")
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    shutil.rmtree(target)
    return Run(seconds, peak, size)


def _family(pid: int) -> Iterator[int]:
    yield pid
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                yield from _family(int(child))


def _pss(pid: int) -> float:
    """Return the MiB of a process, its share of what it shares."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024 / _MIB
    return 0.0


def _seconds(runs: list[Run]) -> float:
    return median(run.seconds for run in runs)


def _peak(runs: list[Run]) -> float:
    return max(run.peak for run in runs)


def _python() -> str:
    return str(PEERS / "bin" / "python")


def _make_environment() -> None:
    """Install the peers, once, apart from ours as ``.venv-peers`` is: the client is AGPL."""
    if (PEERS / "whole").exists():
        return
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(PEERS)], check=True)
    subprocess.run([_python(), "-m", "pip", "install", "--quiet", *_REQUIREMENTS], check=True)
    (PEERS / "whole").touch()


def _make_stacks() -> None:
    """Sections without compression: grey values as of electron microscopy, and warped cells' ids."""
    if (_FOLDER / "small.tif").exists():
        return
    grey = data.grey_values().transpose(2, 1, 0)
    for number in range(_SHAPE[0]):
        _write("grey", number, np.tile(grey[number], (2, 2)))
        _write("ids", number, _cells(number))
    shape = (64, 128, 64)
    tifffile.imwrite(_FOLDER / "small.tif", np.arange(np.prod(shape), dtype=np.uint32).reshape(shape) // 999)


def _cells(z: int) -> np.ndarray:
    y, x = np.ogrid[: _SHAPE[1], : _SHAPE[2]]
    rows = np.floor((y + 6 * np.sin(x / 23) + 4 * np.sin(z / 17)) / 37)
    columns = np.floor((x + 7 * np.sin(y / 29) + 5 * np.cos(z / 13)) / 41)
    return ((z // 43) * 1_000_000 + (rows + 1) * 1000 + columns + 1).astype(np.uint32)


def _write(kind: str, number: int, section: np.ndarray) -> None:
    path = _FOLDER / kind / f"{number:04d}.tif"
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, section)
