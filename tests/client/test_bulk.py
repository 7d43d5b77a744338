"""Many datasets at once, against a running server."""

from __future__ import annotations

import datetime as dt
import inspect
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from known_server import TOKEN, running, write_known

import wk_jupyter as wk
from wk_jupyter.client.bulk import BulkInterrupted
from wk_jupyter.client.connection import Connection
from wk_jupyter.client.discovery import find_endpoint
from wk_jupyter.client.table import DatasetTable
from wk_jupyter.errors import DatasetNotFound, InvalidInput, NotFound, UnknownOption
from wk_jupyter.store import Store, StoreConfig
from wk_jupyter.store.access import owner

NAMES = ["five", "four", "one", "three", "two"]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("server")
    nothing = np.zeros((1, 32, 32, 32), np.uint8)
    for name in NAMES:
        write_known(home / "data" / "binaryData" / "lab" / name, nothing, nothing.astype(np.uint64))
    return home / "data"


@pytest.fixture(scope="module")
def server(data_dir) -> Iterator[str]:
    with running(data_dir.parent) as url:
        yield url


@pytest.fixture
def connection(server) -> Iterator[Connection]:
    """A connection to a lab of five plain datasets, in one folder."""
    made = wk.connect(server, TOKEN)
    root = made.get("folders/root")["id"]
    fresh = {"tags": [], "metadata": [], "isPublic": False, "folderId": root}
    for entry in made.get("datasets"):
        made.api("PATCH", f"datasets/{entry['id']}/updatePartial", body=fresh)
        made.api("PATCH", f"datasets/{entry['id']}/teams", body=[])
    yield made
    made.close()


def names(table: DatasetTable) -> list[str]:
    return [dataset.name for dataset in table]


def test_a_change_of_a_selection_is_made_to_each_and_to_no_other(connection):
    result = wk.datasets("f").add_tags("x", "y")
    assert [(each.name, each.ok) for each in result] == [("five", True), ("four", True)]
    assert repr(result).splitlines()[0] == "add tags: 2 ok"
    selection = wk.datasets(tags=["x"])
    assert names(selection) == ["five", "four"]
    selection.remove_tags("x")
    assert len(selection) == 0  # what a table remembers is asked anew after a change
    assert wk.open("five").tags == ["y"]
    assert wk.open("one").tags == []


def test_every_bulk_operation(connection):
    team = connection.api("POST", "teams", body={"name": "readers"})
    march = wk.folders.create("march")
    two = wk.datasets()[:2]
    try:
        two.set_metadata(species="mouse", age=3)
        two.set_metadata(age=4)
        two.set_public(True)
        two.set_teams(["readers"])
        two.add_teams("default")
        two.move_to("march")
        for ds in (wk.open("five"), wk.open("four")):
            assert dict(ds.metadata) == {"species": "mouse", "age": 4}
            assert ds.is_public
            assert ds.allowed_teams == ["default", "readers"]
            assert ds.parent == march
        two.remove_teams("readers", team["id"])
        two.set_public(False)
        before = wk.open("five").share().url
        two.unshare()
        assert wk.open("five").share().url != before
        assert wk.open("four").allowed_teams == ["default"]
        assert names(wk.datasets(folder="march")) == ["five", "four"]
        assert names(wk.datasets(folder=march)) == ["five", "four"]
        two.move_to(wk.folders.root)
        assert len(wk.open("one").metadata) == 0
    finally:
        march.delete()
        connection.api("DELETE", f"teams/{team['id']}")


def test_the_trash(connection, data_dir):
    nothing = np.zeros((1, 32, 32, 32), np.uint8)
    write_known(data_dir / "binaryData" / "lab" / "doomed", nothing, nothing.astype(np.uint64))
    wk.refresh()
    with pytest.raises(InvalidInput, match="not in the trash"):
        wk.datasets("doomed").purge()
    assert [each.ok for each in wk.datasets("doomed").delete()] == [True]
    assert names(wk.datasets("doomed")) == []
    assert names(wk.datasets(trashed=True)) == ["doomed"]
    wk.datasets(trashed=True).restore()
    assert names(wk.datasets("doomed")) == ["doomed"]
    wk.datasets("doomed").delete()
    wk.datasets(trashed=True)[0].purge()
    assert len(wk.datasets(trashed=True)) == 0
    write_known(data_dir / "binaryData" / "lab" / "doomed", nothing, nothing.astype(np.uint64))
    wk.refresh()
    wk.datasets("doomed").delete()
    assert [each.ok for each in wk.datasets(trashed=True).purge()] == [True]
    assert len(wk.datasets(trashed=True)) == 0
    with pytest.raises(DatasetNotFound):
        wk.open("doomed")


