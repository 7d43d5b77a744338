"""The API in the hands of somebody who means harm: everything is answered, and nothing as our own fault."""

from __future__ import annotations

import json
import os
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import numpy as np
import pytest
from hostile import Description, Request
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from sample_datasets import TOKEN, box_of, write_array, write_properties
from tornado.httpclient import AsyncHTTPClient, HTTPRequest

from wk_jupyter.api.openapi import EVENT_STREAM

EXAMPLES = int(os.environ.get("WK_JUPYTER_HOSTILE_EXAMPLES", "300"))


@pytest.fixture
def small_limits(settings) -> None:
    """So that no request of a test is answered with much."""
    settings["max_cutout_bytes"] = 2**20


class Opened(NamedTuple):
    """An answer without an end, of which the beginning is enough."""

    code: int


async def send(wk, request: Request, *, client: AsyncHTTPClient):
    headers = {"X-Auth-Token": TOKEN, **request.headers}
    has_body = request.method in ("POST", "PUT", "PATCH")
    if request.method == "GET" and urlsplit(request.address).path.endswith("/events"):
        raw = {name: value.encode("latin-1") for name, value in headers.items()}
        async with wk.http.stream("GET", wk.url + request.address.removeprefix("/"), headers=raw) as reply:
            if reply.status_code == 200:
                assert reply.headers["Content-Type"].startswith(EVENT_STREAM)
                return Opened(200)
    return await client.fetch(
        HTTPRequest(
            wk.url + request.address.removeprefix("/"),
            method=request.method,
            headers=headers,
            body=(request.body or b"") if has_body else None,
            follow_redirects=False,
            request_timeout=60,
            decompress_response=False,
        ),
        raise_error=False,
    )


@pytest.fixture
def description(small_limits, wk, jp_asyncio_loop) -> Description:
    async def describe() -> Description:
        document = (await wk.get("api/openapi.json")).json()
        names = ("cells", "rgb", "timelapse", "broken")
        known = {
            "dataset": [await wk.id_of(name) for name in ("cells", "cells", "cells", *names)],
            "layer": ["color", "color", "color", "segmentation", "photo", "film"],
            "mag": ["1", "1", "1-1-1", "2-2-1", "4"],
            "organization": ["lab", "other"],
            "directory": list(names),
            "name": ["cells", "new"],
            "kind": ["agglomerate", "segmentIndex"],
            "rest": ["zarr.json", "c/0/0/0/0", "view 1/zarr.json", "index", ".zarray"],
            "chunk": ["0.0.0.0", "c/0/0/0/0", "c.0.1.0.0.0", "c/0/1/0/0/0"],
        }
        for noun in ("user", "team"):
            known[noun] = [entry["id"] for entry in (await wk.get(f"api/{noun}s")).json()]
        known["folder"] = [entry["id"] for entry in (await wk.get("api/folders/tree")).json()]
        return Description(document, known)

    return jp_asyncio_loop.run_until_complete(describe())


def test_no_request_is_the_servers_fault(wk, description, jp_asyncio_loop):
    client = AsyncHTTPClient(force_instance=True)

    @hypothesis_settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize="WK_JUPYTER_HOSTILE_EXAMPLES" not in os.environ,
        suppress_health_check=list(HealthCheck),
    )
    @given(description.requests())
    def attack(request: Request) -> None:
        reply = jp_asyncio_loop.run_until_complete(send(wk, request, client=client))
        assert reply.code < 500, (request, reply.body)
        if reply.code >= 400 and request.method != "HEAD":
            assert reply.headers["Content-Type"] == "application/json", request
            (message,) = json.loads(reply.body)["messages"]
            assert message["error"], request
            assert len(reply.body) < 5000, request

    attack()
    client.close()


def cube(**more) -> dict:
    return {"position": [0, 0, 0], "mag": [1, 1, 1], "cubeSize": 1, **more}


