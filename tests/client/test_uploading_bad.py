"""Damaged, hostile and odd files, uploaded: each is refused in words or becomes a dataset that is whole."""

from __future__ import annotations

import json
import re
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from known_server import TOKEN, Known
from malformed_files import MALFORMED
from PIL import Image
from real_files import SHARED_DATA

import wk_jupyter as wk
from wk_jupyter.errors import WkError


@pytest.fixture(autouse=True)
def connected(known: Known) -> None:
    wk.connect(known.url, TOKEN)


def require_not_there(name: str, known: Known) -> None:
    """No dataset of this name can be opened, and no folder of it is in its place."""
    with pytest.raises(WkError):
        wk.open(name)
    assert not (known.data_dir / "binaryData" / "lab" / name).exists()


@pytest.mark.parametrize("path", MALFORMED)
def test_malformed_files_are_refused(known: Known, path: str) -> None:
    if not SHARED_DATA.exists():
        pytest.skip(f"the real sample files are not here ({SHARED_DATA})")
    name = "bad-" + re.sub(r"[^A-Za-z0-9]+", "-", path)
    with pytest.raises(WkError, match=re.escape(MALFORMED[path])):
        wk.upload(SHARED_DATA / "malformed" / path, name, voxel_size=(1, 1, 1))
    require_not_there(name, known)
    assert not (known.data_dir / "binaryData" / "lab" / "evil.txt").exists()


def pictures(folder: Path, values: list[int]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, value in enumerate(values):
        Image.fromarray(np.full((20, 30), value, np.uint8)).save(folder / f"{number}.png")
    return folder


def test_two_uploads_of_one_name_are_two_datasets(tmp_path: Path) -> None:
    made: list[Any] = []

    def bring(value: int) -> None:
        folder = pictures(tmp_path / f"{value}", [value, value])
        made.append((value, wk.upload(folder, "one-name", voxel_size=(1, 1, 1))))

    threads = [threading.Thread(target=bring, args=(value,)) for value in (3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({ds.id for _, ds in made}) == 2
    for value, ds in made:
        [layer] = ds.layers.values()
        assert (layer.read() == value).all()


@pytest.mark.parametrize("name", ["Größe und Maß", "a b  c", "..", "ü" * 200, "名前"])
def test_names_of_any_kind_become_folders_within(tmp_path: Path, known: Known, name: str) -> None:
    ds = wk.upload(pictures(tmp_path / "x", [1, 2]), name, voxel_size=(1, 1, 1))
    assert isinstance(ds, wk.Dataset)
    assert ds.name == name
    [layer] = ds.layers.values()
    assert layer.read().shape == (30, 20, 2)
    assert {path.name for path in (known.data_dir / "binaryData").iterdir()} == {"lab"}


def test_names_of_files_may_be_of_any_kind(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "Ordner mit Umläuten (1)", [5, 6])
    (folder / "0.png").rename(folder / ("0 ä ☃ %20 '" + "n" * 200 + ".png"))
    ds = wk.upload(folder, "odd-files", voxel_size=(1, 1, 1))
    assert isinstance(ds, wk.Dataset)
    [layer] = ds.layers.values()
    assert layer.read()[0, 0].tolist() == [5, 6]


def test_an_empty_file_is_named(tmp_path: Path, known: Known) -> None:
    folder = pictures(tmp_path / "x", [5, 6])
    (folder / "2.png").touch()
    with pytest.raises(WkError, match=r"2\.png"):
        wk.upload(folder, "empty-file", voxel_size=(1, 1, 1))
    require_not_there("empty-file", known)


@pytest.mark.parametrize("path", ["../../../secret", "/etc", "color/../../known/color/1"])
def test_mags_outside_of_a_dataset_are_refused(tmp_path: Path, known: Known, path: str) -> None:
    shutil.copytree(known.data_dir / "binaryData" / "lab" / "known", tmp_path / "ds")
    properties = tmp_path / "ds" / "datasource-properties.json"
    document = json.loads(properties.read_text())
    document["dataLayers"][0]["mags"][0]["path"] = path
    properties.write_text(json.dumps(document))
    with pytest.raises(WkError):
        wk.upload(tmp_path / "ds", "outside")
    require_not_there("outside", known)


def test_many_small_files_are_one_image(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "x", [number % 256 for number in range(300)])
    ds = wk.upload(folder, "many-files", voxel_size=(1, 1, 1))
    assert isinstance(ds, wk.Dataset)
    [layer] = ds.layers.values()
    assert layer.read()[0, 0].tolist() == [number % 256 for number in range(300)]
