from __future__ import annotations

import asyncio

import numpy as np
import pytest
import tensorstore as ts
from sample_datasets import TOKEN


async def test_tensorstore_reads_the_stored_files(wk, samples):
    cells = await wk.id_of("cells")
    for layer, mag, driver in (
        ("color", "1", "zarr3"),
        ("color", "2-2-1", "zarr3"),
        ("segmentation", "1", "zarr"),
    ):
        url = f"{wk.url}data/v15/datasets/{cells}/proxy/layers/{layer}/mags/{mag}"
        headers = [f"X-Auth-Token: {TOKEN}"]
        spec = {"driver": driver, "kvstore": {"driver": "http", "base_url": url, "headers": headers}}
        array = await asyncio.to_thread(lambda spec=spec: ts.open(spec, read=True).result().read().result())
        assert np.array_equal(array, samples.truth["cells", layer, mag])


async def test_bytes_as_they_lie(wk, samples):
    cells = await wk.id_of("cells")
    shard = next((samples.folder / "cells" / "color" / "1" / "c").rglob("0/0/0/0"))
    stored = shard.read_bytes()
    name = shard.relative_to(samples.folder / "cells" / "color" / "1")
    path = f"data/datasets/{cells}/proxy/layers/color/mags/1/{name}"
    assert (await wk.get(path)).content == stored
    for header, part in {
        "bytes=0-15": stored[:16],
        "bytes=100-": stored[100:],
        "bytes=-132": stored[-132:],
        "bytes=5-99999999": stored[5:],
    }.items():
        reply = await wk.get(path, headers={"Range": header})
        assert reply.status_code == 206
        assert reply.content == part
        assert reply.headers["content-range"].endswith(f"/{len(stored)}")
    assert (await wk.get(path, headers={"Range": f"bytes={len(stored)}-"})).status_code == 416
    head = await wk.request("HEAD", path)
    assert (head.status_code, head.content, int(head.headers["content-length"])) == (200, b"", len(stored))
    assert (await wk.get(path.replace("mags/1/", "mags/1-1-1/"))).content == stored


async def test_a_large_file_in_pieces(wk, samples):
    content = bytes(range(256)) * 20_000
    (samples.folder / "cells" / "color" / "1" / "large").write_bytes(content)
    cells = await wk.id_of("cells")
    path = f"data/datasets/{cells}/proxy/layers/color/mags/1/large"
    assert (await wk.get(path)).content == content
    assert (await wk.get(path, headers={"Range": "bytes=1000-4000000"})).content == content[1000:4000001]


async def test_attachments(wk):
    cells = await wk.id_of("cells")
    place = f"data/datasets/{cells}/proxy/layers/segmentation/attachments"
    assert (await wk.get(f"{place}/agglomerate/view%201/zarr.json")).json() == {"zarr_format": 3}
    for path in (
        "agglomerate/view%201",
        "agglomerate/view%201/..%2f..%2f1/.zarray",
        "agglomerate/nothing",
        "mesh/view%201/zarr.json",
        "agglomerates/view%201/zarr.json",
        "segmentIndex/index",  # its path in the file is absolute
    ):
        assert (await wk.get(f"{place}/{path}")).status_code == 404, path


@pytest.mark.parametrize(
    "rest",
    [
        "../../datasource-properties.json",
        "%2e%2e/%2e%2e/datasource-properties.json",
        "..%2f..%2fdatasource-properties.json",
        "c/../../2-2-1/zarr.json",
        "%2fetc%2fpasswd",
        "/etc/passwd",
        "/%2fetc/passwd",
        "zarr.json%00",
        "zarr.json%00.png",
        "..%5c..%5cdatasource-properties.json",
        "%252e%252e/%252e%252e/datasource-properties.json",
        "c",
        "",
        ".",
        "link-out",
        "link-up/wk_jupyter.sqlite",
        "pipe",
        "x" * 4000,
    ],
)
async def test_hostile_paths(wk, samples, rest, fetch_raw):
    import os

    mag = samples.folder / "cells" / "color" / "1"
    secret = samples.data_dir.parent / "secret"
    secret.write_text("secret")
    (mag / "link-out").symlink_to(secret)
    (mag / "link-up").symlink_to(samples.data_dir)
    os.mkfifo(mag / "pipe")
    cells = await wk.id_of("cells")
    assert await fetch_raw(f"data/datasets/{cells}/proxy/layers/color/mags/1/{rest}") in (400, 404)


async def test_links_of_the_dataset_itself_are_followed(wk, samples):
    """At the level of the dataset, a layer, a mag."""
    elsewhere = samples.data_dir.parent / "elsewhere"
    color = samples.folder / "cells" / "color"
    (color / "2-2-1").rename(elsewhere)
    (color / "2-2-1").symlink_to(elsewhere)
    (samples.folder / "cells" / "segmentation").rename(samples.data_dir.parent / "moved")
    (samples.folder / "cells" / "segmentation").symlink_to(samples.data_dir.parent / "moved")
    (samples.folder / "linked").symlink_to(samples.folder / "rgb")
    await wk.post("api/datasets/refresh")
    cells, linked = await wk.id_of("cells"), await wk.id_of("linked")
    for path in (
        f"{cells}/proxy/layers/color/mags/2-2-1/zarr.json",
        f"{cells}/proxy/layers/segmentation/mags/1/.zarray",
        f"{linked}/proxy/layers/photo/mags/1/.zarray",
    ):
        assert (await wk.get(f"data/datasets/{path}")).status_code == 200, path
