from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa
from sample_datasets import BIG_ID, CORNER, SIZE, write_properties

ENVELOPE = {"customJsonEncoding": "bigint", "value": str(BIG_ID)}


async def test_versions(wk):
    info = (await wk.get("api/buildinfo", role="anonymous")).json()
    assert info["httpApiVersioning"] == {"currentApiVersion": 16, "oldestSupportedApiVersion": 13}
    assert info["webknossos"]["name"] == "webknossos"
    for version in ("", "/v1", "/v13", "/v16", "/v99"):
        assert (await wk.get(f"api{version}/buildinfo")).json() == info


async def test_health_tells_the_owner_which_data_directory_it_is(wk, samples):
    mine = (await wk.get("api/health")).json()
    assert mine["dataDirId"] == (samples.data_dir / ".wk_jupyter_id").read_text().strip()
    assert "dataDirId" not in (await wk.get("api/health", role="anonymous")).json()


async def test_user_and_data_stores(wk, jp_base_url):
    user = (await wk.get("api/user")).json()
    assert user["organization"] == "lab"
    assert len(user["id"]) == 24
    assert user["id"] == (await wk.get("api/user")).json()["id"]
    (store,) = (await wk.get("api/datastores")).json()
    assert store["url"] + "/" == wk.url


async def test_addresses_behind_a_proxy(wk, jp_base_url):
    (store,) = (await wk.get("api/datastores", headers={"Host": "localhost:9"})).json()
    assert store["url"] == f"http://localhost:9{jp_base_url}wk"


async def test_lists_are_compact_from_version_16_on(wk):
    short = (await wk.get("api/v16/datasets")).json()
    assert {entry["name"] for entry in short} == {"cells", "rgb", "timelapse", "broken"}
    cells = next(entry for entry in short if entry["name"] == "cells")
    assert cells["colorLayerNames"] == ["color"]
    assert cells["segmentationLayerNames"] == ["segmentation"]
    assert "dataSource" not in cells
    full = (await wk.get("api/v15/datasets")).json()
    assert all("dataSource" in entry for entry in full)
    compact = (await wk.get("api/v15/datasets?compact=true")).json()
    assert compact == short


@pytest.mark.both_databases
async def test_filters_and_pages(wk):
    async def names(query):
        reply = await wk.get(f"api/datasets?{query}")
        assert reply.status_code == 200, reply.text
        return [entry["name"] for entry in reply.json()]

    assert await names("isActive=false") == ["broken"]
    assert sorted(await names("isActive=true")) == ["cells", "rgb", "timelapse"]
    assert await names("searchQuery=CEL") == ["cells"]
    assert await names("organizationId=elsewhere") == []
    everything = await names("organizationId=lab")
    pages = [await names(f"limit=2&pageNumber={page}") for page in range(3)]
    assert pages == [everything[:2], everything[2:], []]
    reply = await wk.get("api/datasets?limit=1&includeTotalCount=true")
    assert reply.headers["x-total-count"] == "4"


async def test_one_dataset(wk, samples):
    dataset = await wk.id_of("cells")
    found = (await wk.get(f"api/v16/datasets/{dataset}")).json()
    assert (await wk.get(f"api/v16/datasets/cells-{dataset}")).json() == found
    assert found["directoryName"] == "cells"
    assert found["owningOrganization"] == "lab"
    source = found["dataSource"]
    assert source["id"] == {"name": "cells", "team": "lab"}
    color, segmentation = source["dataLayers"]
    assert color["boundingBox"] == {
        "topLeft": list(CORNER),
        "width": SIZE[0],
        "height": SIZE[1],
        "depth": SIZE[2],
    }
    for mag in (*color["mags"], *segmentation["mags"]):
        assert Path(mag["path"]).is_absolute()
        assert Path(mag["path"]).is_dir()  # noqa: ASYNC240
    assert color["mags"][0]["credentialId"] == "kept"
    assert segmentation["largestSegmentId"] == ENVELOPE


