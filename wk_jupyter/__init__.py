"""WEBKNOSSOS dataset management inside Jupyter.

In a cell::

    import wk_jupyter as wk
    wk.datasets()
    ds = wk.open("l4_sample")
    ds.view()
    ds.layers["color"].read(((100, 100, 50), (64, 64, 16)))

Names are loaded when they are first used: importing this package is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from wk_jupyter import errors, samples
    from wk_jupyter.client.connection import Connection, connect
    from wk_jupyter.client.dataset import Dataset
    from wk_jupyter.client.folders import Folder, folders
    from wk_jupyter.client.importing import Inspection, inspect, upload
    from wk_jupyter.client.jobs import Job, jobs
    from wk_jupyter.client.layer import Layer, RoundedBoxWarning
    from wk_jupyter.client.opening import open_dataset as open  # noqa: A004 wk.open is meant to read so
    from wk_jupyter.client.people import Team, User, teams, users
    from wk_jupyter.client.table import DatasetTable, datasets, refresh
    from wk_jupyter.client.tokens import Token, tokens
    from wk_jupyter.geometry import BoundingBox, Mag, Vec3Int, VoxelSize
    from wk_jupyter.widgets.viewer import Viewer
    from wk_jupyter.widgets.viewing import view

__version__ = "0.1.0"

__all__ = [
    "BoundingBox",
    "Connection",
    "Dataset",
    "DatasetTable",
    "Folder",
    "Inspection",
    "Job",
    "Layer",
    "Mag",
    "RoundedBoxWarning",
    "Team",
    "Token",
    "User",
    "Vec3Int",
    "Viewer",
    "VoxelSize",
    "connect",
    "datasets",
    "errors",
    "folders",
    "inspect",
    "jobs",
    "open",
    "refresh",
    "samples",
    "teams",
    "tokens",
    "upload",
    "users",
    "view",
]

_HOMES: Final[dict[str, tuple[str, str | None]]] = {
    "BoundingBox": ("geometry", "BoundingBox"),
    "Connection": ("client.connection", "Connection"),
    "Dataset": ("client.dataset", "Dataset"),
    "DatasetTable": ("client.table", "DatasetTable"),
    "Folder": ("client.folders", "Folder"),
    "Inspection": ("client.importing", "Inspection"),
    "Job": ("client.jobs", "Job"),
    "Layer": ("client.layer", "Layer"),
    "Mag": ("geometry", "Mag"),
    "RoundedBoxWarning": ("client.layer", "RoundedBoxWarning"),
    "Team": ("client.people", "Team"),
    "Token": ("client.tokens", "Token"),
    "User": ("client.people", "User"),
    "Vec3Int": ("geometry", "Vec3Int"),
    "Viewer": ("widgets.viewer", "Viewer"),
    "VoxelSize": ("geometry", "VoxelSize"),
    "connect": ("client.connection", "connect"),
    "datasets": ("client.table", "datasets"),
    "errors": ("errors", None),
    "folders": ("client.folders", "folders"),
    "inspect": ("client.importing", "inspect"),
    "jobs": ("client.jobs", "jobs"),
    "open": ("client.opening", "open_dataset"),
    "refresh": ("client.table", "refresh"),
    "samples": ("samples", None),
    "teams": ("client.people", "teams"),
    "tokens": ("client.tokens", "tokens"),
    "upload": ("client.importing", "upload"),
    "users": ("client.people", "users"),
    "view": ("widgets.viewing", "view"),
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{home[0]}")
    found = module if home[1] is None else getattr(module, home[1])
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Return the server extension, for Jupyter, which asks for it by this name."""
    from wk_jupyter.server_ext.app import jupyter_server_extension_points  # noqa: PLC0415 loads tornado

    return jupyter_server_extension_points()
