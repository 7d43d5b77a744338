"""Servers to measure, each a process of its own, and wrk, which asks them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

ROOT = Path(__file__).resolve().parents[1]
PEER_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
TOKEN = "a-token-for-benchmarks"


@dataclass(frozen=True)
class Server:
    url: str
    pid: int

    def cpu_seconds(self) -> float:
        """User and system time of the process and its threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Load:
    """What wrk counted: requests a second, the 99th percentile in ms, and how many failed."""

    per_second: float
    p99_ms: float
    requests: int
    failed: int


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fetch(url: str, *, body: bytes | None = None, method: str | None = None) -> bytes:
    headers = {"Authorization": f"token {TOKEN}", "X-Auth-Token": TOKEN, "Content-Type": "application/json"}
    with urlopen(Request(url, data=body, headers=headers, method=method), timeout=120) as answer:
        return answer.read()


@contextlib.contextmanager
def running(command: list[str], port: int, path: str = "/", **environment: str) -> Iterator[Server]:
    """Start a server and wait until it answers; end it with all its children."""
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdout=log,
            stderr=log,
            cwd=ROOT,
            start_new_session=True,
        ) as process,
    ):
        try:
            _wait(process, port, path, log)
            yield Server(f"http://127.0.0.1:{port}", process.pid)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)


def _wait(process: subprocess.Popen, port: int, path: str, log) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            fetch(f"http://127.0.0.1:{port}{path}")
        except OSError as error:
            if getattr(error, "code", None) is not None:  # it answers, if only with an error
                return
            time.sleep(0.1)
        else:
            return
    log.seek(0)
    raise RuntimeError(f"{process.args} did not start: {log.read()[-2000:].decode()}")


@contextlib.contextmanager
def jupyter(data_dir: Path, *, extension: bool = True) -> Iterator[Server]:
    port = free_port()
    with tempfile.TemporaryDirectory() as home:
        enabled = {"wk_jupyter": extension, "benchmarks.constant": True}
        (Path(home) / "CONFIG").mkdir()
        config = json.dumps({"ServerApp": {"jpserver_extensions": enabled}})
        (Path(home) / "CONFIG" / "jupyter_server_config.json").write_text(config)
        command = [
            sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root",
            f"--port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={home}",
            f"--IdentityProvider.token={TOKEN}", f"--WkJupyterApp.data_dir={data_dir}",
            "--WkJupyterApp.organization=bench", "--log-level=WARN",
        ]  # fmt: skip
        folders = {f"JUPYTER_{kind}_DIR": f"{home}/{kind}" for kind in ("CONFIG", "DATA", "RUNTIME")}
        with running(command, port, "/api", **folders) as server:
            yield server


@contextlib.contextmanager
def neuroglancer(volume: Path) -> Iterator[Server]:
    port = free_port()
    command = [str(PEER_PYTHON), str(ROOT / "benchmarks" / "neuroglancer_peer.py"), str(volume), str(port)]
    with running(command, port) as server:
        yield server


@contextlib.contextmanager
def nginx(folder: Path) -> Iterator[Server]:
    port = free_port()
    with tempfile.TemporaryDirectory() as home:
        config = Path(home) / "nginx.conf"
        config.write_text(
            f"daemon off; master_process off; error_log {home}/error.log; pid {home}/pid;\n"
            "events {}\n"
            "http { access_log off; sendfile on; keepalive_requests 100000000;\n"
            f"client_body_temp_path {home}; default_type application/octet-stream;\n"
            f"server {{ listen 127.0.0.1:{port}; root {folder}; }} }}\n"
        )
        with running([shutil.which("nginx") or "/usr/sbin/nginx", "-c", str(config)], port) as server:
            yield server


_LUA = """
local lines = {}
for line in io.lines(os.getenv("WK_LINES")) do lines[#lines + 1] = line end
local method, path = os.getenv("WK_METHOD"), os.getenv("WK_PATH")
wrk.headers["X-Auth-Token"] = os.getenv("WK_TOKEN")
wrk.headers["Authorization"] = "token " .. os.getenv("WK_TOKEN")
wrk.headers["Accept-Encoding"] = os.getenv("WK_ACCEPT")
math.randomseed(os.time())
request = function()
  local line = lines[math.random(#lines)]
  if method == "POST" then return wrk.format("POST", path, nil, line) end
  return wrk.format("GET", line)
end
"""


def load(
    url: str, lines: list[str], *, post_to: str | None = None, seconds: int = 4, accept: str = "identity"
) -> Load:
    """Ask for random lines, 8 connections at a time: bodies to POST, or paths to GET."""
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "lines").write_text("\n".join(lines))
        (Path(home) / "ask.lua").write_text(_LUA)
        environment = {
            "WK_LINES": f"{home}/lines",
            "WK_METHOD": "POST" if post_to else "GET",
            "WK_PATH": post_to or "",
            "WK_TOKEN": TOKEN,
            "WK_ACCEPT": accept,
        }
        command = ["wrk", "-t1", "-c8", f"-d{seconds}s", "--latency", "-s", f"{home}/ask.lua", url]
        done = subprocess.run(
            command, env={**os.environ, **environment}, capture_output=True, text=True, check=True
        )
    return _parse(done.stdout)


def _parse(text: str) -> Load:
    found = re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
    requests = re.search(r"(\d+) requests in", text)
    per_second = re.search(r"Requests/sec:\s+([\d.]+)", text)
    if not (found and requests and per_second):
        raise RuntimeError(f"wrk said something else: {text}")
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    scale = {"us": 1e-3, "ms": 1.0, "s": 1e3}[found[2]]
    return Load(
        float(per_second[1]), float(found[1]) * scale, int(requests[1]), int(failed[1]) if failed else 0
    )
