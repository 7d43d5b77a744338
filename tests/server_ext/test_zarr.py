"""zarr-python and tensorstore read what is served, of both versions."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
import tensorstore as ts
import zarr
from sample_datasets import CORNER, SIZE, TOKEN

END = tuple(c + s for c, s in zip(CORNER, SIZE, strict=True))
ARRAYS = [
    ("cells", "color", "1"),
    ("cells", "color", "2-2-1"),
    ("cells", "segmentation", "1"),
    ("rgb", "photo", "1"),
    ("timelapse", "film", "1"),
]


@pytest.fixture
def jp_base_url():
    """zarr-python's HTTP library rewrites the "%40" of pytest-jupyter's prefix, which Jupyter refuses."""
    return "/user/ada/"


def read_with_tensorstore(url: str, driver: str) -> np.ndarray:
    spec = {
        "driver": driver,
        "kvstore": {"driver": "http", "base_url": url, "headers": [f"X-Auth-Token: {TOKEN}"]},
    }
    return ts.open(spec, read=True).result().read().result()


def read_with_zarr(url: str, version: int) -> np.ndarray:
    options = {"headers": {"X-Auth-Token": TOKEN}}
    group = zarr.open_group(url.rsplit("/", 1)[0], mode="r", zarr_format=version, storage_options=options)
    return group[url.rsplit("/", 1)[1]][:]


@pytest.mark.parametrize(("name", "layer", "mag"), ARRAYS)
@pytest.mark.parametrize("version", [2, 3])
async def test_tensorstore_reads_it(wk, samples, name, layer, mag, version):
    root, driver = {2: ("zarr", "zarr"), 3: ("zarr3", "zarr3")}[version]
    url = f"{wk.url}data/v15/{root}/{await wk.id_of(name)}/{layer}/{mag}"
    found = await asyncio.to_thread(read_with_tensorstore, url, driver)
    truth = samples.truth[name, layer, mag]
    assert found.dtype == truth.dtype
    assert np.array_equal(found, truth)


@pytest.mark.parametrize("version", [2, 3])
async def test_zarr_python_reads_it(wk, samples, version):
    for name, layer, mag in ARRAYS:
        url = f"{wk.url}data/{'zarr' if version == 2 else 'zarr3'}/{await wk.id_of(name)}/{layer}/{mag}"
        found = await asyncio.to_thread(read_with_zarr, url, version)
        assert np.array_equal(found, samples.truth[name, layer, mag]), (name, layer, mag)


async def test_array_metadata(wk):
    cells = await wk.id_of("cells")
    array = (await wk.get(f"data/zarr/{cells}/color/1/.zarray")).json()
    assert array == {
        "dtype": "|u1",
        "fill_value": 0,
        "zarr_format": 2,
        "order": "F",
        "chunks": [1, 32, 32, 32],
        "compressor": None,
        "filters": None,
        "shape": [1, *END],
        "dimension_separator": ".",
    }
    coarse = (await wk.get(f"data/zarr/{cells}/color/2-2-1/.zarray")).json()
    assert coarse["shape"] == [1, 38, 33, 57]
    film = (await wk.get(f"data/zarr3/{await wk.id_of('timelapse')}/film/1/zarr.json")).json()
    assert film["shape"] == [1, 3, 20, 21, 22]
    assert film["dimension_names"] == ["c", "t", "x", "y", "z"]


async def test_ome_ngff(wk):
    cells = await wk.id_of("cells")
    attributes = (await wk.get(f"data/zarr/{cells}/color/.zattrs")).json()
    (multiscale,) = attributes["multiscales"]
    assert multiscale["version"] == "0.4"
    assert [axis["name"] for axis in multiscale["axes"]] == ["c", "x", "y", "z"]
    assert [axis.get("unit") for axis in multiscale["axes"]] == [None, *["nanometer"] * 3]
    scales = {d["path"]: d["coordinateTransformations"][0]["scale"] for d in multiscale["datasets"]}
    assert scales == {"1": [1, 4, 4, 35], "2-2-1": [1, 8, 8, 35]}
    centre_of_first = multiscale["datasets"][1]["coordinateTransformations"][1]
    assert centre_of_first == {"type": "translation", "translation": [0, 2, 2, 0]}
    (channel,) = attributes["omero"]["channels"]
    assert (channel["color"], channel["window"]["start"], channel["window"]["end"]) == ("FF8000", 10, 200)
    group = (await wk.get(f"data/zarr3_experimental/{cells}/color/zarr.json")).json()
    assert group["node_type"] == "group"
    assert group["attributes"]["ome"]["version"] == "0.5"
    (newer,) = group["attributes"]["ome"]["multiscales"]
    assert newer["datasets"] == multiscale["datasets"]


async def test_chunks(wk, samples):
    cells = await wk.id_of("cells")
    chunk = await wk.get(f"data/zarr/{cells}/color/1/0.0.0.0")
    whole = np.frombuffer(chunk.content, np.uint8).reshape((1, 32, 32, 32), order="F")
    assert np.array_equal(whole, samples.truth["cells", "color", "1"][:, :32, :32, :32])
    for absent in ("0.1.0.1", "0.3.0.0", "0.999999.0.0", "1.0.0.0"):
        assert (await wk.get(f"data/zarr/{cells}/color/1/{absent}")).status_code == 404, absent
    edge = await wk.get(f"data/zarr/{cells}/color/1/0.2.2.1")
    assert len(edge.content) == 32**3
    for spelling in ("c/0/0/0/0", "c.0.0.0.0"):
        same = await wk.get(f"data/zarr3/{cells}/color/1/{spelling}")
        assert same.content == chunk.content, spelling


async def test_parts_of_a_chunk_and_of_a_document(wk):
    cells = await wk.id_of("cells")
    for path in (f"data/zarr/{cells}/color/1/0.0.0.0", f"data/zarr/{cells}/datasource-properties.json"):
        whole = await wk.get(path)
        part = await wk.get(path, headers={"Range": "bytes=10-19"})
        assert part.status_code == 206
        assert part.content == whole.content[10:20]
        assert part.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
        last = await wk.get(path, headers={"Range": "bytes=-7"})
        assert last.content == whole.content[-7:]
        outside = await wk.get(path, headers={"Range": f"bytes={len(whole.content)}-"})
        assert outside.status_code == 416
        assert outside.headers["content-range"] == f"bytes */{len(whole.content)}"
        head = await wk.request("HEAD", path)
        assert head.content == b""
        assert int(head.headers["content-length"]) == len(whole.content)
        assert head.headers["accept-ranges"] == "bytes"


async def test_listings(wk):
    cells = await wk.id_of("cells")
    for address, names in {
        f"data/zarr/{cells}/": [".zgroup", "color/", "segmentation/"],
        f"data/zarr/{cells}/color/": [".zattrs", "1/", "2-2-1/"],
        f"data/zarr/{cells}/color/1/": [".zarray"],
        f"data/zarr3/{cells}/": ["zarr.json", "color/"],
        f"data/zarr3/{cells}/color": ["zarr.json", "1/"],
    }.items():
        page = await wk.get(address)
        assert page.headers["content-type"].startswith("text/html")
        assert all(f'href="{name}"' in page.text for name in names), address


@pytest.mark.parametrize(
    "path",
    [
        "zarr/{cells}/color/1/..",
        "zarr/{cells}/color/%2e%2e/.zarray",
        "zarr/{cells}/..%2f..%2fetc/1/.zarray",
        "zarr/{cells}/color/1/%00",
        "zarr/{cells}/color/1%00/.zarray",
        "zarr/{cells}/color/1/-1.0.0.0",
        "zarr3/{cells}/color/1/c/0/0/0/../0",
        "zarr3/{cells}/color/1/../../datasource-properties.json",
        "zarr/{cells}/color/1/datasource-properties.json",
    ],
)
async def test_hostile_addresses(wk, path, fetch_raw):
    cells = await wk.id_of("cells")
    assert await fetch_raw(f"data/{path.format(cells=cells)}") in (400, 404)