async def test_big_integers_are_plain_for_old_clients(wk):
    dataset = await wk.id_of("cells")
    old = (await wk.get(f"api/v14/datasets/{dataset}")).json()
    assert old["dataSource"]["dataLayers"][1]["largestSegmentId"] == BIG_ID
    for place in (f"zarr/{dataset}", f"datasets/{dataset}/proxy", f"zarr3/{dataset}"):
        for version, expected in (("v14", BIG_ID), ("v15", ENVELOPE)):
            document = (await wk.get(f"data/{version}/{place}/datasource-properties.json")).json()
            assert document["dataLayers"][1]["largestSegmentId"] == expected


async def test_the_disks_paths_are_for_the_owner_alone(wk, make_public, samples):
    await make_public("cells")
    dataset = await wk.id_of("cells")
    for path in (
        f"api/datasets/{dataset}",
        "api/v15/datasets",
        f"data/zarr/{dataset}/datasource-properties.json",
    ):
        text = (await wk.get(path, role="anonymous")).text
        assert str(samples.data_dir) not in text, path


async def test_a_broken_dataset_is_listed_with_its_reason(wk):
    broken = await wk.id_of("broken")
    found = (await wk.get(f"api/datasets/{broken}")).json()
    assert set(found["dataSource"]) == {"id", "status"}
    assert found["isActive"] is False
    assert "datasource-properties.json" in found["statusReason"]


async def test_disambiguate(wk):
    found = (await wk.get("api/datasets/disambiguate/lab/cells/toId")).json()
    assert found == {
        "id": await wk.id_of("cells"),
        "name": "cells",
        "organization": "lab",
        "directoryName": "cells",
    }
    assert (await wk.get("api/datasets/disambiguate/lab/nothing/toId")).status_code == 404
    assert (await wk.get("api/datasets/disambiguate/other/cells/toId")).status_code == 404


async def test_view_configuration(wk):
    dataset = await wk.id_of("cells")
    shown = (await wk.get(f"api/datasetConfigurations/{dataset}")).json()
    assert shown["zoom"] == 2.0
    assert shown["layers"]["color"]["intensityRange"] == [10, 200]
    assert shown["layers"]["segmentation"]["alpha"] == 20
    assert (await wk.post(f"api/datasetConfigurations/{dataset}", json=[])).json() == shown


@pytest.mark.both_databases
async def test_refresh_sees_what_came_went_and_changed(wk, samples):
    shutil.copytree(samples.folder / "rgb", samples.folder / "copy")
    shutil.rmtree(samples.folder / "timelapse")
    properties = samples.folder / "broken" / "datasource-properties.json"
    shutil.copy(samples.folder / "rgb" / "datasource-properties.json", properties)
    report = await wk.post("data/triggers/checkInboxBlocking")
    assert report.status_code == 200
    active = (await wk.get("api/datasets?isActive=true")).json()
    assert {entry["name"] for entry in active} == {"cells", "rgb", "copy", "broken"}


async def test_the_served_documents(wk):
    dataset = await wk.id_of("cells")
    zarr = (await wk.get(f"data/v15/zarr/{dataset}/datasource-properties.json")).json()
    color, segmentation = zarr["dataLayers"]
    assert color["dataFormat"] == segmentation["dataFormat"] == "zarr"
    order = {"c": 0, "x": 1, "y": 2, "z": 3}
    assert color["mags"] == [
        {"mag": [1, 1, 1], "path": "./color/1", "axisOrder": order},
        {"mag": [2, 2, 1], "path": "./color/2-2-1", "axisOrder": order},
    ]
    assert "attachments" not in segmentation
    proxy = (await wk.get(f"data/v15/datasets/{dataset}/proxy/datasource-properties.json")).json()
    color, segmentation = proxy["dataLayers"]
    assert (color["dataFormat"], segmentation["dataFormat"]) == ("zarr3", "zarr")
    assert [mag["path"] for mag in color["mags"]] == ["./layers/color/mags/1", "./layers/color/mags/2-2-1"]
    (attachment,) = segmentation["attachments"]["agglomerates"]
    assert attachment["path"] == "./layers/segmentation/attachments/agglomerate/view 1"
    film = await wk.id_of("timelapse")
    (layer,) = (await wk.get(f"data/zarr/{film}/datasource-properties.json")).json()["dataLayers"]
    assert layer["mags"][0]["axisOrder"] == {"c": 0, "x": 2, "y": 3, "z": 4}
    assert layer["additionalAxes"] == [{"name": "t", "bounds": [0, 3], "index": 1}]


