from __future__ import annotations

import inspect
from collections import defaultdict

from wk_jupyter import errors
from wk_jupyter.server_ext.errors import STATUS, body_of, status_of
from wk_jupyter.server_ext.routes import OPERATIONS


def test_every_error_class_has_its_status():
    classes = [
        cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, errors.WkError)
    ]
    for cls in classes:
        assert (
            any(parent in STATUS for parent in cls.__mro__ if parent is not errors.WkError) or cls in STATUS
        )
    assert status_of(errors.LayerNotFound("x")) == 404
    assert status_of(errors.InvalidInput("x")) == 400
    assert status_of(errors.CorruptData("x")) == 422


def test_nothing_is_told_of_the_unexpected():
    assert b"secret" not in body_of(ValueError("secret path /home/ada"), 500, str)


BAD_REQUESTS = [
    ("GET", "", 404),
    ("GET", "api", 404),
    ("GET", "api/v16/nowhere", 404),
    ("DELETE", "api/nowhere", 404),
    ("GET", "nowhere/at/all", 404),
    ("GET", "api/v99999/user", 404),
    ("GET", "api/datasets/ffffffffffffffffffffffff", 404),
    ("GET", "api/datasets/name-ffffffffffffffffffffffff", 404),
    ("GET", "api/datasets/%00", 404),
    ("GET", "api/datasets/%ff", 400),
    ("GET", "api/datasets?limit=many", 400),
    ("GET", "api/datasets?limit=-1", 400),
    ("GET", "api/datasets?pageNumber=-1", 400),
    ("GET", "api/datasets?isActive=maybe", 400),
    ("POST", "api/buildinfo", 405),
    ("PUT", "api/datasets", 405),
    ("PUT", "api/datasets/{cells}", 405),
    ("PATCH", "api/user", 405),
    ("GET", "data/datasets/{cells}/layers/nothing/histogram", 404),
    ("GET", "data/datasets/{cells}/layers/color/data", 400),
    ("GET", "data/datasets/{cells}/layers/color/data?x=a&y=0&z=0&width=1&height=1&depth=1", 400),
    ("GET", "data/datasets/{cells}/layers/color/data?x=0&y=0&z=0&width=0&height=1&depth=1", 400),
    ("GET", "data/datasets/{cells}/layers/color/data?x=0&y=0&z=0&width=-1&height=1&depth=1", 400),
    ("GET", "data/datasets/{cells}/layers/color/data?x=0&y=0&z=0&width=99999&height=99999&depth=99999", 400),
    ("GET", "data/datasets/{cells}/layers/color/data?mag=0&x=0&y=0&z=0&width=1&height=1&depth=1", 400),
    ("GET", "data/datasets/{cells}/layers/color/data?mag=x&x=0&y=0&z=0&width=1&height=1&depth=1", 400),
    ("GET", f"data/datasets/{{cells}}/layers/color/data?x={10**30}&y=0&z=0&width=1&height=1&depth=1", 400),
    ("GET", "data/datasets/{cells}/layers/color/thumbnail?color=blue", 400),
    ("GET", "data/datasets/{cells}/layers/color/thumbnail?mag=64", 404),
    ("GET", "data/datasets/{broken}/layers/color/histogram", 422),
    ("GET", "data/zarr/{broken}/datasource-properties.json", 422),
    ("GET", "data/zarr/{cells}/color/64/.zarray", 404),
    ("GET", "data/zarr/{cells}/color/0/.zarray", 404),
    ("GET", "data/zarr/{cells}/color/1/9.9.9.9", 404),
    ("GET", "data/zarr/{cells}/color/1/0.0.0", 404),
    ("GET", "data/zarr3/{cells}/color/1/c/0/0/0", 404),
    ("GET", "data/datasets/{cells}/proxy/layers/color/mags/1/nothing", 404),
]


async def test_the_shape_of_every_error(wk):
    ids = {name: await wk.id_of(name) for name in ("cells", "broken")}
    for method, path, status in BAD_REQUESTS:
        reply = await wk.request(method, path.format_map(ids))
        assert reply.status_code == status, (method, path, reply.text)
        assert reply.headers["content-type"] == "application/json", path
        (message,) = reply.json()["messages"]
        assert set(message) == {"error", "hint", "code"}, path
        assert message["error"], path
        assert "Traceback" not in reply.text, path


async def test_every_body_is_checked(wk):
    cells = await wk.id_of("cells")
    values = {"dataset": cells, "layer": "color", "organization": "lab", "directory": "cells"}
    values = defaultdict(lambda: "0" * 24, values)  # bodies are looked at before anybody is looked for
    bodies = [b"", b"{", b"null", b'"text"', b"[[[[[[]]]]]]", b"\xff\xfe", b'{"a":' * 5000]
    with_body = [operation for operation in OPERATIONS if operation.body is not None]
    assert with_body
    for operation in with_body:
        for body in bodies:
            reply = await wk.request(
                operation.method, f"{operation.area}/{operation.path.format_map(values)}", content=body
            )
            assert reply.status_code == 400, (operation.path, body[:20], reply.text)
            assert reply.json()["messages"][0]["error"], operation.path


async def test_an_unexpected_exception_is_logged_and_not_told(wk, jp_serverapp, monkeypatch, caplog):
    services = jp_serverapp.web_app.settings["wk_jupyter"].services

    async def fail(*_, **__):
        raise RuntimeError("the inner workings at /home/ada")

    monkeypatch.setattr(services, "store", fail)
    reply = await wk.get("api/datasets")
    assert reply.status_code == 500
    assert reply.json()["messages"][0]["code"] == "internal_error"
    assert "inner workings" not in reply.text
    assert any("inner workings" in str(record.exc_info) for record in caplog.records)


async def test_405_names_the_methods(wk):
    reply = await wk.post("api/buildinfo")
    assert reply.headers["allow"] == "GET, HEAD"
