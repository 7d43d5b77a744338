"""Folders over HTTP, as the official client asks and as ours does. The rules are tested at the store."""

from __future__ import annotations

import pytest
from roles import ADMIN, BY_FOLDER, DATASET_MANAGER, MEMBER, TEAM_MANAGER


@pytest.fixture
def create(wk):
    async def make(parent: str, name: str, **options) -> dict:
        reply = await wk.post("api/folders/create", params={"parentId": parent, "name": name}, **options)
        assert reply.status_code == 200, reply.text
        return reply.json()

    return make


@pytest.fixture
def root(wk, jp_asyncio_loop) -> str:
    return jp_asyncio_loop.run_until_complete(wk.get("api/folders/root")).json()["id"]


async def tree_of(wk, role="owner", **params) -> list[dict]:
    return (await wk.get("api/folders/tree", role=role, params=params)).json()


def paths(tree: list[dict]) -> list[str]:
    """As the official client finds folders: names joined, beginning with the root's."""
    found: dict[str, str] = {}
    for entry in tree:
        above = found[entry["parent"]] + "/" if entry["parent"] else ""
        found[entry["id"]] = above + entry["name"]
    return list(found.values())


async def test_the_root(wk, root):
    told = (await wk.get("api/folders/root")).json()
    assert told == {
        "id": root,
        "name": "Datasets",
        "allowedTeams": [],
        "allowedTeamsCumulative": [],
        "isEditable": True,
        "metadata": [],
    }
    assert (await wk.get(f"api/folders/{root}")).json() == told


@pytest.mark.both_databases
async def test_made_and_found_in_the_tree(wk, root, create):
    lab = await create(root, " Lab ")
    assert (lab["name"], lab["isEditable"]) == ("Lab", True)
    inside = await create(lab["id"], "2026 µ")
    tree = await tree_of(wk)
    assert [(e["id"], e["parent"]) for e in tree] == [
        (root, None), (lab["id"], root), (inside["id"], lab["id"]),
    ]  # fmt: skip
    assert paths(tree) == ["Datasets", "Datasets/Lab", "Datasets/Lab/2026 µ"]
    assert {e["datasetCount"] for e in tree} == {None}
    counted = await tree_of(wk, includeDatasetCounts="true")
    assert [e["datasetCount"] for e in counted] == [4, 0, 0]


async def test_a_member_sees_what_hangs_in_the_open(wk, roles, root):
    (top, above, folder) = await tree_of(wk, BY_FOLDER, includeDatasetCounts="true")
    assert paths([top, above, folder]) == ["Datasets", "Datasets/2026", "Datasets/2026/march"]
    assert [each["datasetCount"] for each in (top, above, folder)] == [0, 0, 1]
    assert {each["isEditable"] for each in (top, above, folder)} == {False}
    assert paths(await tree_of(wk, MEMBER)) == ["Datasets"]
    told = (await wk.get(f"api/folders/{folder['id']}", role=BY_FOLDER)).json()
    assert told["allowedTeams"] == []
    (team,) = told["allowedTeamsCumulative"]
    assert team == {
        "id": roles.readers, "name": "readers", "organization": "lab", "isOrganizationTeam": False,
    }  # fmt: skip


async def test_changed_by_ids_and_by_whole_objects(wk, roles):
    """The official client sends ids of teams, but for metadata all of what it was told."""
    address = f"api/folders/{roles.folder}"
    entries = [
        {"key": "species", "type": "string", "value": "mouse"},
        {"key": "age", "type": "number", "value": 4.5},
        {"key": "stains", "type": "string[]", "value": ["DAPI"]},
    ]
    reply = await wk.request("PUT", address, json={"name": "april", "allowedTeams": [roles.team]})
    assert reply.status_code == 200
    told = (await wk.get(address)).json()
    assert reply.json() == told
    assert (told["name"], [team["name"] for team in told["allowedTeams"]]) == ("april", ["reviewers"])
    assert [team["name"] for team in told["allowedTeamsCumulative"]] == ["readers", "reviewers"]
    reply = await wk.request("PUT", address, json=told | {"metadata": entries})
    assert reply.json() == told | {"metadata": entries}
    # The team manager's team is allowed now: she may change it, and keep her hands off other teams.
    reply = await wk.request("PUT", address, role=TEAM_MANAGER, json={"allowedTeams": [roles.readers]})
    assert reply.status_code == 403
    assert "readers" in reply.json()["messages"][0]["error"]
    assert (await wk.request("PUT", address, role=TEAM_MANAGER, json={"name": "may"})).status_code == 200
    for nothing in ({}, {"name": None, "allowedTeams": None, "metadata": None}):
        reply = await wk.request("PUT", address, json=nothing)
        assert reply.json() == told | {"name": "may", "metadata": entries}


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"name": 1}, "name"),
        ({"name": ""}, "name"),
        ({"name": "a/b"}, "name"),
        ({"allowedTeams": "all"}, "allowedTeams"),
        ({"allowedTeams": [1]}, "allowedTeams"),
        ({"allowedTeams": [{"name": "readers"}]}, "allowedTeams"),
        ({"allowedTeams": ["nonsense"]}, "teams"),
        ({"metadata": [{"key": "a", "type": "date", "value": ""}]}, "metadata"),
        ({"metadata": [{"key": "a", "type": "number", "value": 10**30}]}, "metadata"),
        ({"metadata": {"a": 1}}, "metadata"),
        ({"expected": {"name": 1}}, "expected"),
        ([], "object"),
    ],
)
async def test_what_is_wrong_is_named(wk, root, body, named):
    reply = await wk.request("PUT", f"api/folders/{root}", json=body)
    assert reply.status_code == 400
    assert named in reply.json()["messages"][0]["error"]


