"""Who hears where on the server's disk things lie: its admin, and nobody else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sample_datasets import box_of, write_array, write_properties

from wk_jupyter.api.frames import Status, decode_frame
from wk_jupyter.server_ext.discretion import without_server_paths

FOLDER = Path("/srv/wk data/binaryData/lab/cells")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{FOLDER}/color/1/c/0 is damaged.", "color/1/c/0 is damaged."),
        (f"{FOLDER} is empty; {FOLDER}.", "cells is empty; cells."),
        (f"{FOLDER}2/x is another's", "…/x is another's"),
        ('local file "/mnt/my disk/a/b.bin": no', 'local file "…/b.bin": no'),
        ("'/mnt/x'", "'…/x'"),
        ("it points to /mnt/my disk/x, which is gone", "it points to …/x, which is gone"),
        ("file:///home/ada/x and (/home/ada/y)", "…/x and (…/y)"),
        ("/home/ada/ is a folder", "…/ada is a folder"),
        ("path=/etc/passwd; /etc", "path=…/passwd; …/etc"),
        ('it must be "." or "/". Or not.', 'it must be "." or "/". Or not.'),
        ("https://a.b/c/d, api/openapi.json, ./color/1", "https://a.b/c/d, api/openapi.json, ./color/1"),
        ("4 × 4 / 2", "4 × 4 / 2"),
    ],
)
def test_paths_are_left_out(text, told):
    assert without_server_paths(text, FOLDER) == told


def layer(name: str, data_format: str, **more) -> dict:
    order = {"c": 0, "x": 1, "y": 2, "z": 3}
    return {
        "name": name,
        "category": "color",
        "boundingBox": box_of((0, 0, 0), (64, 64, 64)),
        "elementClass": "uint8",
        "dataFormat": data_format,
        "numChannels": 1,
        "mags": [{"mag": [1, 1, 1], "path": f"./{name}/1", "axisOrder": order}],
        **more,
    }


@pytest.fixture
def damaged(samples, tmp_path):
    """A dataset that says something of the disk in each way there is; one that cannot be used at all."""
    import numpy as np

    folder = samples.folder / "damaged"
    write_array(folder / "shards" / "1", np.ones((1, 64, 64, 64), np.uint8))
    write_array(folder / "chunks" / "1", np.ones((1, 64, 64, 64), np.uint8), "zarr")
    for file in (folder / "shards" / "1" / "c/0/0/0/0", folder / "chunks" / "1" / "0.0.0.0"):
        assert file.is_file()
        file.write_bytes(b"damaged")
    (folder / "absent").symlink_to(tmp_path / "secret" / "place")
    attachments = {"meshes": [{"name": "m", "path": "/secret/place/m", "dataFormat": "zarr3"}]}
    layers = [
        layer("shards", "zarr3"),
        layer("chunks", "zarr", attachments=attachments),
        layer("nowhere", "wkw"),
    ]
    write_properties(folder, layers)
    lost = samples.folder / "lost"
    lost.mkdir()
    (lost / "datasource-properties.json").symlink_to(tmp_path / "secret" / "place.json")


async def all_texts(wk, role: str) -> str:
    """Everything that the API says of both datasets, in all of its ways."""
    texts = [
        await wk.get(f"api/v{version}/datasets", params={"compact": compact}, role=role)
        for version in (13, 16)
        for compact in ("true", "false")
    ]
    for name in ("damaged", "lost"):
        dataset = await wk.id_of(name)
        texts += [
            await wk.get(f"{area}/{dataset}{rest}", role=role)
            for area, rest in (
                ("api/datasets", ""),
                ("api/datasetConfigurations", ""),
                ("data/datasets", "/thumbnail"),
                ("data/datasets", "/proxy/datasource-properties.json"),
                ("data/datasets", "/proxy/layers/chunks/mags/1/.zmissing"),
                ("data/zarr", "/datasource-properties.json"),
            )
        ]
        for layer_name in ("shards", "chunks", "nowhere"):
            place = f"data/datasets/{dataset}/layers/{layer_name}"
            texts += [
                await wk.get(f"{place}/{what}", role=role)
                for what in ("thumbnail.png", "findData", "histogram")
            ]
            texts.append(await wk.get(f"{place}/data?x=0&y=0&z=0&width=9&height=9&depth=9", role=role))
            texts.append(await wk.get(f"data/zarr3/{dataset}/{layer_name}/1/c/0/0/0/0", role=role))
            for form in ("stored", "raw", "zstd-body"):
                request = {"mags": [[1, 1, 1]], "bricks": [[0, 0, 0, 0], [0, 1, 1, 1]], "accept": [form]}
                texts.append(await wk.post(f"{place}/bricks", json=request, role=role))
    assert {reply.status_code for reply in texts} == {200, 404, 422}
    return "\n".join(
        f"{reply.url.path}: {reply.text}" for reply in texts if not reply.is_success or reply.text
    )


async def test_an_admin_hears_paths_and_others_do_not(wk, damaged, make_public, samples, tmp_path):
    await wk.post("api/datasets/refresh")
    for name in ("damaged", "lost"):
        await make_public(name)
    owner, others = await all_texts(wk, "owner"), await all_texts(wk, "anonymous")
    assert owner.count(f"{samples.folder}/damaged/") > 20
    assert f"{tmp_path}/secret/place" in owner
    assert "/secret/place/m" in owner
    assert str(tmp_path) not in others
    assert "/secret/" not in others
    assert "…/place" in others


async def test_what_others_hear_still_names_the_file(wk, damaged, make_public):
    await wk.post("api/datasets/refresh")
    await make_public("damaged")
    place = f"data/datasets/{await wk.id_of('damaged')}/layers"
    picture = await wk.get(f"{place}/shards/thumbnail", role="anonymous")
    assert picture.status_code == 422
    (message,) = picture.json()["messages"]
    assert "shards/1" in message["error"]
    request = {"mags": [[1, 1, 1]], "bricks": [[0, 0, 0, 0]], "accept": ["stored"]}
    reply = await wk.post(f"{place}/shards/bricks", json=request, role="anonymous")
    (entry,) = decode_frame(reply.content)
    assert entry.status == Status.FAILED
    assert "shards/1/c/0/0/0/0" in json.loads(bytes(entry.payload))["error"]
    detail = (await wk.get(f"api/datasets/{await wk.id_of('damaged')}", role="anonymous")).json()
    assert any("absent points to …/place" in warning for warning in detail["warnings"])
    attachment = detail["dataSource"]["dataLayers"][1]["attachments"]["meshes"][0]
    assert attachment["path"] == "m"
