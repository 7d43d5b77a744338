"""Datasets on disk: what they are, who may use them, how they are read. Knows no tornado, no Jupyter.

Names are loaded when they are used, so that reading a stored format loads no database library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from wk_jupyter.store.records import DatasetPage, DatasetQuery, DatasetRecord, FolderRecord, ScanReport
    from wk_jupyter.store.store import Store, StoreConfig

__all__ = [
    "DatasetPage",
    "DatasetQuery",
    "DatasetRecord",
    "FolderRecord",
    "ScanReport",
    "Store",
    "StoreConfig",
]

_HOMES: Final = {"Store": "store", "StoreConfig": "store"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES.get(name, 'records')}"), name)