async def test_secrets_in_a_file_are_not_served(wk, samples, make_public):
    folder = samples.folder / "remote"
    layer = json.loads((samples.folder / "rgb" / "datasource-properties.json").read_text())["dataLayers"][0]
    layer["mags"][0]["credentials"] = {"user": "ada", "password": "hunter2"}
    shutil.copytree(samples.folder / "rgb" / "photo", folder / "photo")
    write_properties(folder, [layer])
    await wk.post("api/datasets/refresh")
    dataset = await wk.id_of("remote")
    for path in (
        f"api/datasets/{dataset}",
        f"data/zarr/{dataset}/datasource-properties.json",
        f"data/datasets/{dataset}/proxy/datasource-properties.json",
    ):
        assert "hunter2" not in (await wk.get(path)).text, path


async def test_openapi_has_every_route(wk):
    from wk_jupyter.server_ext.routes import OPERATIONS

    document = (await wk.get("api/openapi.json", role="anonymous")).json()
    assert document["openapi"].startswith("3.1")
    described = {(method, path) for path, item in document["paths"].items() for method in item}
    expected = {
        (operation.method.lower(), f"/{operation.area}/{operation.path}".replace("*}", "}"))
        for operation in OPERATIONS
    }
    assert described == expected
    text = json.dumps(document)
    names = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names == set(document["components"]["schemas"])
    operations = [item for path in document["paths"].values() for item in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for path, item in document["paths"].items():
        for operation in item.values():
            declared = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
            assert declared == {part.split("}")[0] for part in path.split("{")[1:]}


@pytest.mark.both_databases
async def test_lists_are_filtered_by_all_that_is_known(wk, jp_serverapp):
    from wk_jupyter.store.catalog.folders import insert_folder
    from wk_jupyter.store.catalog.tables import dataset_tags, dataset_teams, datasets

    services = jp_serverapp.web_app.settings["wk_jupyter"].services
    store = await services.store()
    cells, team = await wk.id_of("cells"), store.home.everyone_id
    with store.changes.writing() as writer:
        below = insert_folder(writer.connection, store.home.id, store.home.root_folder_id, "below")
        changed = {"folder_id": below, "owner_id": store.owner.id, "tags": ["a b", "c"], "created": 1000}
        writer.connection.execute(sa.update(datasets).where(datasets.c.id == cells).values(**changed))
        tags = [{"dataset_id": cells, "tag": tag} for tag in ("a b", "c")]
        writer.connection.execute(sa.insert(dataset_tags), tags)
        writer.connection.execute(sa.insert(dataset_teams).values(dataset_id=cells, team_id=team))
        writer.note("dataset", "changed", cells, store.home.id)

    async def names(**params):
        reply = await wk.get("api/datasets", params=params)
        assert reply.status_code == 200, reply.text
        return [entry["name"] for entry in reply.json()]

    rest = ["broken", "rgb", "timelapse"]
    assert await names(folderId=below) == ["cells"]
    assert await names(folderId=store.home.root_folder_id) == rest
    assert len(await names(folderId=store.home.root_folder_id, includeSubfolders="true")) == 4
    assert await names(tag="a b") == await names(tag=["a b", "c"]) == ["cells"]
    assert await names(tag=["a b", "d"]) == []
    assert await names(team=team) == await names(uploader=store.owner.id) == ["cells"]
    assert await names(team="0" * 24) == await names(uploader="nobody") == []
    assert await names(elementClass="uint16") == ["timelapse"]
    assert await names(createdTo=1000) == await names(createdFrom=1000, createdTo=1000) == ["cells"]
    assert await names(createdFrom=1001) == rest
    assert (await names(order="created"))[0] == "cells"
    assert (await names(order="name", direction="descending"))[-1] == "broken"
    assert len(await names(onlyMyOrganization="true")) == 4
    assert await names(trashed="true") == []
    found = (await wk.get("api/v15/datasets", params={"tag": "c"})).json()[0]
    (allowed,) = found["allowedTeams"]
    assert allowed == {"id": team, "name": "default", "organization": "lab", "isOrganizationTeam": True}
    assert found["allowedTeamsCumulative"] == [allowed]
    assert (found["isEditable"], found["owner"]) == (True, store.owner.id)


@pytest.mark.parametrize(
    "query",
    [
        "order=size",
        "direction=up",
        "createdFrom=soon",
        "bytesTo=" + "9" * 30,
        "trashed=maybe",
        "tag=x&" * 101,
    ],
)
async def test_filters_that_make_no_sense_are_told(wk, query):
    reply = await wk.get(f"api/datasets?{query}")
    assert reply.status_code == 400, reply.text


async def test_sizes_are_counted_and_then_filtered_by(wk, jp_serverapp):
    services = jp_serverapp.web_app.settings["wk_jupyter"].services
    store = await services.store()
    cells = await wk.id_of("cells")
    counted = await asyncio.wrap_future(store.usage.count(cells))
    assert (await wk.get(f"api/datasets/{cells}")).json()["usedStorageBytes"] == counted > 0
    found = (await wk.get("api/datasets", params={"bytesFrom": counted, "bytesTo": counted})).json()
    assert [entry["name"] for entry in found] == ["cells"]


@pytest.mark.both_databases
async def test_the_last_use_is_each_users_own(wk, roles, jp_serverapp):
    from wk_jupyter.store.catalog.database import now_ms
    from wk_jupyter.store.catalog.tables import dataset_uses

    store = await jp_serverapp.web_app.settings["wk_jupyter"].services.store()
    rgb = await wk.id_of("rgb")
    with store.changes.writing() as writer:
        use = {"user_id": store.owner.id, "dataset_id": rgb, "last_used": 5000}
        writer.connection.execute(sa.insert(dataset_uses).values(use))
    found = (await wk.get("api/datasets?order=lastUsed&direction=descending")).json()
    assert [entry["lastUsedByUser"] for entry in found] == [5000, 0, 0, 0]
    assert found[0]["name"] == "rgb"
    before = now_ms()
    assert (await wk.get(f"api/datasets/{rgb}")).json()["lastUsedByUser"] >= before  # opened now
    noted = (await wk.get(f"api/datasets/{rgb}")).json()["lastUsedByUser"]
    assert (await wk.get(f"api/datasets/{rgb}")).json()["lastUsedByUser"] == noted  # once a minute
    assert (await wk.get(f"api/datasets/{rgb}", role="admin")).json()["lastUsedByUser"] >= noted


async def test_whoever_has_a_link_leaves_no_trace(wk, roles, jp_serverapp):
    from wk_jupyter.store.catalog.tables import dataset_uses

    cells = await wk.id_of("cells")
    for role in ("sharing token", "anonymous"):
        await wk.get(f"api/datasets/{cells}", role=role)
    token = wk.headers["sharing token"]["X-Auth-Token"]
    assert (await wk.get(f"api/datasets/{cells}?sharingToken={token}", role="member")).status_code == 200
    store = await jp_serverapp.web_app.settings["wk_jupyter"].services.store()
    with store.context.engine.connect() as connection:
        assert connection.execute(sa.select(dataset_uses)).all() == []
