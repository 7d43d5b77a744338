"""A box of 256³ in a cell: against the libraries themselves, and against the official client over HTTP."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import tensorstore as ts
import wkw

from benchmarks import data, processes
from benchmarks.rows import Row

ROUNDS = 7
_CORNER, _SIZE = (128, 128, 128), (256, 256, 256)
_MEGA = 256**3 / 1e6


def run() -> list[Row]:
    import wk_jupyter as wk
    from wk_jupyter.client.dataset import Dataset
    from wk_jupyter.client.http_source import HttpSource

    folder = data.prepare()
    root = folder / "binaryData" / data.ORGANIZATION
    with processes.jupyter(folder) as server:
        connection = wk.connect(f"{server.url}/wk/", processes.TOKEN)
        wkw_layer, zarr_layer = (wk.open(name).layers["color"] for name in ("wkw", "zarr3"))
        plain_wkw = wkw.Dataset.open(str(root / "wkw" / "color" / "1"))
        plain_zarr = ts.open(
            {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{root / 'zarr3' / 'color' / '1'}/"}},
            context=ts.Context({"cache_pool": {"total_bytes_limit": 64 * 2**20}}),
        ).result()
        box = tuple(slice(c, c + s) for c, s in zip(_CORNER, _SIZE, strict=True))
        pairs = {
            "wkw": (lambda: wkw_layer.read((_CORNER, _SIZE)), lambda: plain_wkw.read(_CORNER, _SIZE)),
            "zarr3": (
                lambda: zarr_layer.read((_CORNER, _SIZE)),
                lambda: plain_zarr[(0, *box)].read().result(),
            ),
        }
        rows = [_row(name, *pair) for name, pair in pairs.items()]
        opened = wk.open("zarr3")
        entry = connection.get(f"datasets/{opened.id}")
        remote = Dataset(
            opened.data_source, HttpSource(connection, str(opened.id)), entry=entry, connection=connection
        ).layers["color"]
        ours, theirs = [], []
        for _ in range(3):
            ours += [_timed(lambda: remote.read((_CORNER, _SIZE))) for _ in range(ROUNDS)]
            theirs += _official(server.url, str(opened.id))
    name = "256³ over HTTP / official client, streaming"
    return [*rows, Row(name, _MEGA / median(ours), _MEGA / median(theirs), 10, "MB/s")]


def _row(name: str, ours: Callable[[], Any], theirs: Callable[[], Any]) -> Row:
    ours(), theirs()
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        seconds[0].append(_timed(ours))
        seconds[1].append(_timed(theirs))
    mine, direct = (median(found) * 1000 for found in seconds)
    library = "wkw" if name == "wkw" else "tensorstore"
    return Row(f"layer.read of 256³, {name} / {library} itself", mine, direct, 2, "ms", at_most=True)


def _timed(read: Callable[[], Any]) -> float:
    started = time.perf_counter()
    read()
    return time.perf_counter() - started


_OFFICIAL = """
import json, sys, time, webknossos as wk
url, token, dataset = sys.argv[1:]
with wk.webknossos_context(url=url, token=token):
    mag = wk.Dataset.open_remote(dataset_id=dataset).get_layer("color").get_mag(1)
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        mag.read(absolute_offset=(128, 128, 128), size=(256, 256, 256))
        seconds.append(time.perf_counter() - started)
print(json.dumps(seconds))
"""


def _official(url: str, dataset: str) -> list[float]:
    """Seconds of each read by the client's default way: it streams chunks of 32³ of our Zarr v2 route."""
    command = [str(processes.PEER_PYTHON), "-c", _OFFICIAL, f"{url}/wk", processes.TOKEN, dataset]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-1500:])
    return [float(seconds) for seconds in json.loads(done.stdout.splitlines()[-1])]