async def test_queries_are_checked(wk, root, create):
    for query in ("", f"?parentId={root}", "?name=x", f"?parentId={root}&name=a%2Fb"):
        reply = await wk.post(f"api/folders/create{query}")
        assert reply.status_code == 400, query
    made = (await create(root, "x"))["id"]
    assert (await wk.request("PUT", f"api/folders/{made}/move")).status_code == 400
    for parent in ("f" * 24, "%00"):
        for method, address in (
            ("POST", f"create?parentId={parent}&name=y"),
            ("PUT", f"{made}/move?newParentId={parent}"),
        ):
            assert (await wk.request(method, f"api/folders/{address}")).status_code == 404
    reply = await wk.post(f"api/folders/create?parentId={root}&name=x")
    assert reply.status_code == 409
    (message,) = reply.json()["messages"]
    assert "'x' already" in message["error"]
    assert message["hint"]


async def test_what_changed_meanwhile_is_told(wk, root):
    address = f"api/folders/{root}"
    seen = (await wk.get(address)).json()
    expected = {name: seen[name] for name in ("name", "allowedTeams", "metadata")}
    assert (await wk.request("PUT", address, json={"name": "a", "expected": expected})).status_code == 200
    reply = await wk.request("PUT", address, json={"name": "b", "expected": expected})
    assert reply.status_code == 409
    assert "and is now 'a'" in reply.json()["messages"][0]["error"]
    assert (await wk.get(address)).json()["name"] == "a"


@pytest.mark.both_databases
async def test_a_move_can_be_looked_at_before(wk, roles, root):
    address = f"api/folders/{roles.folder}/move"
    told = (await wk.request("PUT", address, params={"newParentId": root, "preview": "true"})).json()
    assert {name: told[name] for name in ("id", "name", "preview", "datasetCount", "teamsGained")} == {
        "id": roles.folder, "name": "march", "preview": True, "datasetCount": 1, "teamsGained": [],
    }  # fmt: skip
    assert [team["name"] for team in told["teamsLost"]] == ["readers"]
    dataset = await wk.id_of("cells")
    assert (await wk.get(f"api/datasets/{dataset}", role=BY_FOLDER)).status_code == 200
    done = (await wk.request("PUT", address, params={"newParentId": root}, role=DATASET_MANAGER)).json()
    assert done == told | {"preview": False}
    assert paths(await tree_of(wk)) == ["Datasets", "Datasets/2026", "Datasets/march"]
    assert (await wk.get(f"api/datasets/{dataset}", role=BY_FOLDER)).status_code == 404
    reply = await wk.request("PUT", f"api/folders/{root}/move", params={"newParentId": roles.folder})
    assert reply.status_code == 400


async def test_deleted_when_it_is_empty(wk, roles, create):
    made = (await create(roles.folder, "x", role=ADMIN))["id"]
    for folder, status in ((roles.folder, 409), (made, 200), (made, 404)):
        assert (await wk.request("DELETE", f"api/folders/{folder}")).status_code == status
    reply = await wk.request("DELETE", f"api/folders/{roles.folder}")
    assert "datasets (1)" in reply.json()["messages"][0]["error"]


async def test_datasets_of_a_folder(wk, roles, root):
    async def names(folder):
        found = (await wk.get("api/datasets", params={"folderId": folder})).json()
        return [entry["name"] for entry in found]

    assert await names(roles.folder) == ["cells"]
    assert await names(roles.above) == []
    assert await names(root) == ["broken", "rgb", "timelapse"]