@pytest.mark.parametrize(
    ("path", "body", "word"),
    [
        ("data", b'[{"position":[0,0,0],"junk":"' + b"x" * 10_000_000 + b'"}]', "10,000,0"),
        ("bricks", b'{"mags":' + b"[" * 10_000_000, "10,000,0"),
        ("bricks", b'{"mags":' + b"[" * 3_000_000, "body of the request is wrong"),
        ("readData", b'{"position":' + b'{"a":' * 500_000, "body of the request is wrong"),
        ("data", json.dumps([cube()] * 3000).encode(), "3,000 cubes"),
        ("data", json.dumps([cube(cubeSize=2**40)]).encode(), "bytes"),
        ("data", json.dumps([cube(cubeSize=-5)]).encode(), "negative"),
        ("data", json.dumps([cube(cubeSize=10**300)]).encode(), "bytes together"),
        ("data", json.dumps([cube(position=[0, 0, 10**30])]).encode(), "absurdly large"),
        ("data", json.dumps([cube(mag=[0, 1, 1])]).encode(), "mag"),
        ("data", json.dumps([cube(mag=[-1, 1, 1])]).encode(), "mag"),
        ("data", json.dumps([cube(position=[float("nan"), 0, 0])]).encode(), "wrong"),
        ("data", json.dumps([cube(position=[float("inf"), 0, 0])]).encode(), "wrong"),
        ("data", json.dumps([cube(zoomStep=2**62, mag=None)]).encode(), "zoom step"),
        ("readData", b'{"position":[0,0,0],"width":-1,"height":2,"depth":2}', "negative"),
        ("bricks", b'{"mags":[[1,1,1]],"bricks":[[9,0,0,0]],"accept":["raw"]}', ""),
        ("bricks", b'{"mags":[[1,1,1]],"bricks":[[-1,0,0,0]],"accept":["raw"]}', ""),
    ],
)
async def test_bodies_that_are_too_much(small_limits, wk, path, body, word):
    place = f"data/datasets/{await wk.id_of('cells')}/layers/color/{path}"
    reply = await wk.post(place, content=body)
    assert reply.status_code in (400, 404), reply.text[:300]
    assert word in reply.json()["messages"][0]["error"]
    assert (await wk.get("api/health")).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        {"searchQuery": "a " * 4000},
        {"searchQuery": "%_\\ %"},
        {"searchQuery": "\0"},
        {"searchQuery": "\ud7ff\uffff" * 1000},
        {"limit": "10", "pageNumber": str(10**17)},
        {"limit": "10000", "pageNumber": str(2**63 - 1)},
        {"limit": "10", "pageNumber": str(2**64)},
        {"limit": "0", "pageNumber": "5"},
        {"organizationId": "\0", "folderId": "'"},
    ],
)
async def test_lists(wk, query):
    reply = await wk.get("api/datasets", params=query)
    assert reply.status_code in (200, 400), reply.text


HOSTILE_PATHS = [
    "../../../../etc/passwd",
    "..;/etc/passwd",
    "....//....//etc/passwd",
    "\\..\\..\\etc\\passwd",
    "a\0b",
    "a%00b",
    "%2e%2e/%2e%2e",
    "//etc/passwd",
    "%c0%af%c0%ae",
    "\xff\xfe",
    "~root/.ssh/id_rsa",
    "/proc/self/environ",
    "CON",
    "." * 300,
]


@pytest.mark.parametrize("encode", [False, True], ids=["as it is", "encoded"])
async def test_paths_in_every_variable(wk, fetch_raw, encode):
    """Not only where files are sent: names of layers and mags become folders, too."""
    cells = await wk.id_of("cells")
    for rest in HOSTILE_PATHS:
        for address in addresses(cells, rest, quote(rest, safe="" if encode else "/%\\;~")):
            assert await fetch_raw(address) in (400, 404), address


def addresses(cells: str, rest: str, piece: str) -> list[str]:
    return [
        f"api/datasets/{piece}",
        f"api/datasets/disambiguate/lab/{piece}/toId",
        f"api/datasets/disambiguate/{piece}/cells/toId",
        f"data/datasets/{cells}/layers/{piece}/thumbnail.png",
        f"data/datasets/{cells}/layers/color/thumbnail.png?mag={quote(rest, safe='')}",
        f"data/datasets/{cells}/proxy/layers/{piece}/mags/1/zarr.json",
        f"data/datasets/{cells}/proxy/layers/color/mags/{piece}/zarr.json",
        f"data/datasets/{cells}/proxy/layers/color/mags/1/{piece}",
        f"data/datasets/{cells}/proxy/layers/segmentation/attachments/{piece}/x",
        f"data/datasets/{cells}/proxy/layers/segmentation/attachments/agglomerate/view%201/{piece}",
        f"data/zarr/{cells}/{piece}/.zattrs",
        f"data/zarr/{cells}/color/1/{piece}",
        f"data/zarr3/{cells}/color/{piece}/zarr.json",
        f"data/zarr3/{cells}/color/1/{piece}",
    ]


async def test_the_file_of_properties_is_never_sent_as_it_lies(wk, samples):
    """It may hold secrets; a mag may lie in the folder of the dataset itself, an attachment nowhere."""
    folder = samples.folder / "flat"
    write_array(folder, np.ones((1, 8, 8, 8), np.uint8))
    order = {"c": 0, "x": 1, "y": 2, "z": 3}
    layer = {
        "name": "color",
        "category": "color",
        "boundingBox": box_of((0, 0, 0), (8, 8, 8)),
        "elementClass": "uint8",
        "dataFormat": "zarr3",
        "mags": [{"mag": 1, "path": ".", "axisOrder": order, "credentials": "secret"}],
        "attachments": {
            "meshes": [{"name": "abc"[n], "path": path} for n, path in enumerate(("", ".", "./"))]
        },
    }
    write_properties(folder, [layer])
    await wk.post("api/datasets/refresh")
    place = f"data/datasets/{await wk.id_of('flat')}/proxy"
    assert (await wk.get(f"{place}/layers/color/mags/1/zarr.json")).status_code == 200
    served = await wk.get(f"{place}/datasource-properties.json")
    assert served.status_code == 200
    assert "secret" not in served.text
    for path in ("mags/1", "mags/1/.", *(f"attachments/mesh/{name}" for name in "abc")):
        reply = await wk.get(f"{place}/layers/color/{path}/datasource-properties.json")
        assert reply.status_code == 404, path
