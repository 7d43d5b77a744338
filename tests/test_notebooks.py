"""The notebooks, run by kernels of a real Jupyter server: as a user runs them, without the page."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import nbformat
import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from wk_jupyter import samples

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))
TOKEN = "a-token-for-notebooks"

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True)
class Server:
    """A Jupyter server of its own, below a prefix, that serves one generated sample."""

    url: str
    runtime_dir: Path

    def request(self, method: str, path: str) -> Any:
        headers = {"Authorization": f"token {TOKEN}"}
        reply = httpx.request(method, self.url + path, headers=headers, timeout=60, trust_env=False)
        reply.raise_for_status()
        return reply.json() if reply.content else None


@dataclass
class Ran:
    """What came out of one cell: data by MIME type, texts of streams, errors."""

    data: dict[str, Any] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def take(self, message: dict[str, Any]) -> None:
        content = message["content"]
        if message["msg_type"] in ("execute_result", "display_data"):
            self.data |= content["data"]
        elif message["msg_type"] == "error":
            self.errors.append("\n".join([f"{content['ename']}: {content['evalue']}", *content["traceback"]]))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    samples.generate(data_dir=folder / "data", organization="lab")
    own = {f"JUPYTER_{kind}_DIR": str(folder / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "JPY", "WK_"))}
    environment |= own | {"IPYTHONDIR": str(folder / "ipython")}
    command = [sys.executable, "-m", "jupyter", "server", "--no-browser", "--allow-root"]
    command += ["--port=0", "--ServerApp.base_url=/a/b/", f"--IdentityProvider.token={TOKEN}"]
    command += [f"--WkJupyterApp.data_dir={folder / 'data'}", "--WkJupyterApp.organization=lab"]
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stderr is not None
    drain = threading.Thread(target=process.stderr.read)  # a full pipe would stop the server
    try:
        said: list[str] = []
        address = None
        for line in process.stderr:
            said.append(line)
            address = re.search(r"http://127\.0\.0\.1:\d+/a/b/", line)
            if address:
                break
        assert address, "".join(said)
        drain.start()
        yield Server(address[0], folder / "runtime")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)
        if drain.ident is not None:
            drain.join()
        process.stderr.close()


def run(server: Server, notebook: nbformat.NotebookNode) -> list[Ran]:
    """Run all code cells in a new kernel of the server; ends at the first error."""
    kernel = server.request("POST", "api/kernels")["id"]
    client = BlockingKernelClient(connection_file=str(server.runtime_dir / f"kernel-{kernel}.json"))
    client.load_connection_file()
    client.start_channels(hb=False)  # a kernel that is still starting has no heartbeat: it is not dead
    try:
        client.wait_for_ready(timeout=60)
        ran = []
        for cell in notebook.cells:
            if cell.cell_type == "code":
                ran.append(Ran())
                client.execute_interactive(cell.source, output_hook=ran[-1].take, timeout=120)
                assert not ran[-1].errors, f"{cell.source}\n{ran[-1].errors[0]}"
        return ran
    finally:
        client.stop_channels()
        server.request("DELETE", f"api/kernels/{kernel}")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_kept_without_outputs_and_name_their_kernel(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


def test_the_quickstart_shows_and_reads_the_sample(server: Server) -> None:
    (path,) = (path for path in NOTEBOOKS if path.stem == "01_quickstart")
    ran = run(server, nbformat.read(path, as_version=4))
    texts = [cell.data.get("text/plain", "") for cell in ran]
    assert "sample_tissue" in ran[0].data["text/html"]
    assert any("application/vnd.jupyter.widget-view+json" in cell.data for cell in ran)
    assert "((128, 128, 32), dtype('uint8'), dtype('uint32'))" in texts
    assert "((300, 300, 1), (128, 128, 64))" in texts
    assert any("brightness" in cell.data.get("text/html", "") for cell in ran)
    moved = next(text for text in texts if re.fullmatch(r"[\[(][\d., ]+[\])]", text))
    x, y, z = json.loads(f"[{moved[1:-1]}]")
    assert 200 <= x < 328
    assert 100 <= y < 228
    assert 48 <= z < 80
    assert "Sample_e2006_wkw" in ran[-1].data["text/html"]
    assert TOKEN not in json.dumps([cell.data for cell in ran])


def test_a_lab_organizes_and_shares_its_datasets(server: Server) -> None:
    (path,) = (path for path in NOTEBOOKS if path.stem == "02_organize_and_share")
    notebook = nbformat.read(path, as_version=4)
    ran = run(server, notebook)
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]

    def shown(part: str, kind: str = "text/plain") -> str:
        """What came of the cell whose last line has a text in it."""
        (cell,) = (done for source, done in zip(sources, ran, strict=True) if part in source.splitlines()[-1])
        return str(cell.data[kind])

    assert shown("ds.metadata") == "{'species': 'mouse', 'age in weeks': 13, 'stains': ['osmium', 'lead']}"
    assert "2026" in shown('wk.folders["Lab"]')
    assert shown("ds.allowed_teams") == "no teams of its own (inherited: reviewers)"
    assert "as an admin" in shown("ds.explain_access()")
    assert "no more seen by: reviewers" in shown("preview=True")
    assert "description was 'Invented *nervous tissue*" in shown("told")
    assert "is now 'Their words'" in shown("told")
    assert shown("ds.share().url") == "True"
    assert "Cortex, layer 4" in shown('wk.datasets("mouse"')
    assert shown("add_tags").startswith("add tags: 3 ok")
    assert shown('move_to("Archive")').startswith("move to Archive: 3 ok")
    assert "stack_3" in shown("trashed=True")
    assert shown('folder="Archive"') == "3"
    # All is as it was.
    assert "sample_tissue" in shown("wk.datasets()")
    assert "stack" not in shown("wk.datasets()")
    everything = json.dumps([cell.data for cell in ran])
    assert TOKEN not in everything
    assert not re.search(r"[?&]token=[A-Za-z0-9]", everything)


def test_files_and_arrays_become_datasets(server: Server) -> None:
    (path,) = (path for path in NOTEBOOKS if path.stem == "03_import")
    notebook = nbformat.read(path, as_version=4)
    ran = run(server, notebook)
    shown = [cell.data.get("text/plain", "") for cell in ran]
    assert "80 files (picture), to be converted to 2 layers" in shown[1]
    assert "cells_labels, segmentation, uint16, 300 × 200 × 40" in shown[1]
    assert "stack_of_sections" in shown[2]
    assert any("application/vnd.jupyter.widget-view+json" in cell.data for cell in ran)
    assert shown[4].startswith("array([[[")
    assert "succeeded" in shown[6]
    assert "em_as_wkw" in shown[7]
    assert not any("stack_of_sections" in str(cell.data) for cell in run(server, _listing()))


def _listing() -> nbformat.NotebookNode:
    cell = nbformat.v4.new_code_cell("import wk_jupyter as wk; wk.datasets()")
    return nbformat.v4.new_notebook(cells=[cell])


def test_a_sample_made_in_a_cell_can_be_opened_by_name_in_the_next(server: Server) -> None:
    cells = [
        'import wk_jupyter as wk; wk.samples.generate("made_here", shape=(64, 64, 32))',
        'wk.open("made_here").layers["color"].read(mag="2-2-1").shape',
    ]
    ran = run(server, nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells]))
    assert ran[0].data["text/plain"].endswith("/data/binaryData/lab/made_here')")
    assert ran[1].data["text/plain"] == "(32, 32, 32)"
