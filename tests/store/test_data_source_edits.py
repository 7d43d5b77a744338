"""Edits of the properties file through the API: what is said changes, what is not said stays."""

from __future__ import annotations

import json
import os

import pytest
from datasets_on_disk import properties, write_dataset
from lab import Lab

from wk_jupyter.errors import Conflict, InvalidDataSource, InvalidInput
from wk_jupyter.store import Store, StoreConfig
from wk_jupyter.store.attachment_edits import AttachmentRenaming
from wk_jupyter.store.data_source_edits import Renaming
from wk_jupyter.store.dataset_settings import DatasetPatch


def strange() -> dict:
    """A file with much in it that clients know nothing of."""
    document = properties(foreign={"kept": [1, 2.50, "ü"]})
    color, cells = document["dataLayers"]
    color |= {"adminViewConfiguration": {"alpha": 40}, "foreign": True}
    color["defaultViewConfiguration"] = {"alpha": 70, "futureKey": "kept"}
    color["mags"] = [{"mag": [1, 1, 1], "credentialId": "c1"}, {"mag": [2, 2, 1], "foreign": 7}]
    cells["largestSegmentId"] = 12
    return document


@pytest.fixture
def folder(tmp_path):
    folder = write_dataset(tmp_path / "binaryData" / "lab", "cells", strange())
    for name in ("color/1/x0.wkw", "color/2-2-1/x0.wkw", "cells/1/x0.wkw"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


@pytest.fixture
def lab(tmp_path, folder, database_url):
    store = Store(StoreConfig(tmp_path, "lab", owner_name="ada", database_url=database_url))
    store.scan()
    yield Lab(store)
    store.close()


def on_disk(folder):
    return json.loads((folder / "datasource-properties.json").read_bytes())


def edit(lab, document, *renamings):
    patch = DatasetPatch(data_source=document, layer_renamings=tuple(Renaming(*pair) for pair in renamings))
    return lab.store.settings.update(lab.ada, lab.dataset("cells").id, patch)


def as_client_sends_it(folder) -> dict:
    """What a client makes of what it was served: only what it knows, and paths that are not the file's."""
    document = on_disk(folder)
    layers = [
        {key: layer[key] for key in ("name", "category", "boundingBox", "elementClass")}
        | {
            "dataFormat": "zarr",
            "mags": [{"mag": mag["mag"], "path": "/srv/elsewhere"} for mag in layer["mags"]],
        }
        for layer in document["dataLayers"]
    ]
    return {"id": {"name": "x", "team": "y"}, "scale": document["scale"], "dataLayers": layers}


def test_a_round_trip_through_a_client_loses_nothing(lab, folder):
    raw, before = (folder / "datasource-properties.json").read_bytes(), lab.store.changes.newest()
    edit(lab, as_client_sends_it(folder))
    assert (folder / "datasource-properties.json").read_bytes() == raw
    assert lab.store.changes.newest() == before


def test_what_is_said_changes_and_is_served_at_once(lab, folder):
    document = as_client_sends_it(folder)
    document["scale"] = {"factor": [4, 4, 40.5], "unit": "micrometer"}
    color, cells = document["dataLayers"]
    color["boundingBox"] = {"topLeft": [-3, 0, 1], "width": 10, "height": 11, "depth": 12}
    cells["category"] = "color"
    cells["largestSegmentId"] = None
    record = edit(lab, document)
    source = lab.store.data_source(record)
    assert source.voxel_size.unit == "micrometer"
    assert tuple(source.layer("color").bounding_box.topleft) == (-3, 0, 1)
    assert source.layer("cells").category == "color"
    assert source.layer("cells").largest_segment_id is None
    assert dict(record.layers) == {"color": "color", "cells": "color"}
    kept = on_disk(folder)
    assert kept["foreign"] == {"kept": [1, 2.5, "ü"]}
    assert kept["dataLayers"][0]["foreign"] is True
    assert kept["dataLayers"][0]["mags"][0]["credentialId"] == "c1"
    assert kept["dataLayers"][0]["dataFormat"] == "wkw"
    assert "/srv" not in json.dumps(kept)


def test_ids_of_64_bit(lab, folder):
    document = as_client_sends_it(folder)
    cells = on_disk(folder)["dataLayers"][1]
    document["dataLayers"][1]["largestSegmentId"] = {"customJsonEncoding": "bigint", "value": "4294967295"}
    edit(lab, document)
    assert lab.store.data_source(lab.dataset("cells")).layer("cells").largest_segment_id == 2**32 - 1
    document["dataLayers"][1]["largestSegmentId"] = 2**32  # more than its voxels can hold
    with pytest.raises(InvalidInput):
        edit(lab, document)
    assert cells["elementClass"] == "uint32"


def test_views_are_as_sent_but_for_what_nobody_here_knows(lab, folder):
    document = as_client_sends_it(folder)
    document["defaultViewConfiguration"] = {"zoom": 2.5}
    document["dataLayers"][0]["defaultViewConfiguration"] = {"color": [255, 0, 0]}
    edit(lab, document)
    kept = on_disk(folder)
    assert kept["defaultViewConfiguration"] == {"zoom": 2.5}
    assert kept["dataLayers"][0]["defaultViewConfiguration"] == {"futureKey": "kept", "color": [255, 0, 0]}
    assert kept["dataLayers"][0]["adminViewConfiguration"] == {"alpha": 40}


def test_a_layer_is_renamed_where_it_lies(lab, folder):
    document = as_client_sends_it(folder)
    document["dataLayers"][0]["name"] = "EM"
    edit(lab, document, ("color", "EM"))
    layer = lab.store.data_source(lab.dataset("cells")).layer("EM")
    assert [mag.path for mag in layer.mags] == ["./color/1", "./color/2-2-1"]
    assert lab.store.mag_folder(lab.dataset("cells"), "EM", layer.mags[1].mag) == folder / "color" / "2-2-1"
    assert on_disk(folder)["dataLayers"][0]["foreign"] is True
    assert (folder / "color" / "1" / "x0.wkw").exists()
    document["dataLayers"][0]["name"] = "color"
    edit(lab, document, ("EM", "color"))
    assert lab.store.data_source(lab.dataset("cells")).layer("color").mags[0].path == "./color/1"


def test_two_layers_change_names(lab, folder):
    document = as_client_sends_it(folder)
    document["dataLayers"][0]["name"], document["dataLayers"][1]["name"] = "cells", "color"
    edit(lab, document, ("color", "cells"), ("cells", "color"))
    source = lab.store.data_source(lab.dataset("cells"))
    assert source.layer("cells").mags[0].path == "./color/1"
    assert source.layer("color").element_class == "uint32"


def test_layers_and_mags_that_are_taken_out_are_put_aside(lab, folder):
    document = as_client_sends_it(folder)
    del document["dataLayers"][0]["mags"][1], document["dataLayers"][1]
    edit(lab, document)
    source = lab.store.data_source(lab.dataset("cells"))
    assert [layer.name for layer in source.layers] == ["color"]
    assert [str(mag.mag) for mag in source.layer("color").mags] == ["1"]
    assert not (folder / "cells").exists()
    aside = {path.read_text() for path in (folder / ".trash").rglob("*.wkw")}
    assert aside == {"color/2-2-1/x0.wkw", "cells/1/x0.wkw"}
    assert (folder / "color" / "1" / "x0.wkw").exists()


def test_links_are_unlinked_and_what_they_lead_to_stays(lab, folder, tmp_path):
    for name in ("cells", "color/2-2-1"):
        away = tmp_path / "away" / name
        away.parent.mkdir(parents=True, exist_ok=True)
        (folder / name).rename(away)
        (folder / name).symlink_to(away)
    document = as_client_sends_it(folder)
    del document["dataLayers"][0]["mags"][1], document["dataLayers"][1]
    edit(lab, document)
    assert not os.path.lexists(folder / "cells")
    assert not os.path.lexists(folder / "color" / "2-2-1")
    assert (tmp_path / "away" / "cells" / "1" / "x0.wkw").exists()
    assert (tmp_path / "away" / "color" / "2-2-1" / "x0.wkw").exists()


def wrong(**changes):
    def change(document):
        layer = document["dataLayers"][0]
        layer.update(changes)

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.update(dataLayers=[]),
        lambda document: document.update(dataLayers="color"),
        lambda document: document.update(dataLayers=[7]),
        lambda document: document.update(scale=[0, 1, 1]),
        lambda document: document.update(defaultViewConfiguration=[1]),
        lambda document: document["dataLayers"][1].update(name="color"),
        wrong(name=None), wrong(name="../up"), wrong(name=""),
        wrong(category="picture"),
        wrong(boundingBox={"topLeft": [0, 0, 0], "width": 0, "height": 1, "depth": 1}),
        wrong(mags=[{"mag": [4, 4, 4]}]), wrong(mags=[{"mag": "x"}]), wrong(mags=[7]), wrong(mags={}),
        wrong(mags=[{"mag": [1, 1, 1]}, {"mag": [1, 1, 1]}]),
        lambda document: document["dataLayers"].append(
            {"name": "new", "category": "color", "elementClass": "uint8", "dataFormat": "wkw",
             "boundingBox": {"topLeft": [0, 0, 0], "width": 1, "height": 1, "depth": 1},
             "mags": [{"mag": [1, 1, 1], "path": "/etc"}]}
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_and_changes_nothing(lab, folder, change):
    raw, before = (folder / "datasource-properties.json").read_bytes(), lab.dataset("cells")
    document = as_client_sends_it(folder)
    change(document)
    with pytest.raises((InvalidDataSource, InvalidInput)):
        edit(lab, document)
    assert (folder / "datasource-properties.json").read_bytes() == raw
    assert lab.dataset("cells") == before
    assert not (folder / ".trash").exists()


def test_a_renaming_of_nothing_is_told(lab, folder):
    with pytest.raises(InvalidInput, match="'nothing'"):
        edit(lab, as_client_sends_it(folder), ("nothing", "EM"))


def test_what_it_said_before_is_kept_beside_it(lab, folder):
    for factor in (1, 2):
        document = as_client_sends_it(folder) | {"scale": {"factor": [factor] * 3, "unit": "nanometer"}}
        edit(lab, document)
    log = (folder / "datasource-properties-backups.log").read_text()
    assert log.count("# until ") == 2
    assert "11.24" in log


def test_a_full_disk_is_told(lab, folder, monkeypatch):
    before = lab.dataset("cells")
    monkeypatch.setattr("wk_jupyter.store.data_source_edits.write_properties", _refuse)
    with pytest.raises(Conflict, match="cannot be written: No space left"):
        edit(lab, as_client_sends_it(folder) | {"scale": {"factor": [9, 9, 9], "unit": "nanometer"}})
    assert lab.dataset("cells") == before


def _refuse(*_):
    raise OSError(28, "No space left on device")


ATTACHED = {
    "agglomerates": [{"name": "a", "path": "./cells/a", "foreign": 1}, {"name": "b", "path": "./cells/b"}],
    "segmentIndex": {"name": "index", "path": "./cells/index"},
    "futureKind": [{"name": "x"}],
}


@pytest.fixture
def attached(lab, folder):
    document = on_disk(folder)
    document["dataLayers"][1]["attachments"] = ATTACHED
    (folder / "datasource-properties.json").write_text(json.dumps(document))
    lab.store.scan()
    return lab


def attach(lab, folder, said, *renamings, knows=True):
    document = as_client_sends_it(folder)
    document["dataLayers"][1] |= said
    patch = DatasetPatch(
        data_source=document, attachment_renamings=tuple(AttachmentRenaming(*each) for each in renamings)
        if knows else None,
    )  # fmt: skip
    lab.store.settings.update(lab.ada, lab.dataset("cells").id, patch)
    return on_disk(folder)["dataLayers"][1].get("attachments")


def test_attachments_are_renamed_and_taken_out_and_keep_their_files(attached, folder):
    assert attach(attached, folder, {}, knows=False) == ATTACHED  # who knows of none takes none away
    listed = {"agglomerates": [{"name": "c", "path": "/etc/passwd"}], "segmentIndex": [{"name": "index"}]}
    renamed = ("cells", "agglomerates", "a", "c")
    assert attach(attached, folder, {"attachments": listed}, renamed) == {
        "agglomerates": [{"name": "c", "path": "./cells/a", "foreign": 1}],
        "segmentIndex": ATTACHED["segmentIndex"],
        "futureKind": ATTACHED["futureKind"],
    }
    assert attach(attached, folder, {}) == {"futureKind": ATTACHED["futureKind"]}


@pytest.mark.parametrize(
    ("listed", "renamings", "said"),
    [
        ({"agglomerates": [{"name": "z"}]}, [], "no attachment 'z'"),
        ({"agglomerates": [{"name": "a"}, {"name": "a"}]}, [], "each its own"),
        ({"agglomerates": [{}]}, [], "each its own"),
        ({"meshes": 5}, [], "each its own"),
        ([], [("cells", "meshes", "a", "b")], "no attachment 'a' among its meshes"),
        ({"agglomerates": [{"name": "a"}]}, [("cells", "agglomerates", "b", "a/b")], "newName"),
        ({"agglomerates": [{"name": "b"}]}, [("cells", "agglomerates", "b", "c")], "no attachment 'b'"),
        ({}, [("nowhere", "agglomerates", "a", "b")], "no layer 'nowhere'"),
        (7, [], "an object"),
    ],
)
def test_attachments_that_make_no_sense_change_nothing(attached, folder, listed, renamings, said):
    with pytest.raises((InvalidInput, InvalidDataSource), match=said):
        attach(attached, folder, {"attachments": listed}, *renamings)
    assert on_disk(folder)["dataLayers"][1]["attachments"] == ATTACHED
