"""Programs of others that read from a running server, each in its own process.

Their environment, ``.venv-peers`` beside the project's own, is made once. It is apart for two reasons:
the official client's licence (AGPL) must not reach ours, and its pins do not suit our dependencies.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "server_ext"))

from sample_datasets import ORGANIZATION, TOKEN, Samples, write_samples  # noqa: E402

PEERS = ROOT / ".venv-peers"
REQUIREMENTS = ["webknossos>=4", "neuroglancer>=2.40", "playwright>=1.49"]
BASE_URL = "/user/ada/"


@dataclass
class Server:
    """A Jupyter server of its own process. ``url`` ends with ``wk``."""

    url: str
    samples: Samples


def pytest_configure(config) -> None:
    config.addinivalue_line("markers", "peers: runs programs of others in an environment of their own")


def pytest_collection_modifyitems(items) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.peers)


@pytest.fixture(scope="module")
def own_server(tmp_path_factory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("own_server")) as running:
        yield running


@pytest.fixture(scope="session")
def peer_python() -> Path:
    python = PEERS / "bin" / "python"
    stamp = PEERS / "requirements.json"
    if stamp.exists() and json.loads(stamp.read_text()) == REQUIREMENTS:
        return python
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    made = (
        [uv, "venv", "--clear", str(PEERS)] if uv else [sys.executable, "-m", "venv", "--clear", str(PEERS)]
    )
    install = [uv, "pip", "install", "--python", str(python)] if uv else [str(python), "-m", "pip", "install"]
    for command in (made, [*install, *REQUIREMENTS]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"the peers cannot be installed here: {done.stderr.strip()[-300:]}")
    stamp.write_text(json.dumps(REQUIREMENTS))
    return python


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@contextmanager
def running_server(home: Path, *options: str) -> Iterator[Server]:
    """A server of its own, for those who change what others read."""
    samples = write_samples(home / "data")
    properties = samples.folder / "cells" / "datasource-properties.json"
    # The official client takes no attachment whose name has a space in it.
    properties.write_text(properties.read_text().replace("view 1", "view_1"))
    folders = {f"JUPYTER_{kind}_DIR": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    command = [
        sys.executable, "-m", "jupyter", "server", "--no-browser", "--allow-root", "--port=0",
        f"--ServerApp.base_url={BASE_URL}", f"--IdentityProvider.token={TOKEN}",
        f"--ServerApp.root_dir={home}",
        "--ServerApp.jpserver_extensions={'wk_jupyter': True}", "--ServerApp.allow_origin=*",
        f"--WkJupyterApp.data_dir={samples.data_dir}", f"--WkJupyterApp.organization={ORGANIZATION}",
        *options,
    ]  # fmt: skip
    log = (home / "server.log").open("wb")
    process = subprocess.Popen(
        command, env=os.environ | folders, stdout=log, stderr=log, start_new_session=True, cwd=home
    )
    try:
        yield Server(_address(process, Path(folders["JUPYTER_RUNTIME_DIR"]), home / "server.log"), samples)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def _address(process: subprocess.Popen, runtime: Path, log: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for file in runtime.glob("jpserver-*.json"):
            return json.loads(file.read_text())["url"].replace("localhost", "127.0.0.1") + "wk"
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(log.read_text())
