"""A server of its own process over known voxels, for tests of clients."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from real_files import SHARED_DATA, Truth, entries

from wk_jupyter.datasource import DataSource, LayerSource, MagSource, write_properties
from wk_jupyter.geometry import BoundingBox, Mag, VoxelSize
from wk_jupyter.store.volumes.wkw_format import BlockType, WkwHeader
from wk_jupyter.store.volumes.wkw_writer import WkwWriter

TOKEN = "a-token-that-must-not-be-shown"
BOX = BoundingBox((5, 40, 3), (100, 90, 40))


@dataclass(frozen=True)
class Known:
    """A running server, its data, and the voxels (c, x, y, z) from the origin on that they hold."""

    url: str
    data_dir: Path
    grey: np.ndarray
    ids: np.ndarray
    real: dict[str, Truth]


def write_known(folder: Path, grey: np.ndarray, ids: np.ndarray) -> None:
    layers = []
    for name, voxels, element in (("color", grey, "uint8"), ("cells", ids, "uint64")):
        header = WkwHeader(voxels.dtype, 1, 32, 2, BlockType.LZ4)
        WkwWriter(folder / name / "1", header).write((0, 0, 0), voxels)
        WkwWriter(folder / name / "2-2-1", header).write((0, 0, 0), voxels[:, ::2, ::2])
        layers.append(
            LayerSource(
                name=name,
                category="color" if name == "color" else "segmentation",
                bounding_box=BOX,
                element_class=element,
                data_format="wkw",
                mags=(MagSource(Mag(1)), MagSource(Mag("2-2-1"))),
                largest_segment_id=2**63 if name == "cells" else None,
            )
        )
    write_properties(folder, DataSource(folder.name, VoxelSize((4, 4, 30)), tuple(layers)))


def write_real(root: Path) -> Iterator[tuple[str, Truth]]:
    """Each array of the real files as a dataset of its own, by a link."""
    for entry in entries(SHARED_DATA):
        for number, truth in enumerate(entry.arrays):
            if not truth.is_readable or entry.id == "wkw-cremi-volume-zip":
                continue
            folder = root / f"real-{entry.id}-{number}"
            folder.mkdir(parents=True)
            (folder / "data").symlink_to(SHARED_DATA / entry.path)
            layer = truth.layer()
            mag = replace(layer.mags[0], path=f"data/{truth.path}")
            source = DataSource(folder.name, VoxelSize((1, 1, 1)), (replace(layer, mags=(mag,)),))
            write_properties(folder, source)
            yield folder.name, truth


class running:  # noqa: N801 used as a function
    """A Jupyter server with the extension, as a process of its own; gives the extension's address."""

    def __init__(self, home: Path, *options: str) -> None:
        own = {f"JUPYTER_{kind}_DIR": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
        plain = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "JPY", "WK_"))}
        command = [sys.executable, "-m", "jupyter", "server", "--no-browser", "--allow-root", "--port=0"]
        command += ["--ServerApp.base_url=/user/ada/", f"--IdentityProvider.token={TOKEN}"]
        command += [f"--WkJupyterApp.data_dir={home / 'data'}", "--WkJupyterApp.organization=lab", *options]
        self.process = subprocess.Popen(
            command, cwd=home, env=plain | own, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def __enter__(self) -> str:
        said = []
        for line in self.process.stderr:
            said.append(line)
            if address := re.search(r"http://127\.0\.0\.1:\d+/user/ada/", line):
                # A full pipe would stop the server.
                threading.Thread(target=self.process.stderr.read, daemon=True).start()
                return f"{address[0]}wk/"
        raise AssertionError("".join(said))

    def __exit__(self, *_: object) -> None:
        self.kill(signal.SIGTERM)

    def kill(self, how: signal.Signals) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, how)
            self.process.wait(timeout=60)
