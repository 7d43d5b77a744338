"""Whoever is killed while data comes in: after a start of the server it goes on, and the dataset is right.

WK_JUPYTER_KILLS=50 kills so often; a few times is usual.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from known_server import TOKEN, running

import wk_jupyter as wk
from wk_jupyter.client import connection as connections
from wk_jupyter.client import uploading
from wk_jupyter.client.jobs import Job
from wk_jupyter.errors import Unreachable, WkError

KILLS = int(os.environ.get("WK_JUPYTER_KILLS", "12"))
VOXEL_SIZE = (4.0, 4.0, 4.0)
SHAPE = (64, 300, 600)  # z, y, x: more than what is converted without worker processes
PATIENCE = 120.0


class Servers:
    """Servers on one data directory, which may be killed; ``url`` is that of the newest."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.servers: list[running] = []
        self.url = ""

    @property
    def organization(self) -> Path:
        return self.home / "data" / "binaryData" / "lab"

    def start(self) -> None:
        self.servers.append(running(self.home, "--WkJupyterApp.concurrent_jobs=1"))
        self.url = self.servers[-1].__enter__()
        wk.connect(self.url, TOKEN)

    def kill(self) -> None:
        """Kill the oldest server alone: what it has started has to notice by itself."""
        process = self.servers.pop(0).process
        process.kill()
        process.wait()

    def stop(self) -> None:
        while self.servers:
            self.servers.pop().__exit__()


@pytest.fixture(scope="module")
def one_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    started = Servers(tmp_path_factory.mktemp("home"))
    yield started
    started.stop()


@pytest.fixture
def servers(one_home: Servers) -> Iterator[Servers]:
    """One server runs, and there is no dataset."""
    if not one_home.servers:
        one_home.start()
    wk.connect(one_home.url, TOKEN)
    yield one_home
    wk.connect(one_home.url, TOKEN)
    for ds in wk.datasets():
        ds.delete()
    connections._default = None


@pytest.fixture(scope="module")
def voxels() -> np.ndarray:
    return np.random.default_rng(8).integers(0, 256, SHAPE, np.uint8)


@pytest.fixture
def source(tmp_path: Path, voxels: np.ndarray) -> Path:
    """A stack whose pages are packed, so that to read them takes a moment."""
    tifffile.imwrite(tmp_path / "stack.tif", voxels, compression="zlib", photometric="minisblack")
    return tmp_path / "stack.tif"


def processes(module: str, home: Path) -> list[int]:
    """Return the processes of a module that work below a folder."""
    found = []
    for place in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if place.name.isdecimal():
                words = (place / "cmdline").read_bytes().split(b"\0")
                if module.encode() in words and any(word.startswith(bytes(home)) for word in words):
                    found.append(int(place.name))
    return found


def kill_one(module: str, home: Path) -> bool:
    """Kill a process of a module, if there is one."""
    for pid in processes(module, home):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            return True
    return False


def upload_until_it_is_there(servers: Servers, source: Path, name: str, **options: Any) -> Job:
    """Upload as somebody does who asks again when the server was away. Returns the job."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        with contextlib.suppress(Unreachable):
            wk.connect(servers.url, TOKEN)
            job = wk.upload(source, name, voxel_size=VOXEL_SIZE, wait=False, **options)
            assert isinstance(job, Job)
            return job
    raise AssertionError("the upload did not come to its end")


def wait_for(servers: Servers, job_id: str) -> None:
    """Wait for a job's end, whichever server does it."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        with contextlib.suppress(Unreachable):
            connection = wk.connect(servers.url, TOKEN)
            Job(connection, connection.get(f"jobs/{job_id}")).wait(PATIENCE)
            return
    raise AssertionError("the job did not come to its end")


