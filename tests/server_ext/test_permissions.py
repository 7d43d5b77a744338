"""Every route, tried by everyone. A route that is not in the matrix fails the test."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from roles import (
    ADMIN,
    ANONYMOUS,
    BY_FOLDER,
    BY_TEAM,
    DATASET_MANAGER,
    DEACTIVATED,
    MEMBER,
    OUTSIDER,
    OWNER,
    ROLES,
    SHARING,
    TEAM_MANAGER,
    WRONG_SHARING,
    Roles,
)

from wk_jupyter.server_ext.routes import OPERATIONS
from wk_jupyter.store.access import owner as holder

BRICKS = {"mags": [[1, 1, 1]], "bricks": [[0, 0, 0, 0]], "accept": ["raw"]}
CUBE = [{"position": [0, 0, 0], "mag": [1, 1, 1], "cubeSize": 32}]
CUBOID = {"position": [0, 0, 0], "width": 4, "height": 4, "depth": 4}
BOX = "?x=0&y=0&z=0&width=4&height=4&depth=4"
LAYER = "datasets/{dataset}/layers/{layer}"
PROXY = "datasets/{dataset}/proxy"

# Who may, of all roles; what the others are told. (method, area, path) -> (body, rule).
NOT_SIGNED_IN = dict.fromkeys((DEACTIVATED, SHARING, WRONG_SHARING, ANONYMOUS), 403)
UNSEEING = dict.fromkeys((MEMBER, OUTSIDER, DEACTIVATED, WRONG_SHARING, ANONYMOUS), 404)
EVERYBODY: dict[str, int] = {}
EDITABLE = UNSEEING | dict.fromkeys((BY_TEAM, BY_FOLDER, SHARING), 403)
MEMBERS_WHO_SEE = UNSEEING | {SHARING: 403}
# Of the dataset itself: what one may not see, one may not borrow from either.
REFERENCE = {"sourceDatasetId": "{dataset}", "sourceLayerName": "color", "targetLayerName": "color again"}
MAG_REFERENCE = REFERENCE | {"targetLayerName": "color", "sourceMag": [2, 2, 1], "targetMag": [4, 4, 1]}
ATTACHMENT_REFERENCE = {
    "sourceDatasetId": "{dataset}",
    "sourceLayerName": "segmentation",
    "targetLayerName": "segmentation",
    "attachmentType": "agglomerate",
    "sourceAttachmentName": "view 1",
    "targetAttachmentName": "again",
}
EXPLAINED = NOT_SIGNED_IN | {MEMBER: 404, OUTSIDER: 404}
TEAMS = object()  # the team that is there already
SIGNED_IN_ROLES = tuple(role for role in ROLES if role not in NOT_SIGNED_IN)
# The user is the one of BY_TEAM: her team manager and she herself see her, and she sees herself alone.
SUPERIOR = NOT_SIGNED_IN | dict.fromkeys((DATASET_MANAGER, BY_FOLDER, MEMBER, OUTSIDER), 404)
ADMINS_OF_HER = SUPERIOR | dict.fromkeys((TEAM_MANAGER,), 403)
ADMINS = NOT_SIGNED_IN | dict.fromkeys((DATASET_MANAGER, TEAM_MANAGER, BY_TEAM, BY_FOLDER, MEMBER), 403)
# The team is the one of BY_FOLDER, deleted by the first who may; who may not see it is not told of it.
TEAM_DELETERS = (
    NOT_SIGNED_IN
    | {DATASET_MANAGER: 403, BY_FOLDER: 403}
    | dict.fromkeys((TEAM_MANAGER, BY_TEAM, MEMBER, OUTSIDER), 404)
)
# The folder is the one of the dataset, which members of a team above it see; the team manager's team is not
# allowed on it, and it is not empty.
FOLDER = NOT_SIGNED_IN | dict.fromkeys((TEAM_MANAGER, BY_TEAM, MEMBER, OUTSIDER), 404)
FOLDER_EDITORS = FOLDER | {BY_FOLDER: 403}
FOLDER_DELETERS = FOLDER_EDITORS | dict.fromkeys((OWNER, ADMIN, DATASET_MANAGER), 409)
VISIBLE = UNSEEING
SIGNED_IN = NOT_SIGNED_IN
# An admin of another organization may look at the disk too: at her own organization's part of it.
MANAGING = NOT_SIGNED_IN | dict.fromkeys((BY_TEAM, BY_FOLDER, MEMBER), 403)
MANAGING_VISIBLE = MANAGING | {OUTSIDER: 404}
# The job is the team manager's; those who manage all datasets see it too.
JOB = NOT_SIGNED_IN | dict.fromkeys((BY_TEAM, BY_FOLDER, MEMBER, OUTSIDER), 404)
# What the server reads by a path, it reads for admins of its own organization alone.
BY_PATH = NOT_SIGNED_IN | dict.fromkeys(
    (DATASET_MANAGER, TEAM_MANAGER, BY_TEAM, BY_FOLDER, MEMBER, OUTSIDER), 403
)
IMPORT = {"path": "{path}", "name": "import {role}", "how": "link"}
# Each has an upload of her own, which nothing was sent to.
UPLOAD = "datasets/upload/dataset"
UPLOADING = MANAGING
UPLOADERS = (OWNER, ADMIN, DATASET_MANAGER, TEAM_MANAGER, OUTSIDER)
RESERVATION = {
    "resumableUploadInfo": {"uploadId": "{role}", "totalFileCount": 1, "totalFileSizeInBytes": 1},
    "datasetName": "upload {role}",
}
OLD_RESERVATION = {"uploadId": "{role}", "name": "upload {role}", "totalFileCount": 1}
# A part of a dataset is brought by those who may edit it; put there by oneself, by those who see the disk.
UPLOADING_PARTS = MANAGING | {OUTSIDER: 404}
RESERVING_PARTS = MANAGING | {OUTSIDER: 404}
PART_UPLOADERS = (OWNER, ADMIN, DATASET_MANAGER, TEAM_MANAGER)
PUT_THERE = BY_PATH | {OWNER: 404, ADMIN: 404}
PART_RESERVATION = {
    "resumableUploadInfo": {"uploadId": "{role}", "totalFileCount": 1},
    "datasetId": "{dataset}",
}
MAG_RESERVATION = PART_RESERVATION | {"layerName": "color", "mag": {"mag": [16, 16, 16]}}
ATTACHMENT_RESERVATION = PART_RESERVATION | {
    "layerName": "segmentation",
    "attachmentType": "agglomerate",
    "attachment": {"name": "brought", "dataFormat": "zarr3"},
}
DATASET_PATHS = {
    "datasetName": "paths {role}",
    "dataSource": {
        "id": {"name": "paths", "team": ""},
        "scale": {"factor": [4, 4, 40], "unit": "nanometer"},
        "dataLayers": [
            {
                "name": "color",
                "category": "color",
                "elementClass": "uint8",
                "dataFormat": "wkw",
                "boundingBox": {"topLeft": [0, 0, 0], "width": 8, "height": 8, "depth": 8},
                "mags": [{"mag": [1, 1, 1], "path": "/etc"}],
            }
        ],
    },
}
MAG_PATH = {"layerName": "color", "mag": [16, 16, 16]}
ATTACHMENT_PATH = {
    "layerName": "segmentation",
    "attachmentName": "brought",
    "attachmentType": "agglomerate",
    "attachmentDataformat": "zarr3",
}
MATRIX = {
    ("GET", "api", "buildinfo"): (None, EVERYBODY),
    ("GET", "api", "health"): (None, EVERYBODY),
    ("GET", "api", "user"): (None, SIGNED_IN),
    ("GET", "api", "users"): (None, SIGNED_IN),
    ("POST", "api", "users"): ({"name": "{role}"}, ADMINS),
    ("GET", "api", "users/{user}"): (None, SUPERIOR),
    ("PATCH", "api", "users/{user}"): ({"isActive": True, "firstName": "Bea"}, ADMINS_OF_HER),
    ("GET", "api", "users/{user}/loggedTime"): (None, SUPERIOR),
    ("GET", "api", "teams"): (None, SIGNED_IN),
    ("POST", "api", "teams"): ({"name": "{role}"}, ADMINS),
    ("DELETE", "api", "teams/{team}"): (None, TEAM_DELETERS),
    ("GET", "api", "tokens"): (None, SIGNED_IN),
    ("POST", "api", "tokens"): ({"name": "{role}"}, SIGNED_IN),
    ("DELETE", "api", "tokens/{token}"): (None, SIGNED_IN | dict.fromkeys(SIGNED_IN_ROLES, 404)),
    ("GET", "api", "datastores"): (None, EVERYBODY),
    ("GET", "api", "openapi.json"): (None, EVERYBODY),
    ("GET", "api", "events"): (None, SIGNED_IN),
    ("GET", "api", "datasets"): (None, EVERYBODY),
    ("POST", "api", "datasets/refresh"): (None, MANAGING),
    ("GET", "api", "datasets/disambiguate/{organization}/{directory}/toId"): (None, VISIBLE),
    ("GET", "api", "datasets/{name}/isValidNewName"): (None, SIGNED_IN),
    ("GET", "api", "datasets/{dataset}"): (None, VISIBLE),
    ("PATCH", "api", "datasets/{dataset}/updatePartial"): ({"description": "{role}"}, EDITABLE),
    ("PATCH", "api", "datasets/{dataset}"): ({"tags": ["{role}"]}, EDITABLE),
    ("POST", "api", "datasets/{dataset}/compose/addLayer"): (REFERENCE, EDITABLE),
    ("POST", "api", "datasets/{dataset}/compose/addMag"): (MAG_REFERENCE, EDITABLE),
    ("POST", "api", "datasets/{dataset}/compose/addAttachment"): (ATTACHMENT_REFERENCE, EDITABLE),
    ("DELETE", "api", "datasets/{dataset}"): (None, EDITABLE),
    ("POST", "api", "datasets/{dataset}/restore"): (None, EDITABLE),
    ("PATCH", "api", "datasets/{dataset}/teams"): (TEAMS, EDITABLE),
    ("GET", "api", "datasets/{dataset}/sharingToken"): (None, MEMBERS_WHO_SEE),
    ("DELETE", "api", "datasets/{dataset}/sharingToken"): (None, EDITABLE),
    ("GET", "api", "datasets/{dataset}/access"): (None, EXPLAINED),
    ("GET", "api", "datasetConfigurations/{dataset}"): (None, VISIBLE),
    ("POST", "api", "datasetConfigurations/{dataset}"): ([], VISIBLE),
    ("PATCH", "api", "datasetConfigurations/{dataset}"): ({"settings": {"zoom": 2}}, EXPLAINED),
    ("GET", "api", "datasetConfigurations/default/{dataset}"): (None, VISIBLE),
    ("PUT", "api", "datasetConfigurations/default/{dataset}"): ({"zoom": 2}, EDITABLE),
    ("GET", "api", "folders/root"): (None, SIGNED_IN),
    ("GET", "api", "folders/tree"): (None, SIGNED_IN),
    ("POST", "api", "folders/create"): (None, FOLDER_EDITORS),
    ("GET", "api", "folders/{folder}"): (None, FOLDER),
    ("PUT", "api", "folders/{folder}"): ({"name": "{role}"}, FOLDER_EDITORS),
    ("PUT", "api", "folders/{folder}/move"): (None, FOLDER_EDITORS),
    ("DELETE", "api", "folders/{folder}"): (None, FOLDER_DELETERS),
    ("GET", "api", "jobs"): (None, SIGNED_IN),
    ("GET", "api", "jobs/{job}"): (None, JOB),
    ("POST", "api", "jobs/{job}/cancel"): (None, JOB),
    ("POST", "api", "jobs/{job}/retry"): ({"options": {"unit": "micrometer"}}, JOB),
    ("POST", "api", "imports"): (IMPORT, BY_PATH),
    ("POST", "api", "imports/inspect"): ({"path": "{path}"}, BY_PATH),
    ("POST", "data", f"{UPLOAD}/reserveUpload"): (RESERVATION, MANAGING),
    ("POST", "data", UPLOAD): (None, UPLOADING | dict.fromkeys(UPLOADERS, 400)),
    ("GET", "data", UPLOAD): (None, UPLOADING | dict.fromkeys(UPLOADERS, 204)),
    ("POST", "data", f"{UPLOAD}/finishUpload"): (None, UPLOADING | dict.fromkeys(UPLOADERS, 409)),
    ("GET", "data", f"{UPLOAD}/unfinishedUploads"): (None, MANAGING),
    ("POST", "data", f"{UPLOAD}/cancelUpload"): (None, MANAGING),
    ("POST", "data", "datasets/reserveUpload"): (OLD_RESERVATION, MANAGING),
    ("POST", "data", "datasets"): (None, UPLOADING | dict.fromkeys(UPLOADERS, 400)),
    ("GET", "data", "datasets"): (None, UPLOADING | dict.fromkeys(UPLOADERS, 204)),
    ("POST", "data", "datasets/finishUpload"): (
        {"uploadId": "{role}"},
        UPLOADING | dict.fromkeys(UPLOADERS, 409),
    ),
    ("POST", "data", "datasets/cancelUpload"): ({"uploadId": "{role}"}, MANAGING),
    ("POST", "data", "triggers/checkInboxBlocking"): (None, MANAGING),
    ("POST", "data", "triggers/reload/{organization}/{dataset}"): (None, MANAGING_VISIBLE),
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
for domain, reservation in (("mag", MAG_RESERVATION), ("attachment", ATTACHMENT_RESERVATION)):
    place = f"datasets/upload/{domain}"
    MATRIX |= {
        ("POST", "data", f"{place}/reserveUpload"): (reservation, RESERVING_PARTS),
        ("POST", "data", place): (None, UPLOADING | dict.fromkeys(UPLOADERS, 400)),
        ("GET", "data", place): (None, UPLOADING_PARTS | dict.fromkeys(PART_UPLOADERS, 204)),
        ("POST", "data", f"{place}/finishUpload"): (
            None,
            UPLOADING_PARTS | dict.fromkeys(PART_UPLOADERS, 409),
        ),
        ("POST", "data", f"{place}/cancelUpload"): (None, UPLOADING_PARTS),
    }
MATRIX["POST", "api", "datasets/reserveUploadToPaths"] = (DATASET_PATHS, BY_PATH)
MATRIX["POST", "api", "datasets/{dataset}/finishUploadToPaths"] = (None, PUT_THERE)
for part, body in (("Mag", MAG_PATH), ("Attachment", ATTACHMENT_PATH)):
    MATRIX["POST", "api", f"datasets/{{dataset}}/reserve{part}UploadToPath"] = (body, BY_PATH)
    MATRIX["POST", "api", f"datasets/{{dataset}}/finish{part}UploadToPath"] = (body, PUT_THERE)
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

VALUES = {
    "organization": "lab",
    "name": "new",
    "layer": "color",
    "mag": "1",
    "kind": "agglomerate",
    "token": "0" * 24,
}
QUERIES = {
    "folders/create": "?parentId={folder}&name=new",
    "folders/{folder}/move": "?newParentId={above}",
    f"{UPLOAD}/finishUpload": "?uploadId={role}",
    f"{UPLOAD}/cancelUpload": "?uploadId={role}",
}
for domain in ("mag", "attachment"):
    for action in ("finishUpload", "cancelUpload"):
        QUERIES[f"datasets/upload/{domain}/{action}"] = "?uploadId={role}"
PROBE = "?resumableIdentifier={role}/a.tif&resumableChunkNumber=1"
ROUTES = {(operation.method, operation.area, operation.path): operation for operation in OPERATIONS}


def address(key, **named: str) -> str:
    _, area, path = key
    values = VALUES | named
    values |= {"rest": "zarr.json", "chunk": "c/0/0/0/0"}
    if path.startswith("zarr/"):
        values["chunk"] = "0.0.0.0"
    if "attachments" in path:
        values |= {"layer": "segmentation", "rest": "view%201/zarr.json"}
    query = BOX if key[0] == "GET" and path.endswith("/data") else QUERIES.get(path, "")
    if key[:2] == ("GET", "data") and (path == "datasets" or path.startswith("datasets/upload/")):
        query = PROBE
    return f"{area}/{path.replace('*}', '}')}{query}".format_map(values)


def filled(body, role: str, roles: Roles, dataset: str):
    """A body with what has to differ from role to role."""
    if body is TEAMS:
        return [roles.team]
    if not isinstance(body, dict):
        return body
    text = json.dumps(body).replace("{role}", f"of {role}").replace("{dataset}", dataset)
    return json.loads(text.replace("{path}", roles.path))


def test_every_route_is_in_the_matrix():
    assert set(MATRIX) == set(ROUTES)


async def begun(wk, method: str, path: str, *, role: str, json):
    """Send a request; an answer that has no end is not waited for."""
    request = wk.http.build_request(method, wk.url + path, headers=wk.headers[role], json=json)
    reply = await wk.http.send(request, stream=True)
    if reply.headers.get("Content-Type") != "text/event-stream":
        await reply.aread()
    await reply.aclose()
    return reply


async def statuses(wk, roles: Roles, role: str, name: str) -> dict[tuple[str, str, str], int]:
    dataset = await wk.id_of(name)
    places = {
        "user": roles.ids[BY_TEAM],
        "team": roles.readers,
        "folder": roles.folder,
        "job": roles.job,
        "role": quote(f"of {role}"),
        "above": roles.above,
    }
    found = {}
    for key, (body, _) in MATRIX.items():
        where = address(key, dataset=dataset, directory=name, **places)
        reply = await begun(wk, key[0], where, role=role, json=filled(body, role, roles, dataset))
        found[key] = reply.status_code
        if reply.status_code >= 400:
            (message,) = reply.json()["messages"]
            assert message["error"], key
            assert message["code"], key
            assert "location" not in reply.headers, key
    return found


@pytest.mark.both_databases
@pytest.mark.parametrize("role", ROLES)
async def test_matrix(wk, roles, role):
    found = await statuses(wk, roles, role, "cells")
    assert found == {key: rule.get(role, 200) for key, (_, rule) in MATRIX.items()}


def when_public(rule: dict[str, int], role: str) -> int:
    """What changes where a dataset is public, for those who would not see it otherwise."""
    if rule is VISIBLE:
        return 200
    if rule is EDITABLE or rule is RESERVING_PARTS:
        return 403
    if rule is MEMBERS_WHO_SEE:
        return 200 if role == MEMBER else 403
    if rule is EXPLAINED:
        return 200 if role in SIGNED_IN_ROLES else 403
    if rule is MANAGING_VISIBLE:
        return 200 if role == OUTSIDER else 403
    return rule.get(role, 200)


@pytest.mark.parametrize("role", sorted(UNSEEING))
async def test_matrix_of_a_public_dataset(wk, roles, make_public, role):
    await make_public("cells")
    found = await statuses(wk, roles, role, "cells")
    assert found == {key: when_public(rule, role) for key, (_, rule) in MATRIX.items()}


@pytest.mark.both_databases
@pytest.mark.parametrize("role", ROLES)
async def test_lists_by_role(wk, roles, role):
    everything = {"cells", "rgb", "timelapse", "broken"}
    wanted = dict.fromkeys((OWNER, ADMIN, DATASET_MANAGER), everything)
    wanted |= {each: {"cells"} for each in (TEAM_MANAGER, BY_TEAM, BY_FOLDER)}
    for address in ("api/datasets", "api/v15/datasets?includeTotalCount=true"):
        reply = await wk.get(address, role=role)
        assert {entry["name"] for entry in reply.json()} == wanted.get(role, set())
    assert int(reply.headers["X-Total-Count"]) == len(wanted.get(role, ()))


EDITORS = (OWNER, ADMIN, DATASET_MANAGER, TEAM_MANAGER)


@pytest.mark.parametrize("role", sorted(set(ROLES) - set(UNSEEING)))
async def test_who_is_told_to_be_an_editor_and_where_the_files_lie(wk, roles, role):
    told = (await wk.get(f"api/datasets/{await wk.id_of('cells')}", role=role)).json()
    assert told["isEditable"] == (role in EDITORS)
    assert ("/binaryData/" in str(told["dataSource"])) == (role in {OWNER, ADMIN})


@pytest.mark.both_databases
async def test_a_token_that_is_revoked_ends_at_once(wk, roles, jp_serverapp):
    services = jp_serverapp.web_app.settings["wk_jupyter"].services
    store = await services.store()
    assert (await wk.get("api/user", role=BY_TEAM)).json()["teams"] != []
    whose = holder("test")
    (record,) = store.tokens.list(whose, roles.ids[BY_TEAM])
    store.tokens.revoke(whose, record.id)
    assert (await wk.get("api/user", role=BY_TEAM)).status_code == 403
    assert (await wk.get(f"api/datasets/{await wk.id_of('cells')}", role=BY_TEAM)).status_code == 404


async def test_a_sharing_token_comes_in_the_address_too_and_beside_a_users_own(wk, roles):
    dataset = await wk.id_of("cells")
    token = roles.headers[SHARING]["X-Auth-Token"]
    for name in ("token", "sharingToken"):
        for role in (ANONYMOUS, MEMBER, OUTSIDER):
            reply = await wk.get(f"api/datasets/{dataset}?{name}={token}", role=role)
            assert reply.status_code == 200, (name, role)
            assert reply.json()["isEditable"] is False


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
