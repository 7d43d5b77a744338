from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from wk_jupyter.client import connection as connections

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from known_server import Known, running, write_known, write_real
from real_files import SHARED_DATA


@pytest.fixture(scope="session")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Known]:
    home = tmp_path_factory.mktemp("server")
    root = home / "data" / "binaryData" / "lab"
    random = np.random.default_rng(1)
    grey = random.integers(0, 256, (1, 105, 130, 43), dtype=np.uint8)
    ids = random.integers(0, 2**63, (1, 105, 130, 43), dtype=np.uint64)
    write_known(root / "known", grey, ids)
    (root / "broken").mkdir()
    (root / "broken" / "datasource-properties.json").write_text("{")
    real = dict(write_real(root)) if SHARED_DATA.exists() else {}
    with running(home) as url:
        yield Known(url, home / "data", grey, ids, real)


@pytest.fixture(autouse=True)
def _no_connection_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins without a current connection and without a server around it."""
    monkeypatch.setattr(connections, "_default", None)
    for name in ("WK_JUPYTER_URL", "WK_JUPYTER_TOKEN", "JPY_PARENT_PID", "JUPYTERHUB_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
