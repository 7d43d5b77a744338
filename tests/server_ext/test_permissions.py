"""Every route, tried by everyone. A route that is not in the matrix fails the test."""

from __future__ import annotations

import pytest

from wk_jupyter.server_ext.routes import OPERATIONS

BRICKS = {"mags": [[1, 1, 1]], "bricks": [[0, 0, 0, 0]], "accept": ["raw"]}
CUBE = [{"position": [0, 0, 0], "mag": [1, 1, 1], "cubeSize": 32}]
CUBOID = {"position": [0, 0, 0], "width": 4, "height": 4, "depth": 4}
BOX = "?x=0&y=0&z=0&width=4&height=4&depth=4"
LAYER = "datasets/{dataset}/layers/{layer}"
PROXY = "datasets/{dataset}/proxy"

# (method, area, path) -> (body, owner, anonymous on a private dataset, anonymous on a public one)
EVERYBODY = (200, 200, 200)
VISIBLE = (200, 404, 200)
OWNER = (200, 403, 403)
MATRIX = {
    ("GET", "api", "buildinfo"): (None, EVERYBODY),
    ("GET", "api", "health"): (None, EVERYBODY),
    ("GET", "api", "user"): (None, OWNER),
    ("GET", "api", "datastores"): (None, EVERYBODY),
    ("GET", "api", "openapi.json"): (None, EVERYBODY),
    ("GET", "api", "datasets"): (None, EVERYBODY),
    ("POST", "api", "datasets/refresh"): (None, OWNER),
    ("GET", "api", "datasets/disambiguate/{organization}/{directory}/toId"): (None, VISIBLE),
    ("GET", "api", "datasets/{name}/isValidNewName"): (None, OWNER),
    ("GET", "api", "datasets/{dataset}"): (None, VISIBLE),
    ("GET", "api", "datasetConfigurations/{dataset}"): (None, VISIBLE),
    ("POST", "api", "datasetConfigurations/{dataset}"): ([], VISIBLE),
    ("GET", "api", "folders/root"): (None, OWNER),
    ("GET", "api", "folders/tree"): (None, OWNER),
    ("POST", "data", "triggers/checkInboxBlocking"): (None, OWNER),
    ("POST", "data", "triggers/reload/{organization}/{dataset}"): (None, OWNER),
    ("GET", "data", f"{LAYER}/data"): (None, VISIBLE),
    ("POST", "data", f"{LAYER}/data"): (CUBE, VISIBLE),
    ("POST", "data", f"{LAYER}/readData"): (CUBOID, VISIBLE),
    ("POST", "data", f"{LAYER}/bricks"): (BRICKS, VISIBLE),
    ("GET", "data", f"{LAYER}/histogram"): (None, VISIBLE),
    ("GET", "data", f"{LAYER}/findData"): (None, VISIBLE),
    ("GET", "data", f"{PROXY}/datasource-properties.json"): (None, VISIBLE),
    ("GET", "data", f"{PROXY}/layers/{{layer}}/mags/{{mag}}/{{rest*}}"): (None, VISIBLE),
    ("GET", "data", f"{PROXY}/layers/{{layer}}/attachments/{{kind}}/{{rest*}}"): (None, VISIBLE),
    ("GET", "data", "zarr/{dataset}"): (None, VISIBLE),
    ("GET", "data", "zarr/{dataset}/.zgroup"): (None, VISIBLE),
    ("GET", "data", "zarr/{dataset}/datasource-properties.json"): (None, VISIBLE),
    ("GET", "data", "zarr/{dataset}/{layer}"): (None, VISIBLE),
    ("GET", "data", "zarr/{dataset}/{layer}/.zgroup"): (None, VISIBLE),
    ("GET", "data", "zarr/{dataset}/{layer}/.zattrs"): (None, VISIBLE),
    ("GET", "data", "zarr/{dataset}/{layer}/{mag}"): (None, VISIBLE),
    ("GET", "data", "zarr/{dataset}/{layer}/{mag}/.zarray"): (None, VISIBLE),
    ("GET", "data", "zarr/{dataset}/{layer}/{mag}/{chunk}"): (None, VISIBLE),
}
for place in (LAYER, "datasets/{dataset}"):
    for suffix in ("", ".jpg", ".png"):
        MATRIX["GET", "data", f"{place}/thumbnail{suffix}"] = (None, VISIBLE)
for root in ("zarr3", "zarr3_experimental"):
    for rest in (
        "",
        "/zarr.json",
        "/datasource-properties.json",
        "/{layer}",
        "/{layer}/zarr.json",
        "/{layer}/{mag}",
        "/{layer}/{mag}/zarr.json",
        "/{layer}/{mag}/{chunk*}",
    ):
        MATRIX["GET", "data", f"{root}/{{dataset}}{rest}"] = (None, VISIBLE)

VALUES = {"organization": "lab", "name": "new", "layer": "color", "mag": "1", "kind": "agglomerate"}
ROUTES = {(operation.method, operation.area, operation.path): operation for operation in OPERATIONS}


def address(key, *, dataset: str, directory: str) -> str:
    _, area, path = key
    values = VALUES | {"dataset": dataset, "directory": directory}
    values |= {"rest": "zarr.json", "chunk": "c/0/0/0/0"}
    if path.startswith("zarr/"):
        values["chunk"] = "0.0.0.0"
    if "attachments" in path:
        values |= {"layer": "segmentation", "rest": "view%201/zarr.json"}
    query = BOX if key[0] == "GET" and path.endswith("/data") else ""
    return f"{area}/{path.replace('*}', '}').format_map(values)}{query}"


def test_every_route_is_in_the_matrix():
    assert set(MATRIX) == set(ROUTES)


async def statuses(wk, role: str, name: str) -> dict[tuple[str, str, str], int]:
    dataset = await wk.id_of(name)
    found = {}
    for key, (body, _) in MATRIX.items():
        reply = await wk.request(key[0], address(key, dataset=dataset, directory=name), role=role, json=body)
        found[key] = reply.status_code
        if reply.status_code >= 400:
            (message,) = reply.json()["messages"]
            assert message["error"], key
            assert message["code"], key
            assert "location" not in reply.headers, key
    return found


@pytest.mark.parametrize(
    ("role", "public", "column"), [("owner", False, 0), ("anonymous", False, 1), ("anonymous", True, 2)]
)
async def test_matrix(wk, make_public, role, public, column):
    if public:
        await make_public("cells")
    found = await statuses(wk, role, "cells")
    assert found == {key: expected[column] for key, (_, expected) in MATRIX.items()}


async def test_a_wrong_token_is_nobodys(wk):
    dataset = await wk.id_of("cells")
    for headers in (
        {"X-Auth-Token": "wrong"},
        {"Authorization": "token wrong"},
        {"Authorization": "Basic eDp5"},
    ):
        assert (await wk.get("api/user", role="anonymous", headers=headers)).status_code == 403
        assert (await wk.get(f"api/datasets/{dataset}", role="anonymous", headers=headers)).status_code == 404
    assert (await wk.get("api/user?token=wrong", role="anonymous")).status_code == 403


async def test_a_list_shows_what_one_may_see(wk, make_public):
    async def names(role):
        return {entry["name"] for entry in (await wk.get("api/datasets", role=role)).json()}

    assert await names("owner") == {"cells", "rgb", "timelapse", "broken"}
    assert await names("anonymous") == set()
    await make_public("rgb")
    assert await names("anonymous") == {"rgb"}
