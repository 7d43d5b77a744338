"""Random bricks of 32³ over loopback: our framed batches against other ways to serve voxels."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from statistics import median

from benchmarks import data, processes
from benchmarks.processes import Load, Server
from benchmarks.rows import Row

BATCH = 32
ROUNDS = 3
_COUNT = data.SIDE // data.BRICK
_GIGA = 1e9


def run() -> list[Row]:
    folder = data.prepare()
    volume = folder / "peer" / "em.npy"
    with (
        processes.jupyter(folder) as ours,
        processes.neuroglancer(volume) as peer,
        processes.nginx(folder / "bricks") as files,
    ):
        token = Path(f"{volume}.{peer.url.rpartition(':')[2]}.token").read_text()
        measured = _Measured(ours, _peer_paths(token), peer, files)
        for _ in range(ROUNDS):  # in turns, because the machine's own speed drifts
            measured.one_round()
        measured.print_details()
        return [*measured.rows(), _cold_file(ours, folder)]


class _Measured:
    def __init__(self, ours: Server, paths: dict[int, list[str]], peer: Server, files: Server) -> None:
        self.ours, self.peer, self.files = ours, peer, files
        self.peer_paths = paths
        self.ids = _dataset_ids(ours)
        self.figures: dict[str, list[Load]] = {}
        self.cpu: dict[str, list[float]] = {}

    def one_round(self) -> None:
        for name in ("wkw", "zarr3", "foreign"):
            self._batches(f"{name} stored", name, ["stored", "raw"])
        self._batches("zarr3 decoded", "zarr3", ["raw"])
        self._batches("wkw decoded", "wkw", ["raw"])
        for name in ("wkw", "zarr3"):  # as many bytes as a batch of theirs
            body = processes.fetch(self._url(name), body=_batch(["stored", "raw"]).encode())
            processes.fetch(f"{self.ours.url}/bench/constant", body=body, method="PUT")
            self._measure(f"{name} constant", self.ours, [_batch(["raw"])], "/bench/constant")
            self._measure(f"{name} own constant", self.ours, [_batch(["raw"])], "/bench/own")
        for side, paths in self.peer_paths.items():
            self._measure(f"neuroglancer {side}", self.peer, paths, None)
        self._measure("nginx", self.files, [f"/{x}_{y}_{z}" for x, y, z in _all_bricks()], None)

    def rows(self) -> list[Row]:
        peer32, peer64 = self._rate("neuroglancer 32"), self._rate("neuroglancer 64") * 8
        rows = []
        for name in ("wkw", "zarr3"):
            ours, constant = (self._rate(f"{name} {kind}") * BATCH for kind in ("stored", "constant"))
            title = f"{name}, stored bricks passed on, 32 a request"
            rows += [
                Row(f"{title} / Neuroglancer at 32³", ours, peer32, 15, "bricks/s"),
                Row(f"{title} / Neuroglancer at 64³", ours, peer64, 5, "bricks/s"),
                Row(f"{title} / constant handler", ours, constant, 0.7, "bricks/s"),
                Row(f"{title} / nginx, a file a brick", ours, self._rate("nginx"), 1.5, "bricks/s"),
                Row(
                    f"{title}: CPU a GB of voxels / 1 s",
                    self._cpu(f"{name} stored"),
                    1.0,
                    1,
                    "s",
                    at_most=True,
                ),
                Row(
                    f"{title}: p99 / constant's",
                    self._p99(f"{name} stored"),
                    self._p99(f"{name} constant"),
                    3,
                    "ms",
                    at_most=True,
                ),
            ]
        for name in ("zarr3", "wkw"):
            ours = self._rate(f"{name} decoded") * BATCH
            rows.append(
                Row(f"{name}, decoded by the server / Neuroglancer at 32³", ours, peer32, 5, "bricks/s")
            )
        foreign = self._rate("foreign stored") * BATCH
        rows.append(
            Row("foreign layout through tensorstore / Neuroglancer at 32³", foreign, peer32, 2, "bricks/s")
        )
        return rows

    def print_details(self) -> None:
        """Rates and processor time of all that was measured; no goals are set for most of it."""
        for name in self.figures:
            bricks = 8 if name.endswith(" 64") else 1 if name in {"neuroglancer 32", "nginx"} else BATCH
            seconds = self._cpu(name) * BATCH / bricks
            print(
                f"{name:<22}{self._rate(name) * bricks:>9,.0f} bricks/s {seconds:>7.2f} CPU s a GB of voxels"
            )
        for name in ("wkw", "zarr3"):
            ratio = self._rate(f"{name} stored") / self._rate(f"{name} own constant")
            print(f"{name}, stored bricks / constant bytes on our own base class: {ratio:.2f}")

    def _batches(self, name: str, dataset: str, accept: list[str]) -> None:
        bodies = [_batch(accept) for _ in range(300)]
        self._measure(name, self.ours, bodies, self._url(dataset).removeprefix(self.ours.url))

    def _measure(self, name: str, server: Server, lines: list[str], post_to: str | None) -> None:
        before = server.cpu_seconds()
        found = processes.load(server.url, lines, post_to=post_to)
        if found.failed:
            raise RuntimeError(f"{name}: {found.failed} of {found.requests} requests failed")
        self.figures.setdefault(name, []).append(found)
        spent = server.cpu_seconds() - before
        self.cpu.setdefault(name, []).append(spent / (found.requests * BATCH * data.BRICK**3 / _GIGA))

    def _url(self, dataset: str) -> str:
        return f"{self.ours.url}/wk/data/v15/datasets/{self.ids[dataset]}/layers/color/bricks"

    def _rate(self, name: str) -> float:
        return median(found.per_second for found in self.figures[name])

    def _p99(self, name: str) -> float:
        return median(found.p99_ms for found in self.figures[name])

    def _cpu(self, name: str) -> float:
        return median(self.cpu[name])


def _cold_file(ours: Server, folder: Path) -> Row:
    """How long the event loop is kept waiting while files are read that the page cache has lost."""
    dataset = _dataset_ids(ours)["wkw"]
    url = f"{ours.url}/wk/data/v15/datasets/{dataset}/layers/color/bricks"
    worst = 0.0
    for _ in range(10):
        for file in (folder / "binaryData" / data.ORGANIZATION / "wkw").rglob("x*.wkw"):
            descriptor = os.open(file, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)
        processes.fetch(f"{ours.url}/bench/delay")
        processes.fetch(url, body=_batch(["stored"]).encode())
        worst = max(worst, json.loads(processes.fetch(f"{ours.url}/bench/delay"))["ms"])
    return Row("event loop kept waiting by cold files / 20 ms", worst, 20, 1, "ms", at_most=True)


def _dataset_ids(server: Server) -> dict[str, str]:
    listed = json.loads(processes.fetch(f"{server.url}/wk/api/v16/datasets"))
    return {entry["name"]: entry["id"] for entry in listed}


def _batch(accept: list[str]) -> str:
    bricks = [[0, *random.choices(range(_COUNT), k=3)] for _ in range(BATCH)]
    return json.dumps({"mags": [[1, 1, 1]], "bricks": bricks, "accept": accept})


def _peer_paths(token: str) -> dict[int, list[str]]:
    """Paths of Neuroglancer's server for chunks of 32³ and, as its own page asks, of 64³."""
    paths = {}
    for side in (32, 64):
        corners = [random.choices(range(0, data.SIDE, side), k=3) for _ in range(3000)]
        paths[side] = [
            f"/neuroglancer/raw/{token}/1,1,1/{','.join(map(str, c))}/{','.join(str(n + side) for n in c)}"
            for c in corners
        ]
    return paths


def _all_bricks() -> list[tuple[int, int, int]]:
    return [(x, y, z) for x in range(_COUNT) for y in range(_COUNT) for z in range(_COUNT)]
