from __future__ import annotations

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """A folder of real files with their truth, which lies beside some checkouts."""
    if not (SHARED_DATA / "manifest.json").exists():
        pytest.skip(f"the real sample files are not here ({SHARED_DATA})")
    return SHARED_DATA
