"""Mags and attachments brought into a dataset that is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from datasets_on_disk import write_dataset
from lab import Lab

from wk_jupyter.errors import Conflict, Forbidden, InvalidInput, LayerNotFound, NotFound
from wk_jupyter.geometry import Mag
from wk_jupyter.store import Store, StoreConfig
from wk_jupyter.store.upload_parts import SINGLE, AttachmentPart, MagPart

NEW = (8, 8, 8)


@pytest.fixture
def allowed(tmp_path) -> Path:
    return tmp_path / "allowed"


@pytest.fixture
def lab(tmp_path, allowed, database_url):
    write_dataset(tmp_path / "data" / "binaryData" / "lab", "study")
    config = StoreConfig(
        tmp_path / "data", "lab", owner_name="ada", database_url=database_url, allowed_roots=(allowed,)
    )
    store = Store(config)
    store.scan()
    yield Lab(store)
    store.close()


def mag_folder(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "header.wkw").write_bytes(b"WKW")
    return path


def part_of(lab, mag=NEW, layer="color") -> MagPart:
    return MagPart(lab.dataset("study").id, layer, mag)


def attachment(lab, name="m", kind="meshes", data_format="hdf5") -> AttachmentPart:
    return AttachmentPart(lab.dataset("study").id, "cells", kind, name, data_format)


def mags(lab) -> list[Mag]:
    return [each.mag for each in lab.store.data_source(lab.dataset("study")).layer("color").mags]


def document(lab) -> dict:
    return json.loads(
        (lab.store.context.folder(lab.dataset("study")) / "datasource-properties.json").read_text()
    )


def test_a_mag_that_was_uploaded(lab, tmp_path):
    brought = mag_folder(tmp_path / "data" / "brought")
    lab.store.upload_parts.put(lab.ada, part_of(lab), brought)
    assert Mag(NEW) in mags(lab)
    place = lab.store.mag_folder(lab.dataset("study"), "color", Mag(NEW))
    assert (place / "header.wkw").read_bytes() == b"WKW"
    assert not brought.exists()
    with pytest.raises(Conflict, match="has a mag 8"):
        lab.store.upload_parts.require_possible(lab.ada, part_of(lab))


def test_what_is_no_mag_stays_where_it_was(lab, tmp_path):
    brought = tmp_path / "data" / "brought"
    brought.mkdir()
    (brought / "zarr.json").write_text("{}")
    before = document(lab)
    with pytest.raises(InvalidInput, match=r"header\.wkw"):
        lab.store.upload_parts.put(lab.ada, part_of(lab), brought)
    with pytest.raises(LayerNotFound):
        lab.store.upload_parts.put(lab.ada, part_of(lab, layer="no"), brought)
    assert (brought / "zarr.json").exists()
    assert document(lab) == before


def test_a_mag_that_was_put_there(lab):
    parts = lab.store.upload_parts
    place = parts.reserve(lab.ada, part_of(lab))
    with pytest.raises(NotFound):
        parts.finish(lab.ada, part_of(lab))
    mag_folder(place)
    assert Mag(NEW) not in mags(lab)
    parts.finish(lab.ada, part_of(lab))
    assert Mag(NEW) in mags(lab)


def test_what_was_left_at_a_place_is_put_aside(lab):
    parts = lab.store.upload_parts
    left = mag_folder(parts.reserve(lab.ada, part_of(lab)))
    (left / "old").write_text("half")
    assert parts.reserve(lab.ada, part_of(lab)) == left
    assert not left.exists()
    assert len(list(lab.store.context.folder(lab.dataset("study")).glob(".trash/*/color/8/old"))) == 1


def test_links_lead_to_allowed_folders_alone(lab, tmp_path, allowed):
    parts = lab.store.upload_parts
    place = parts.reserve(lab.ada, part_of(lab))
    place.symlink_to(mag_folder(tmp_path / "elsewhere"))
    with pytest.raises(Forbidden, match="leads to a folder"):
        parts.finish(lab.ada, part_of(lab))
    assert not place.is_symlink()
    place.symlink_to(tmp_path / "data")  # the catalog and its secrets
    with pytest.raises(Forbidden):
        parts.finish(lab.ada, part_of(lab))
    place.symlink_to(mag_folder(allowed / "mag"))
    parts.finish(lab.ada, part_of(lab))
    assert Mag(NEW) in mags(lab)


def test_nothing_is_put_through_a_layer_that_is_a_link(lab, tmp_path):
    folder = lab.store.context.folder(lab.dataset("study")) / "color"
    folder.rename(tmp_path / "moved")
    folder.symlink_to(tmp_path / "moved")
    with pytest.raises(InvalidInput, match="link to somewhere else"):
        lab.store.upload_parts.reserve(lab.ada, part_of(lab))


def test_attachments_that_are_files_and_folders(lab, tmp_path):
    for name, data_format in (("m", "hdf5"), ("n", "zarr3")):
        brought = tmp_path / "data" / "brought"
        brought.mkdir(exist_ok=True)
        (brought / (SINGLE if data_format == "hdf5" else "zarr.json")).write_text(name)
        lab.store.upload_parts.put(lab.ada, attachment(lab, name, data_format=data_format), brought)
    (layer,) = (each for each in document(lab)["dataLayers"] if each["name"] == "cells")
    assert layer["attachments"]["meshes"] == [
        {"name": "m", "path": "./cells/meshes/m.hdf5", "dataFormat": "hdf5"},
        {"name": "n", "path": "./cells/meshes/n", "dataFormat": "zarr3"},
    ]
    folder = lab.store.context.folder(lab.dataset("study")) / "cells" / "meshes"
    assert (folder / "m.hdf5").read_text() == "m"
    assert (folder / "n" / "zarr.json").read_text() == "n"
    with pytest.raises(Conflict):
        lab.store.upload_parts.require_possible(lab.ada, attachment(lab))


@pytest.mark.parametrize(
    "changed", [{"name": "../m"}, {"name": ".."}, {"name": ""}, {"kind": "odd"}, {"data_format": "../x"}]
)
def test_an_attachment_that_cannot_be(lab, changed):
    with pytest.raises(InvalidInput):
        lab.store.upload_parts.require_possible(lab.ada, attachment(lab, **changed))
