"""A dataset's settings in a cell, against a running server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from known_server import BOX, TOKEN, running, write_known

import wk_jupyter as wk
from wk_jupyter.client.connection import Connection
from wk_jupyter.client.dataset import Dataset, dataset_of_entry
from wk_jupyter.client.discovery import find_endpoint
from wk_jupyter.errors import (
    Conflict,
    DatasetNotFound,
    Forbidden,
    InvalidInput,
    LayerNotFound,
    NotFound,
    UnknownOption,
)
from wk_jupyter.store import Store, StoreConfig
from wk_jupyter.store.access import owner


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("server")
    grey = np.arange(32**3, dtype=np.uint8).reshape(1, 32, 32, 32)
    write_known(home / "data" / "binaryData" / "lab" / "cells", grey, grey.astype(np.uint64))
    return home / "data"


@pytest.fixture(scope="module")
def server(data_dir) -> Iterator[str]:
    with running(data_dir.parent) as url:
        yield url


@pytest.fixture
def connection(server) -> Iterator[Connection]:
    made = wk.connect(server, TOKEN)
    yield made
    made.close()


FRESH = {"name": "cells", "description": None, "tags": [], "metadata": [], "isPublic": False}


@pytest.fixture
def ds(connection) -> Dataset:
    """The dataset as it was when it came."""
    (entry,) = connection.get("datasets")
    root = connection.get("folders/root")["id"]
    connection.api("PATCH", f"datasets/{entry['id']}/updatePartial", body=FRESH | {"folderId": root})
    connection.api("PATCH", f"datasets/{entry['id']}/teams", body=[])
    return wk.open(entry["id"])


@pytest.fixture
def theirs(ds) -> Dataset:
    """The same dataset, in the hands of somebody else."""
    return wk.open(ds.id)


@pytest.fixture
def hire(server, data_dir, connection) -> Iterator[Callable[[str], Connection]]:
    """Make a user of a name that is new, and a connection of hers."""
    made = []

    def make(name: str) -> Connection:
        user = connection.api("POST", "users", body={"name": name})
        store = Store(StoreConfig(data_dir, "lab", owner_name=connection.get("user")["name"]))
        _, secret = store.tokens.create(owner("test"), "test", user_id=user["id"])
        store.close()
        made.append(Connection(find_endpoint(server, secret)))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_each_setting_is_written_at_once(ds, theirs):
    ds.name = "Cortex β, layer 4"
    ds.description = "A *fine* Gewürz"
    ds.tags = ["em", "mouse"]
    ds.metadata = {"species": "mouse", "age": 12, "stains": ["a", "b"]}
    ds.is_public = True
    theirs.reload()
    for each in (ds, theirs):
        assert each.name == each.display_name == "Cortex β, layer 4"
        assert each.description == "A *fine* Gewürz"
        assert each.tags == ["em", "mouse"]
        assert dict(each.metadata) == {"species": "mouse", "age": 12, "stains": ["a", "b"]}
        assert each.is_public
    ds.display_name = "cells"
    ds.description = None
    theirs.reload()
    assert (theirs.name, theirs.description) == ("cells", None)
    assert theirs.id == ds.id
    assert theirs.is_editable
    assert theirs.created.tzinfo is not None


def test_tags_are_a_list(ds, theirs):
    ds.tags += ["a", "b"]
    ds.tags.append("c")
    ds.tags.extend(["d", "a"])
    assert ds.tags == ["a", "b", "c", "d"]
    ds.tags.remove("a")
    ds.tags -= ["c", "nothing"]
    ds.tags[0] = "z"
    del ds.tags[-1]
    theirs.reload()
    assert theirs.tags == ["z"]
    assert (repr(ds.tags), "z" in ds.tags, ds.tags.index("z")) == ("['z']", True, 0)
    ds.tags.clear()
    assert ds.tags == []
    for wrong in ("abc", 7):
        with pytest.raises(InvalidInput, match="tags"):
            ds.tags = wrong
        with pytest.raises(InvalidInput, match="tags"):
            ds.tags += wrong
    with pytest.raises(InvalidInput, match="tags"):
        ds.tags = ["x" * 10_000]
    with pytest.raises(InvalidInput, match="tags"):
        ds.tags = [7]
    assert ds.tags == []


def test_metadata_is_a_dictionary(ds, theirs):
    ds.metadata["species"] = "mouse"
    ds.metadata["voxels"] = np.int64(7)
    del ds.metadata["species"]
    theirs.reload()
    assert dict(theirs.metadata) == {"voxels": 7}
    with pytest.raises(InvalidInput, match="'x' cannot be"):
        ds.metadata["x"] = object()
    assert dict(ds.metadata) == {"voxels": 7}


@pytest.mark.parametrize(
    ("field", "theirs_is", "ours_is"),
    [
        ("name", "theirs", "ours"),
        ("description", "theirs", "ours"),
        ("tags", ["theirs"], ["ours"]),
        ("tags", ["theirs"], []),  # what the handle takes to be so already
        ("metadata", {"a": "theirs"}, {"a": "ours"}),
        ("is_public", True, True),
        ("voxel_size", (9, 9, 9), (8, 8, 8)),
        ("allowed_teams", ["default"], []),
    ],
)
def test_a_second_editor_is_told_and_overwrites_nothing(ds, theirs, field, theirs_is, ours_is):
    before = getattr(ds, field)
    shown = repr(before)
    setattr(theirs, field, theirs_is)
    with pytest.raises(Conflict, match=r"meanwhile: \w+ was .* and is now ") as caught:
        setattr(ds, field, ours_is)
    assert len(caught.value.details["changed"]) == 1
    assert repr(getattr(ds, field)) == shown
    ds.reload()
    assert repr(getattr(ds, field)) == repr(getattr(theirs, field))
    setattr(ds, field, ours_is)
    if field == "voxel_size":
        ds.voxel_size = (4, 4, 30)


def test_changes_of_other_fields_are_merged(ds, theirs):
    ds.name = "ours"
    theirs.description = "theirs"
    ds.tags = ["ours"]
    ds.reload()
    assert (ds.name, ds.description, ds.tags) == ("ours", "theirs", ["ours"])


def test_the_voxel_size_and_layers_are_written_to_the_properties_file(ds, theirs, data_dir):
    ds.voxel_size = wk.VoxelSize((0.01, 0.01, 0.03), "micrometer")
    assert str(ds.voxel_size) == "0.01 × 0.01 × 0.03 µm"
    ds.voxel_size = (4, 4, 30)
    layer = ds.layers["cells"]
    assert layer.read().shape == BOX.size
    layer.largest_segment_id = 2**63 + 1
    layer.bounding_box = ((0, 0, 0), (16, 16, 16))
    layer.rename("neurons")
    assert (layer.name, layer.largest_segment_id, list(ds.layers)) == (
        "neurons",
        2**63 + 1,
        ["color", "neurons"],
    )
    assert layer.read().shape == (16, 16, 16)
    with pytest.raises(Conflict, match="layers was"):
        theirs.layers["cells"].category = "color"
    theirs.reload()
    assert theirs.layers["neurons"].source == layer.source
    theirs.layers["neurons"].bounding_box = BOX
    with pytest.raises(Conflict, match="boundingBox of neurons was"):
        layer.bounding_box = ((0, 0, 0), (8, 8, 8))
    assert layer.bounding_box.size == (16, 16, 16)
    ds.reload()
    layer = ds.layers["neurons"]
    layer.rename("cells")
    layer.largest_segment_id = None
    for attempt in (
        lambda: setattr(layer, "category", "colour"),
        lambda: setattr(layer, "largest_segment_id", -1),
        lambda: layer.rename("color"),
        lambda: layer.rename("../etc"),
        lambda: setattr(ds, "voxel_size", (1, 0, 1)),
        lambda: setattr(ds, "voxel_size", (1, 1)),
    ):
        with pytest.raises(InvalidInput):
            attempt()
    assert list(wk.open(ds.id).layers) == ["color", "cells"]


def test_what_is_misspelt_or_cannot_be_set_says_so(ds):
    with pytest.raises(UnknownOption, match="Did you mean description"):
        ds.descripton = "words"
    with pytest.raises(UnknownOption, match="cannot be set"):
        ds.id = "7"
    with pytest.raises(UnknownOption, match="Did you mean largest_segment_id"):
        ds.layers["cells"].larges_segment_id = 5
    with pytest.raises(InvalidInput, match="neither True nor False"):
        ds.is_public = "no"
    for value in ("", "a\nb", "x" * 300, 7):
        with pytest.raises(InvalidInput, match="name"):
            ds.name = value
    assert ds.name == "cells"


def test_teams_by_name_id_and_with_those_of_folders(ds, connection):
    made = connection.api("POST", "teams", body={"name": "readers"})
    try:
        ds.allowed_teams = ["readers"]
        assert ds.allowed_teams == ["readers"]
        ds.allowed_teams += ["default"]
        ds.allowed_teams -= ["readers"]
        assert wk.open(ds.id).allowed_teams == ["default"]
        ds.allowed_teams = [made["id"]]
        assert "readers" in ds.allowed_teams._repr_html_()
        with pytest.raises(InvalidInput, match=r"'raeders'.*'readers'"):
            ds.allowed_teams = ["raeders"]
        with pytest.raises(InvalidInput, match="one text"):
            ds.allowed_teams = "readers"
        assert ds.allowed_teams == ["readers"]
    finally:
        connection.api("DELETE", f"teams/{made['id']}")


def test_a_link_opens_the_dataset_until_it_is_revoked_and_hides_its_token(ds, server):
    link = ds.share()
    token = link.url.partition("?token=")[2]
    assert len(token) > 20
    assert ds.share().url == link.url
    assert not [
        text
        for text in (repr(link), str(link), link._repr_html_(), repr(ds), ds._repr_html_())
        if token in text
    ]
    address = f"{server}api/datasets/{ds.id}"
    assert httpx.get(address, params={"token": token}).status_code == 200
    link.revoke()
    assert httpx.get(address, params={"token": token}).status_code == 404
    assert ds.share().url != link.url
    ds.unshare()
    ds.is_public = True
    assert "token" not in ds.share().url
    ds.name = "Größe / <b>"
    assert ds.share().address.endswith(f"datasets/Gr-e-b-{ds.id}")


def test_a_link_is_opened_by_its_address(ds, monkeypatch):
    url = ds.share().url
    opened = wk.open(url)
    try:
        assert opened.id == ds.id
        assert not opened.is_editable
        with pytest.raises(Forbidden):
            opened.name = "mine"
        assert opened.name == "cells"
    finally:
        opened.connection.close()


def test_how_it_is_shown_to_oneself_and_to_all(ds, theirs, hire):
    ds.is_public = True
    hers = hire("bea")
    view = ds.view_config
    view["zoom"] = 2
    view.layers["color"]["alpha"] = 50
    view.update(position=np.array([1, 2, 3]), fourBit=True)
    view.layers["color"].update(color=(1, 2, 3))
    now = wk.open(ds.id).view_config
    assert (now["zoom"], now["position"], now["fourBit"]) == (2, [1, 2, 3], True)
    assert (now.layers["color"]["alpha"], now["layers"]["color"]["color"]) == (50, [1, 2, 3])
    assert ds.view_configuration["zoom"] == 2
    seen_by_her = dataset_of_entry(hers.get(f"datasets/{ds.id}"), hers)
    assert seen_by_her.view_config["zoom"] is None
    view.save_as_default()
    assert seen_by_her.view_config["zoom"] == 2
    slow = wk.open(ds.id).view_config
    view.layers["color"]["alpha"] = 60
    view.save_as_default()
    with pytest.raises(Conflict, match="alpha of color was 50 and is now 60"):
        slow.save_as_default()
    view.layers["color"]["alpha"] = 50
    view.save_as_default()
    del view.layers["color"]["alpha"]
    assert view.layers["color"]["alpha"] == 50  # now the default
    view["zoom"] = 3
    view.reset()
    assert view["zoom"] == 2
    view["zoom"] = 4
    view.clear()
    assert view["zoom"] == 2
    with pytest.raises(Forbidden):
        seen_by_her.view_config.save_as_default()
    assert '"zoom": 2' in view.to_json()
    assert "alpha" in repr(view)
    assert "<table>" in view._repr_html_()
    ds.connection.api("PUT", f"datasetConfigurations/default/{ds.id}", body={})


def test_wrong_settings_of_views_are_refused_here(ds):
    view = ds.view_config
    for key, value, said in (
        ("zom", 2, "Did you mean zoom"),
        ("zoom", -1, "cannot be -1"),
        ("layers", {}, "no setting"),
        ("position", [1, 2], "cannot be"),
    ):
        with pytest.raises(InvalidInput, match=said):
            view[key] = value
    with pytest.raises(InvalidInput, match="alpha"):
        view.layers["color"]["alpha"] = 1000
    with pytest.raises(LayerNotFound, match="'color'"):
        view.layers["gone"]
    with pytest.raises(InvalidInput, match="zoom"):
        view.update(fourBit=True, zoom="x")
    assert ds.view_config["fourBit"] is False


def test_folders_and_trash(ds, data_dir):
    march = wk.folders.create("march")
    try:
        ds.move_to("march")
        assert ds.parent == march
        ds.move_to(wk.folders.root)
        with pytest.raises(NotFound, match="'marsch'"):
            ds.move_to("marsch")
        with pytest.raises(InvalidInput, match="not in the trash"):
            ds.purge()
        ds.delete()
        assert len(wk.datasets()) == 0
        assert not (data_dir / "binaryData" / "lab" / "cells").exists()
        assert ds.layers["color"].read().shape == BOX.size
        with pytest.raises(Conflict):
            ds.delete()
        ds.restore()
        assert [each.id for each in wk.datasets()] == [ds.id]
        with pytest.raises(Conflict):
            ds.restore()
    finally:
        march.delete()


def test_what_is_purged_is_gone(ds, data_dir):
    grey = np.zeros((1, 32, 32, 32), np.uint8)
    write_known(data_dir / "binaryData" / "lab" / "doomed", grey, grey.astype(np.uint64))
    doomed = wk.refresh()["doomed"]
    doomed.delete()
    doomed.purge()
    with pytest.raises(DatasetNotFound):
        doomed.reload()
    assert not list((data_dir / "binaryData" / "lab").rglob("doomed"))


def test_why_somebody_may_see_it(ds, hire, connection):
    bob = hire("bob").get("user")
    assert "admin" in repr(ds.explain_access())
    for user in ("bob", bob["id"]):
        assert "bob may not see it" in repr(ds.explain_access(user))
    ds.allowed_teams = ["default"]
    assert "team &#x27;default&#x27;" in ds.explain_access("bob")._repr_html_()
    with pytest.raises(InvalidInput, match="'nobody'"):
        ds.explain_access("nobody")


def test_a_folder_without_a_server_has_no_settings(data_dir):
    local = wk.open(data_dir / "binaryData" / "lab" / "cells")
    assert (local.name, local.tags, dict(local.metadata), local.allowed_teams) == ("cells", [], {}, [])
    for attempt in (
        lambda: setattr(local, "name", "x"),
        lambda: setattr(local, "voxel_size", (1, 1, 1)),
        lambda: local.layers["color"].rename("x"),
        local.share,
        local.delete,
        lambda: local.view_config,
    ):
        with pytest.raises(InvalidInput, match="no catalog has it"):
            attempt()


def test_values_of_a_wrong_kind_are_told_in_words(ds):
    def set_to(field, value):
        return lambda: setattr(ds, field, value)

    for change, said in (
        (set_to("name", "a\ud800"), "no Unicode"),
        (set_to("voxel_size", 5), "three positive numbers, not 5"),
        (set_to("voxel_size", "x"), "three positive numbers, not 'x'"),
        (set_to("metadata", 5), "not 5"),
        (lambda: ds.move_to(5), "not by 5"),
        (lambda: ds.move_to(None), "not by None"),
        (lambda: wk.folders.create(5), "not by 5"),
        (lambda: wk.folders.root.move_to(5), "not by 5"),
        (lambda: wk.datasets()[:].move_to(5), "not by 5"),
    ):
        with pytest.raises(InvalidInput, match=said):
            change()
