"""Folders in a cell, against a running server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from known_server import TOKEN, running, write_known

import wk_jupyter as wk
from wk_jupyter.client.connection import Connection
from wk_jupyter.client.discovery import find_endpoint
from wk_jupyter.client.folder_nodes import fetch_tree
from wk_jupyter.client.folders import Folders
from wk_jupyter.client.metadata import Metadata
from wk_jupyter.errors import Conflict, Forbidden, InvalidInput, NotFound
from wk_jupyter.store import Store, StoreConfig
from wk_jupyter.store.access import principal_of


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("server")
    nothing = np.zeros((1, 32, 32, 32), np.uint8)
    for name in ("one", "two", "three"):
        write_known(home / "data" / "binaryData" / "lab" / name, nothing, nothing.astype(np.uint64))
    return home / "data"


@pytest.fixture(scope="module")
def server(data_dir) -> Iterator[str]:
    with running(data_dir.parent) as url:
        yield url


@pytest.fixture(autouse=True)
def connection(server) -> Iterator[Connection]:
    """A connection to a lab without folders, whose datasets all lie in the root."""
    made = wk.connect(server, TOKEN)
    yield made
    root = wk.folders.root
    for entry in made.get("datasets"):
        put(made, entry["name"], root)
    for node in reversed(list(fetch_tree(made).walk())):
        if node.parent is not None:
            made.api("DELETE", f"folders/{node.id}")
    root.allowed_teams, root.metadata = [], {}
    root.rename("Datasets")
    for team in made.get("teams"):
        if not team["isOrganizationTeam"]:
            made.api("DELETE", f"teams/{team['id']}")


def put(connection, dataset, folder) -> None:
    (entry,) = (each for each in connection.get("datasets") if each["name"] == dataset)
    connection.api("PATCH", f"datasets/{entry['id']}/updatePartial", body={"folderId": folder.id})


def somebody_else(server) -> Folders:
    return Folders(Connection(find_endpoint(server, TOKEN)))


def test_made_and_found_by_paths(connection):
    lab = wk.folders.create("Lab")
    year = lab.create("2026")
    march = wk.folders.create("Lab/2026/march")
    assert list(wk.folders) == wk.folders._ipython_key_completions_() == ["Lab", "Lab/2026", "Lab/2026/march"]
    assert len(wk.folders) == 3
    for way in ("Lab/2026", "/Lab/2026/", "Datasets/Lab/2026", year.id):
        assert wk.folders[way] == year, way
        assert way in wk.folders
    assert wk.folders["Datasets"] == wk.folders.root == lab.parent
    assert wk.folders.root.parent is None
    assert (march.path, march.parent, lab.children) == ("Lab/2026/march", year, [year])
    assert lab["2026/march"] == march
    assert lab._ipython_key_completions_() == ["2026", "2026/march"]
    assert wk.folders.root.path == "Datasets"
    assert lab.is_editable


def test_what_is_below_the_root_comes_before_its_name():
    outer = wk.folders.create("Datasets")
    inner, x = outer.create("x"), wk.folders.create("x")
    assert wk.folders["Datasets"] == outer
    assert wk.folders["Datasets/x"] == inner
    assert wk.folders["x"] == x


def test_what_is_not_there_is_told_with_what_is():
    lab = wk.folders.create("Laboratory")
    with pytest.raises(NotFound, match=r"'Labratory'.*Did you mean 'Laboratory'"):
        wk.folders["Labratory"]
    with pytest.raises(NotFound, match="no folder 'Laboratory'"):
        lab["Laboratory"]
    with pytest.raises(NotFound, match=r"See wk\.folders"):
        wk.folders.create("nowhere/x")
    with pytest.raises(InvalidInput, match="path or id"):
        wk.folders[0]
    assert "nowhere" not in wk.folders
    lab.delete()
    for gone in (lambda: lab.path, lambda: repr(lab), lambda: lab.allowed_teams, lambda: lab.create("x")):
        with pytest.raises(NotFound, match="no folder"):
            gone()


def test_shown_as_a_tree(connection):
    for path in ("Lab", "Lab/2026", "Lab/2026/march", "Lab/old", "<b>&"):
        wk.folders.create(path)
    put(connection, "one", wk.folders["Lab/2026"])
    assert repr(wk.folders).splitlines() == [
        "Datasets  2 datasets",
        "├── <b>&",
        "└── Lab",
        "    ├── 2026  1 dataset",
        "    │   └── march",
        "    └── old",
    ]
    assert repr(wk.folders["Lab/2026"]) == "2026  1 dataset\n└── march"
    html = wk.folders._repr_html_()
    assert "&lt;b&gt;&amp;" in html
    assert "<b>" not in html
    assert "2 datasets" in html
    assert "var(--jp-ui-font-color1" in html
    assert wk.folders["Lab"]._repr_html_().count("<summary") == 2


def test_long_trees_are_cut(connection):
    for number in range(230):
        connection.api(
            "POST", "folders/create", params={"parentId": wk_root(connection), "name": f"f{number:03}"}
        )
    lines = repr(wk.folders).splitlines()
    assert len(lines) == 201
    assert lines[-1].startswith("… and 31 more folders")
    html = wk.folders._repr_html_()
    assert "f198" in html
    assert "f199" not in html
    assert "31 more" in html
    assert len(list(wk.folders)) == 230


def wk_root(connection) -> str:
    return connection.get("folders/root")["id"]


def test_renamed_moved_and_deleted(connection):
    a, b = wk.folders.create("a"), wk.folders.create("b")
    a.rename(" c ")
    assert (a.name, a.path) == ("c", "c")
    connection.api("POST", "teams", body={"name": "readers"})
    b.allowed_teams = ["readers"]
    put(connection, "one", a)
    told = a.move_to(b, preview=True)
    assert (told.teams_gained, told.teams_lost, told.dataset_count) == (("readers",), (), 1)
    assert repr(told) == "'c' would move to 'b' with 1 dataset.\n  seen by more teams: readers"
    assert a.path == "c"
    assert "has moved" in repr(a.move_to("b"))
    assert a.path == "b/c"
    back = a.move_to(wk.folders.root)
    assert "no more seen by: readers" in repr(back)
    assert "the same teams see it" in repr(a.move_to("Datasets"))
    with pytest.raises(InvalidInput, match="into itself"):
        b.move_to(b)
    with pytest.raises(Conflict, match=r"datasets \(1\)"):
        a.delete()
    b.delete()
    assert list(wk.folders) == ["c"]
    with pytest.raises(Conflict, match="'c' already"):
        wk.folders.create("c")


def test_allowed_teams(connection):
    lab = wk.folders.create("Lab")
    year = lab.create("2026")
    ids = {name: connection.api("POST", "teams", body={"name": name})["id"] for name in ("readers", "<x>")}
    lab.allowed_teams = ["readers"]
    assert list(lab.allowed_teams) == ["readers"]
    assert year.allowed_teams == []
    assert year.allowed_teams.inherited == ("readers",)
    assert repr(year.allowed_teams) == "no teams of its own (inherited: readers)"
    year.allowed_teams += [ids["<x>"], "default"]
    assert list(year.allowed_teams) == ["<x>", "default"]
    assert repr(year.allowed_teams) == "<x>, default (inherited: readers)"
    html = year.allowed_teams._repr_html_()
    assert "&lt;x&gt;" in html
    assert html.count("inherited") == 1
    year.allowed_teams -= ["default"]
    assert list(year.allowed_teams) == ["<x>"]
    year.allowed_teams = []
    assert year.allowed_teams == []
    assert "admins" in wk.folders.root.allowed_teams._repr_html_()
    with pytest.raises(InvalidInput, match=r"no team 'reader' .*'readers'"):
        lab.allowed_teams = ["reader"]
    with pytest.raises(InvalidInput, match="one text"):
        lab.allowed_teams = "readers"
    assert list(lab.allowed_teams) == ["readers"]


def test_metadata(connection):
    lab = wk.folders.create("Lab")
    lab.metadata["species"] = "mouse"
    lab.metadata.update({"age": np.float32(4.5), "n": np.int64(3)}, stains=("DAPI", "GFP"))
    assert dict(lab.metadata) == {"species": "mouse", "age": 4.5, "n": 3, "stains": ["DAPI", "GFP"]}
    lab.metadata["species"] = "<rat>"
    del lab.metadata["age"]
    assert list(lab.metadata) == ["species", "n", "stains"]  # in their order
    assert "&lt;rat&gt;" in lab.metadata._repr_html_()
    assert repr(lab.metadata) == "{'species': '<rat>', 'n': 3, 'stains': ['DAPI', 'GFP']}"
    lab.metadata = {"a": "b"}
    assert lab.metadata == {"a": "b"}
    assert lab.metadata._ipython_key_completions_() == ["a"]
    for value in (True, None, {"a": 1}, [1], b"x"):
        with pytest.raises(InvalidInput, match="'odd' cannot be"):
            lab.metadata["odd"] = value
    with pytest.raises(KeyError):
        del lab.metadata["odd"]
    lab.metadata.clear()
    assert lab.metadata == {}
    assert isinstance(lab.metadata, Metadata)


def test_what_somebody_else_changed_is_not_overwritten(server):
    lab = wk.folders.create("Lab")
    notes, teams = lab.metadata, lab.allowed_teams
    other = somebody_else(server)["Lab"]
    other.metadata["a"] = "theirs"
    other.allowed_teams = ["default"]
    other.rename("Theirs")
    for change, field in (
        (lambda: notes.update(a="ours"), "metadata"),
        (lambda: setattr(lab, "allowed_teams", teams), "allowedTeams"),
        (lambda: lab.rename("Ours"), "name"),
    ):
        with pytest.raises(Conflict, match=f"meanwhile: {field} was .* and is now "):
            change()
    assert (other.path, dict(other.metadata), list(other.allowed_teams)) == (
        "Theirs", {"a": "theirs"}, ["default"],
    )  # fmt: skip
    assert notes == {}
    lab.metadata["b"] = "ours"  # read anew
    assert dict(lab.metadata) == {"a": "theirs", "b": "ours"}


def test_datasets_of_a_folder(connection):
    lab = wk.folders.create("Lab")
    year = lab.create("2026")
    assert len(lab.datasets()) == 0
    assert "in this folder" in lab.datasets()._repr_html_()
    put(connection, "one", lab)
    put(connection, "two", year)
    assert [dataset.name for dataset in lab.datasets()] == ["one"]
    assert sorted(dataset.name for dataset in lab.datasets(subfolders=True)) == ["one", "two"]
    assert [dataset.name for dataset in lab.datasets("tw", subfolders=True)] == ["two"]
    assert lab.datasets()["one"].name == "one"


def test_a_member_is_shown_what_she_may_see(connection, server, data_dir):
    connection.api("POST", "teams", body={"name": "readers"})
    bob = connection.api("POST", "users", body={"name": "bob"})
    team = next(each["id"] for each in connection.get("teams") if each["name"] == "readers")
    roles = [{"id": each["id"]} for each in bob["teams"]] + [{"id": team}]
    connection.api("PATCH", f"users/{bob['id']}", body={"teams": roles})
    store = Store(StoreConfig(data_dir, "lab"))
    _, token = store.tokens.create(principal_of(store.owner), "a cell", user_id=bob["id"])
    store.close()
    a, b = (wk.folders.create(name).create("x") for name in ("a", "b"))
    b.create("below")
    a.allowed_teams = b.allowed_teams = ["readers"]
    put(connection, "one", b)
    his = Folders(Connection(find_endpoint(server, token)))
    # He does not see the folders above, and so both of their name below the root.
    assert repr(his).splitlines() == ["Datasets", "├── x", "└── x  1 dataset", "    └── below"]
    assert list(his) == ["x", "x", "x/below"]
    with pytest.raises(InvalidInput, match="several folders") as refused:
        his["x"]
    assert a.id in refused.value.hint
    assert his[b.id].children == [his["x/below"]]
    assert not his[b.id].is_editable
    assert list(his[b.id].allowed_teams) == ["readers"]
    for change in (
        lambda: his[b.id].rename("y"),
        lambda: his.create("y"),
        lambda: his[b.id].metadata.update(a="b"),
        lambda: setattr(his[b.id], "allowed_teams", []),
        his[b.id].delete,
    ):
        with pytest.raises(Forbidden, match="bob may not edit the folder"):
            change()
