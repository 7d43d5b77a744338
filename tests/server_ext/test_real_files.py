"""Real files of every stored format, over HTTP: the same voxels as the store reads, by every route.

That the store reads the true voxels is tested beside the readers of the formats.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest
import tensorstore as ts
from sample_datasets import TOKEN

from wk_jupyter.api.frames import Status, decode_frame
from wk_jupyter.errors import WkError
from wk_jupyter.geometry import BoundingBox
from wk_jupyter.store.explore import explore

FORMATS = ("wkw", "zarr", "n5", "precomputed")


def explored(shared_data: Path):
    """(name, folder, data source) of each folder in the collection that is recognised."""
    manifest = json.loads((shared_data / "manifest.json").read_text())
    for entry in manifest["real"] + manifest["derived"]:
        if entry["format"] in FORMATS and (shared_data / entry["path"]).is_dir():
            pending = [shared_data / entry["path"]]
            while pending:
                folder = pending.pop()
                try:
                    source = explore(folder).data_source
                except WkError:
                    pending += [child for child in sorted(folder.iterdir()) if child.is_dir()]
                    continue
                yield f"{entry['id']}-{folder.name}", folder, source


@pytest.fixture
def samples(samples, shared_data):
    """Each recognised folder as a dataset, by a link of its own."""
    for name, folder, source in explored(shared_data):
        target = samples.folder / name.replace("/", "-")
        target.mkdir(exist_ok=True)
        (target / "data").symlink_to(folder)
        document = source.to_document()
        for layer, layer_document in zip(source.layers, document["dataLayers"], strict=True):
            for mag, mag_document in zip(layer.mags, layer_document["mags"], strict=True):
                mag_document["path"] = f"data/{mag.path or f'{layer.name}/{mag.mag.name}'}"
        (target / "datasource-properties.json").write_text(json.dumps(document))
    return samples


async def read_directly(reader, mag, size) -> np.ndarray | None:
    try:
        return await reader.read(mag, BoundingBox((0, 0, 0), size))
    except WkError:
        return None


def read_zarr(url: str, driver: str) -> np.ndarray:
    kvstore = {"driver": "http", "base_url": url, "headers": [f"X-Auth-Token: {TOKEN}"]}
    return ts.open({"driver": driver, "kvstore": kvstore}, read=True).result().read().result()


@pytest.mark.timeout(170)
async def test_every_route_gives_the_stored_voxels(wk, samples, jp_serverapp):
    store = await jp_serverapp.web_app.settings["wk_jupyter"].services.store()
    from wk_jupyter.store.access import owner

    read = 0
    for entry in (await wk.get("api/datasets?isActive=true")).json():
        record = store.dataset(owner("ada"), entry["id"])
        for layer in store.data_source(record).layers:
            reader = store.layer(record, layer.name)
            for source in layer.mags:
                size = layer.bounding_box.in_mag(source.mag).bottomright.pairmin((96, 96, 96)).pairmax(1)
                expected = await read_directly(reader, source.mag, size)
                if expected is not None:
                    await check(wk, entry["id"], layer, source.mag, expected)
                    read += 1
    assert read > 40


async def check(wk, dataset, layer, mag, expected) -> None:
    place = f"data/datasets/{dataset}/layers/{layer.name}"
    width, height, depth = expected.shape[1:]
    query = f"mag={mag.long_name}&x=0&y=0&z=0&width={width}&height={height}&depth={depth}"
    little = layer.dtype.newbyteorder("<")
    cutout = await wk.get(f"{place}/data?{query}")
    assert cutout.status_code == 200, cutout.text
    assert cutout.content == expected.astype(little).tobytes(order="F"), (dataset, layer.name, mag)
    frame = await wk.post(
        f"{place}/bricks", json={"mags": [list(mag)], "bricks": [[0, 0, 0, 0]], "accept": ["stored", "raw"]}
    )
    (entry,) = decode_frame(frame.content)
    if entry.status is not Status.MISSING:
        raw = entry.voxels(32**3 * layer.bytes_per_voxel)
        brick = np.frombuffer(raw, little).reshape((-1, 32, 32, 32), order="F")
        inside = tuple(slice(0, min(32, n)) for n in (width, height, depth))
        assert np.array_equal(brick[(slice(None), *inside)], expected[:, :32, :32, :32])
    if not layer.additional_axes and max(expected.shape[1:]) < 96:
        for root, driver in (("zarr", "zarr"), ("zarr3", "zarr3")):
            url = f"{wk.url}data/{root}/{dataset}/{layer.name}/{mag.name}"
            assert np.array_equal(await asyncio.to_thread(read_zarr, url, driver), expected)