def require_whole(servers: Servers, name: str, voxels: np.ndarray) -> None:
    """The dataset is right, it is the only one, and nothing is left of how it came."""
    wk.connect(servers.url, TOKEN)
    ds = wk.open(name)
    [layer] = ds.layers.values()
    assert np.array_equal(layer.read(), voxels.transpose(2, 1, 0))
    assert ds.voxel_size.nanometers == VOXEL_SIZE
    assert [each.name for each in wk.datasets()] == [name]
    assert len([path for path in servers.organization.iterdir() if not path.name.startswith(".")]) == 1
    assert list((servers.organization / ".importing").glob("*")) == []
    left = [path for path in (servers.organization / ".uploads").rglob("*") if path.is_file()]
    assert {path.name for path in left} <= {"upload.json"}


def moments() -> list[tuple[str, float]]:
    """Whom to kill, and after how many seconds of upload and conversion."""
    chance = random.Random(4)
    victims = ["server", "import", "worker"]
    return [(victims[number % 3], round(chance.uniform(0.0, 3.0), 2)) for number in range(KILLS)]


MODULES = {"import": "wk_jupyter.store.imports.worker", "worker": "wk_jupyter.store.convert.process"}


@pytest.mark.parametrize(("victim", "after"), moments())
def test_whoever_is_killed_the_dataset_is_right_in_the_end(
    servers: Servers, source: Path, voxels: np.ndarray, monkeypatch, victim: str, after: float
) -> None:
    monkeypatch.setattr(uploading, "CHUNK_BYTES", 2**18)
    monkeypatch.setattr(uploading, "_TRIES", 1)
    jobs: list[Job] = []
    uploader = threading.Thread(
        target=lambda: jobs.append(upload_until_it_is_there(servers, source, "stack", format="zarr3"))
    )
    uploader.start()
    time.sleep(after)  # a moment in the middle of it: which one doesn't matter
    if victim == "server":
        servers.kill()
        assert partly_there(servers) == []
        servers.start()
    else:
        while not kill_one(MODULES[victim], servers.home) and not is_done(servers):
            time.sleep(0.02)
    uploader.join(PATIENCE)
    wait_for(servers, jobs[0].id)
    require_whole(servers, "stack", voxels)


def is_done(servers: Servers) -> bool:
    return any(not path.name.startswith(".") for path in servers.organization.glob("*"))


def partly_there(servers: Servers) -> list[Path]:
    """Return folders that look like datasets, and have no properties."""
    found = [path for path in servers.organization.glob("*") if not path.name.startswith(".")]
    return [path for path in found if not (path / "datasource-properties.json").is_file()]


def test_a_server_takes_up_what_another_was_killed_over(
    servers: Servers, source: Path, voxels: np.ndarray
) -> None:
    servers.start()
    first = servers.servers[0]
    wk.connect(servers.url, TOKEN)
    job = wk.upload(source, "stack", voxel_size=VOXEL_SIZE, wait=False)
    assert isinstance(job, Job)
    assert first.process.poll() is None
    servers.kill()
    wait_for(servers, job.id)
    require_whole(servers, "stack", voxels)


def test_what_reads_the_files_ends_with_its_server(servers: Servers, source: Path) -> None:
    job = wk.upload(source, "stack", voxel_size=VOXEL_SIZE, wait=False)
    assert isinstance(job, Job)
    give_up = time.monotonic() + PATIENCE
    while not processes(MODULES["import"], servers.home):
        assert time.monotonic() < give_up
    servers.kill()
    while any(processes(module, servers.home) for module in MODULES.values()):
        assert time.monotonic() < give_up
        time.sleep(0.02)
    assert partly_there(servers) == []
    servers.start()
    wait_for(servers, job.id)


def test_a_job_that_is_killed_again_and_again_fails_in_words(servers: Servers, source: Path) -> None:
    job = wk.upload(source, "stack", voxel_size=VOXEL_SIZE, wait=False)
    assert isinstance(job, Job)
    while not job.refresh().is_over:
        kill_one(MODULES["import"], servers.home)
    with pytest.raises(WkError, match="was killed"):
        job.wait(0)
    assert partly_there(servers) == []
    job.retry().wait(PATIENCE)
    assert wk.open("stack").name == "stack"
