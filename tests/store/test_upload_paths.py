"""Datasets that somebody puts on the server's disk herself."""

from __future__ import annotations

from pathlib import Path

import pytest
from datasets_on_disk import properties, write_dataset
from lab import Lab

from wk_jupyter.errors import Conflict, Forbidden, InvalidDataSource, InvalidInput, NotFound, WkError
from wk_jupyter.store import Store, StoreConfig
from wk_jupyter.store.upload_paths import PathReservation


@pytest.fixture
def lab(tmp_path, database_url):
    write_dataset(tmp_path / "data" / "binaryData" / "lab", "study")
    store = Store(StoreConfig(tmp_path / "data", "lab", owner_name="ada", database_url=database_url))
    store.scan()
    yield Lab(store)
    store.close()


def reservation(**changed) -> PathReservation:
    document = properties()
    for layer in document["dataLayers"]:
        for mag in layer["mags"]:
            mag["path"] = "../../../etc"
    return PathReservation(**{"name": "brought", "document": document} | changed)


def test_files_go_into_a_folder_of_their_own_whatever_their_paths_were(lab, tmp_path):
    _, told = lab.store.upload_paths.reserve(lab.ada, reservation())
    root = tmp_path / "data" / "binaryData" / "lab" / ".paths"
    for layer in told["dataLayers"]:
        assert all(Path(mag["path"]).is_relative_to(root) for mag in layer["mags"])
    assert lab.store.scan().datasets == 1


def test_what_is_not_there_or_leads_out_is_refused_and_kept(lab, tmp_path):
    paths = lab.store.upload_paths
    dataset_id, told = paths.reserve(lab.ada, reservation())
    with pytest.raises(NotFound, match="nothing at"):
        paths.finish(lab.ada, dataset_id)
    place = Path(told["dataLayers"][0]["mags"][0]["path"])
    place.parent.mkdir(parents=True)
    place.symlink_to(tmp_path)
    with pytest.raises(Forbidden, match="leads to a folder"):
        paths.finish(lab.ada, dataset_id)
    for layer in told["dataLayers"]:
        for mag in layer["mags"]:
            Path(mag["path"]).mkdir(parents=True)
            (Path(mag["path"]) / "header.wkw").write_bytes(b"no header")
    with pytest.raises(WkError):
        paths.finish(lab.ada, dataset_id)
    assert (place / "header.wkw").exists()
    assert lab.store.scan().datasets == 1


@pytest.mark.parametrize("document", [{}, {"dataLayers": 3}, {"dataLayers": [{}]}, {"dataLayers": [3]}])
def test_a_data_source_that_is_none(lab, document):
    with pytest.raises((InvalidDataSource, InvalidInput)):
        lab.store.upload_paths.reserve(lab.ada, reservation(document=document))


def test_a_name_that_is_to_be_unique(lab):
    with pytest.raises(Conflict):
        lab.store.upload_paths.reserve(lab.ada, reservation(name="study", is_unique=True))


@pytest.mark.parametrize("dataset_id", ["0" * 24, "../../x", ""])
def test_what_was_never_reserved(lab, dataset_id):
    with pytest.raises(NotFound):
        lab.store.upload_paths.finish(lab.ada, dataset_id)


@pytest.mark.parametrize("name", ["../../x", "a/b", "..", "/etc"])
def test_a_layer_whose_name_leads_out(lab, name):
    document = properties()
    document["dataLayers"][0]["name"] = name
    with pytest.raises(WkError):
        lab.store.upload_paths.reserve(lab.ada, reservation(document=document))
