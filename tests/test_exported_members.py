"""The public names: all there, all with a docstring, and cheap to import."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import wk_jupyter

HEAVY = ("tornado", "tensorstore", "zarr", "pandas", "httpx", "sqlalchemy", "anywidget", "ipywidgets", "dask")


@pytest.mark.parametrize("name", wk_jupyter.__all__)
def test_each_name_is_there_and_explained(name: str) -> None:
    assert getattr(wk_jupyter, name).__doc__


def test_completion_offers_the_public_names_alone() -> None:
    assert dir(wk_jupyter) == sorted([*wk_jupyter.__all__, "__version__"])


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        wk_jupyter.nonsense  # noqa: B018


def loaded_by(program: str) -> set[str]:
    command = [sys.executable, "-c", f"{program}\nimport json, sys; print(json.dumps(list(sys.modules)))"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in json.loads(done.stdout)}


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_by("import wk_jupyter; wk_jupyter.BoundingBox") & set(HEAVY) == set()


def test_reading_stored_formats_loads_no_database() -> None:
    loaded = loaded_by("import wk_jupyter.store.volumes, wk_jupyter.store.bricks")
    assert loaded & {"sqlalchemy", "alembic", "tornado", "httpx"} == set()