def test_one_that_cannot_be_changed_does_not_stop_the_others(connection, server, data_dir):
    """By a team manager, who may change those of her team alone."""
    team = connection.api("POST", "teams", body={"name": "em"})
    roles = [{"id": team["id"], "isTeamManager": True}]
    default = next(each for each in connection.get("teams") if each["isOrganizationTeam"])
    user = connection.api(
        "POST",
        "users",
        body={"name": "mia", "teams": [*roles, {"id": default["id"], "isTeamManager": False}]},
    )
    store = Store(StoreConfig(data_dir, "lab", owner_name=connection.get("user")["name"]))
    _, secret = store.tokens.create(owner("test"), "test", user_id=user["id"])
    store.close()
    wk.datasets()[:3].set_teams(["em"])
    wk.datasets()[3:].set_teams(["default"])
    hers = Connection(find_endpoint(server, secret))
    try:
        result = DatasetTable(hers).add_tags("<b>hers")
        assert [(each.name, each.ok) for each in result] == [(name, name in NAMES[:3]) for name in NAMES]
        assert [each.name for each in result.failed] == NAMES[3:]
        assert "may not edit" in result.failed[0].error
        assert repr(result).splitlines()[0] == "add tags: 3 ok, 2 failed"
        assert repr(result).splitlines()[1].split()[:2] == ["✗", "three"]
        assert list(result.to_dataframe()["ok"]) == [True, True, True, False, False]
        assert wk.open("five").tags == ["<b>hers"]
        assert secret not in repr(result) + result._repr_html_()
    finally:
        hers.close()
        connection.api("DELETE", f"teams/{team['id']}")


def test_what_somebody_else_did_meanwhile_is_kept(connection):
    table = wk.datasets("five")
    assert len(table) == 1  # read now
    wk.open("five").tags = ["theirs"]
    assert [each.ok for each in table.add_tags("ours")] == [True]
    assert wk.open("five").tags == ["theirs", "ours"]


def test_an_interruption_leaves_what_was_done_and_tells_it(connection, monkeypatch):
    table = wk.datasets()
    send, sent = connection.api, []

    def interrupted(method, path, **more):
        sent.append(path)
        if len(sent) == 3:
            raise KeyboardInterrupt
        return send(method, path, **more)

    with monkeypatch.context() as patched:
        patched.setattr(connection, "api", interrupted)
        with pytest.raises(BulkInterrupted, match="add tags: 2 ok, 3 failed") as caught:
            table.add_tags("x")
    assert [each.ok for each in caught.value.result] == [True, True, False, False, False]
    assert "interrupted" in caught.value.result[-1].error
    assert isinstance(caught.value, KeyboardInterrupt)
    assert names(wk.datasets(tags=["x"])) == ["five", "four"]


def test_filters(connection):
    everything = names(wk.datasets())
    assert everything == NAMES
    today, year = dt.date.today(), dt.timedelta(days=365)  # noqa: DTZ011 - a day as a user means it
    assert names(wk.datasets(created_after=today - year, created_before=str(today))) == everything
    assert names(wk.datasets(created_after=dt.datetime.now(dt.UTC) + year)) == []
    assert names(wk.datasets(created_before="2020-01-01T12:00:00")) == []
    assert names(wk.datasets(element_class="uint64")) == everything
    assert names(wk.datasets(element_class="uint16")) == []
    assert names(wk.datasets(order="name", descending=True)) == everything[::-1]
    assert names(wk.datasets(unusable=True)) == []
    assert names(wk.datasets(unusable=False, smaller_than=10**12)) in (everything, [])  # as far as counted
    assert names(wk.datasets(owner=connection.get("user")["id"])) == []
    wk.datasets()[1:2].set_teams(["default"])
    assert names(wk.datasets(team="default")) == ["four"]
    wk.datasets("one").add_tags("a", "b")
    wk.datasets("two").add_tags("a")
    assert names(wk.datasets(tags=["a"])) == ["one", "two"]
    assert names(wk.datasets(tags=["a", "b"])) == ["one"]
    assert names(wk.datasets("two", tags=["a"])) == ["two"]
    sub = wk.folders.create("sub")
    inner = sub.create("inner")
    try:
        wk.open("one").move_to(inner)
        assert names(wk.datasets(folder="sub")) == []
        assert names(wk.datasets(folder="sub", subfolders=True)) == ["one"]
        assert "no datasets in this folder" in wk.datasets(folder="sub")._repr_html_()
        assert "no datasets of this kind" in wk.datasets(tags=["z"])._repr_html_()
        wk.open("one").move_to(wk.folders.root)
    finally:
        inner.delete()
        sub.delete()


@pytest.mark.parametrize(
    ("filters", "error", "said"),
    [
        ({"tag": ["a"]}, UnknownOption, "Did you mean tags"),
        ({"tags": "a"}, InvalidInput, "one text"),
        ({"team": "nobody"}, InvalidInput, "no team 'nobody'"),
        ({"owner": "nobody"}, InvalidInput, "no user 'nobody'"),
        ({"folder": "nowhere"}, NotFound, "no folder 'nowhere'"),
        ({"order": "size"}, InvalidInput, "last used"),
        ({"created_after": "yesterday"}, InvalidInput, "created_after"),
        ({"created_before": 7}, InvalidInput, "created_before"),
    ],
)
def test_wrong_filters_say_so(connection, filters, error, said):
    with pytest.raises(error, match=said):
        wk.datasets(**filters)


def test_parts_and_help(connection):
    table = wk.datasets()
    part = table[1:4]
    assert isinstance(part, DatasetTable)
    assert names(part) == NAMES[1:4]
    assert names(part[::2]) == NAMES[1:4:2]
    assert len(table[10:]) == 0
    assert part["one"].name == "one"
    part.add_tags("x")
    assert names(part) == NAMES[1:4]
    assert {"search", "folder", "tags", "descending"} <= set(inspect.signature(wk.datasets).parameters)
