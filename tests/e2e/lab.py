"""A JupyterLab server, and a notebook in a page of it, as tests use them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import psutil
from playwright.sync_api import Page

TOKEN = "a-token-that-no-notebook-may-hold"
_DEADLINE = 60.0
_EXPOSED = ("LabApp", "JupyterNotebookApp")
# Settings of JupyterLab, as an administrator would give them.
_SETTINGS = {
    "page_config.json": {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}},
    "default_setting_overrides.json": {"@jupyter-widgets/jupyterlab-manager:plugin": {"saveState": True}},
}


def until(check: Callable[[], Any], what: str, seconds: float = _DEADLINE) -> Any:
    """Ask again and again until ``check`` gives something true, and return that."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what}: not so after {seconds:.0f} s"
        pause.wait(0.05)


@dataclass(frozen=True)
class Lab:
    """A running server. ``root`` is where its notebooks lie."""

    url: str
    root: Path
    data_dir: Path
    pid: int
    log: Path

    def write_notebook(self, name: str, *cells: str) -> Path:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata["kernelspec"] = {
            "name": "python3",
            "display_name": "Python 3",
            "language": "python",
        }
        path = self.root / name
        nbformat.write(notebook, path)
        return path


@contextmanager
def running_lab(folder: Path, data_dir: Path, *, extension: bool = True) -> Iterator[Lab]:
    """Start JupyterLab, with folders of its own, below a prefix; ``extension``: with ours enabled."""
    own = {kind: folder / kind.lower() for kind in ("CONFIG", "DATA", "RUNTIME")}
    (own["CONFIG"] / "labconfig").mkdir(parents=True)
    for name, settings in _SETTINGS.items():
        (own["CONFIG"] / "labconfig" / name).write_text(json.dumps(settings))
    root = folder / "notebooks"
    root.mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "JPY", "WK_"))}
    environment |= {f"JUPYTER_{kind}_DIR": str(path) for kind, path in own.items()}
    environment |= {"IPYTHONDIR": str(folder / "ipython")}
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--port=0"]
    command += ["--ServerApp.base_url=/a/b/", f"--IdentityProvider.token={TOKEN}"]
    command += [f"--{app}.expose_app_in_browser=True" for app in _EXPOSED]
    if extension:
        command += [f"--WkJupyterApp.data_dir={data_dir}", "--WkJupyterApp.organization=lab"]
    else:
        command += ["--ServerApp.jpserver_extensions=wk_jupyter=False"]
    log = folder / "lab.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=root, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield Lab(_address(own["RUNTIME"], process, log), root, data_dir, process.pid, log)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)


def _address(runtime: Path, process: subprocess.Popen[bytes], log: Path) -> str:
    def read() -> str | None:
        assert process.poll() is None, log.read_text()
        for file in runtime.glob(f"jpserver-{process.pid}.json"):
            text = file.read_text()
            return json.loads(text)["url"] if text.endswith("}") else None
        return None

    return until(read, "JupyterLab has started")


class Notebook:
    """A notebook in a page. ``app`` is ``lab`` or ``notebooks`` (Notebook 7)."""

    def __init__(self, page: Page, lab: Lab, name: str, app: str = "lab") -> None:
        self.page, self.lab, self.name = page, lab, name
        place = f"doc/tree/{name}" if app == "lab" else f"notebooks/{name}"
        page.goto(f"{lab.url}{place}?token={TOKEN}")
        page.wait_for_function(
            "globalThis.jupyterapp?.shell?.currentWidget?.sessionContext?.isReady", timeout=60_000
        )

    def save(self) -> None:
        """Save the notebook, with the state of its widgets, as this project's settings have it."""
        self.command("docmanager:save")
        file = self.lab.root / self.name
        until(lambda: "widget-state+json" in file.read_text(), "it is saved")

    def run_all(self) -> None:
        """Run all cells, and wait until they have finished."""
        self.command("notebook:run-all-cells")
        for cell in self.cells():
            _raise_errors(cell)

    def run(self, source: str) -> str:
        """Run a new cell at the end; return the text of its outputs."""
        self.page.evaluate(
            """async (source) => {
                const { content } = jupyterapp.shell.currentWidget;
                const { sharedModel } = content.model;
                sharedModel.addCell({ cell_type: "code", source, metadata: {}, outputs: [] });
                content.activeCellIndex = sharedModel.cells.length - 1;
                await jupyterapp.commands.execute("notebook:run-cell");
            }""",
            source,
        )
        return _raise_errors(self.cells()[-1])

    def value(self, expression: str) -> Any:
        """What a cell with an expression shows, read as JSON."""
        return json.loads(self.run(f"import json; print(json.dumps({expression}))"))

    def cells(self) -> list[dict[str, Any]]:
        return self.page.evaluate("jupyterapp.shell.currentWidget.content.model.toJSON().cells")

    def command(self, name: str, **options: Any) -> None:
        run = "([name, options]) => jupyterapp.commands.execute(name, options).then(() => null)"
        self.page.evaluate(run, [name, options])

    def shut_down(self) -> None:
        """End the notebook's kernel."""
        self.page.evaluate("jupyterapp.shell.currentWidget?.sessionContext?.shutdown()")


def _raise_errors(cell: dict[str, Any]) -> str:
    texts = []
    for output in cell["outputs"]:
        assert output["output_type"] != "error", f"{cell['source']}\n{output}"
        text = output.get("text") or output.get("data", {}).get("text/plain", "")
        texts.append(text if isinstance(text, str) else "".join(text))
    return "".join(texts)


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid)
