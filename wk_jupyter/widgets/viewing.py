"""``wk.view``: open and show in one call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from wk_jupyter.client.dataset import Dataset
from wk_jupyter.client.opening import open_dataset

if TYPE_CHECKING:
    from wk_jupyter.widgets.viewer import Viewer


def view(dataset: Dataset | str | Path, **settings: Any) -> Viewer:
    """Show a dataset, or what ``wk.open`` would open: ``wk.view("/data/scan1", zoom=2)``."""
    opened = dataset if isinstance(dataset, Dataset) else open_dataset(dataset)
    return opened.view(**settings)
