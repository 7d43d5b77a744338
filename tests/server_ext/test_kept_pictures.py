"""Thumbnails that are kept: when they are drawn anew, and what is never kept."""

from __future__ import annotations

import asyncio
import io
import json

import numpy as np
import pytest
from PIL import Image
from sample_datasets import write_array

from wk_jupyter.server_ext.picture_cache import Picture, PictureCache


def pixels(reply) -> np.ndarray:
    assert reply.status_code == 200, reply.text
    return np.asarray(Image.open(io.BytesIO(reply.content)))


@pytest.fixture
def kept(jp_serverapp) -> PictureCache:
    return jp_serverapp.web_app.settings["wk_jupyter"].services.pictures


def test_the_bytes_are_bounded_and_the_least_used_goes_first():
    cache = PictureCache(100)
    for name in "abc":
        cache.put((name, 1), Picture.of(name.encode() * 40))
        cache.get(("a", 1))
    assert [cache.get((name, 1)) is not None for name in "abc"] == [True, False, True]
    cache.put(("d", 1), Picture.of(bytes(101)))
    assert [cache.get((name, 1)) for name in "abcd"] == [None] * 4
    cache.put(("a", 1), Picture.of(bytes(99)))
    cache.put(("a", 1), Picture.of(bytes(50)))
    cache.put(("b", 2), Picture.of(bytes(50)))
    assert cache.get(("a", 1)) is not None
    cache.drop("a")
    assert cache.get(("a", 1)) is None
    assert cache.get(("b", 2)) is not None


async def test_a_browser_asks_whether_its_picture_is_still_the_same(wk):
    place = f"data/datasets/{await wk.id_of('cells')}/thumbnail.png?width=30&height=20"
    first = await wk.get(place)
    assert pixels(first).max() > 0
    assert first.headers["cache-control"] == "private, no-cache"
    again = await wk.get(place, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = await wk.get(place + "&zoom=1", headers={"If-None-Match": first.headers["etag"]})
    assert other.status_code == 200
    assert other.headers["etag"] != first.headers["etag"]
    head = await wk.request("HEAD", place)
    assert (head.status_code, head.headers["etag"]) == (200, first.headers["etag"])


async def test_a_kept_picture_is_for_those_who_may_see_the_dataset(wk):
    place = f"data/datasets/{await wk.id_of('cells')}/thumbnail.png"
    etag = (await wk.get(place)).headers["etag"]
    assert (await wk.get(place, role="anonymous", headers={"If-None-Match": etag})).status_code == 404


async def test_each_parameter_makes_another_picture(wk, kept):
    cells = await wk.id_of("cells")
    place = f"data/datasets/{cells}/layers/color/thumbnail"
    queries = ["", "width=9", "height=9", "x=9&y=9&z=9", "mag=2-2-1", "zoom=0.7", "zoom=nan"]
    queries += ["intensityMin=0&intensityMax=255", "color=00ff00", "invertColor=true"]
    for query in queries:
        for suffix in ("", ".png"):
            assert (await wk.get(f"{place}{suffix}?{query}")).status_code == 200
    assert len(kept._pictures) == 2 * len(queries)
    assert (await wk.get(f"data/datasets/{cells}/layers/segmentation/thumbnail")).status_code == 200
    assert len(kept._pictures) == 2 * len(queries) + 1
    assert (await wk.get(f"{place}.jpg?unknown=1")).status_code == 200  # the same as without both
    assert len(kept._pictures) == 2 * len(queries) + 1


async def test_a_changed_configuration_is_drawn_anew(wk, samples):
    place = f"data/datasets/{await wk.id_of('cells')}/layers/color/thumbnail.png?width=30&height=30"
    before = pixels(await wk.get(place))
    path = samples.folder / "cells" / "datasource-properties.json"
    document = json.loads(path.read_text())
    document["dataLayers"][0]["defaultViewConfiguration"] = {"color": [0, 0, 255]}
    path.write_text(json.dumps(document))
    await wk.post("api/datasets/refresh")
    after = pixels(await wk.get(place))
    assert before[..., 0].max() > 0
    assert after[..., 0].max() == 0
    assert after[..., 2].max() > 0


async def test_changed_voxels_are_drawn_after_the_dataset_was_reloaded(wk, samples):
    """They change without a trace in the properties file."""
    rgb = await wk.id_of("rgb")
    place = f"data/datasets/{rgb}/thumbnail.png?width=40&height=33"
    before = pixels(await wk.get(place))
    array = samples.folder / "rgb" / "photo" / "1"
    for chunk in array.glob("[0-9]*"):
        chunk.unlink()
    (array / ".zarray").unlink()
    write_array(array, np.full((3, 40, 33, 5), 77, np.uint8), "zarr")
    reloaded = await wk.post(f"data/triggers/reload/lab/{rgb}")
    assert reloaded.json() | {"seconds": 0} == {"datasets": 1, "unusable": 0, "seconds": 0}
    assert (pixels(await wk.get(place)) == 77).all()
    assert not (before == 77).all()


async def test_reloading_looks_at_one_dataset_alone(wk, samples):
    cells, rgb = await wk.id_of("cells"), await wk.id_of("rgb")
    for name in ("cells", "rgb"):
        (samples.folder / name / "datasource-properties.json").write_text("{")
    assert (await wk.post(f"data/v15/triggers/reload/lab/{cells}")).json()["unusable"] == 1
    active = {entry["id"] for entry in (await wk.get("api/datasets?isActive=true")).json()}
    assert cells not in active
    assert rgb in active  # nobody looked at it
    assert (await wk.post(f"data/triggers/reload/other/{cells}")).status_code == 404
    assert (await wk.post(f"data/triggers/reload/lab/{'0' * 24}")).status_code == 404


@pytest.mark.parametrize("place", ["/thumbnail", "/layers/segmentation/thumbnail.png"])
async def test_a_failure_is_no_picture_and_not_kept(wk, samples, kept, place):
    cells = await wk.id_of("cells")
    chunks = list((samples.folder / "cells" / "segmentation" / "1").glob("0.*"))
    whole = {chunk: chunk.read_bytes() for chunk in chunks}
    for chunk in chunks:
        chunk.write_bytes(b"damaged")
    reply = await wk.get(f"data/datasets/{cells}{place}")
    assert reply.status_code == 422
    assert reply.headers["content-type"] == "application/json"
    assert reply.json()["messages"][0]["code"] == "corrupt_data"
    assert "etag" not in reply.headers
    assert not kept._pictures
    for chunk, content in whole.items():
        chunk.write_bytes(content)
    assert pixels(await wk.get(f"data/datasets/{cells}{place}")).max() > 0


async def test_the_loop_is_free_while_pictures_are_drawn(wk, kept):
    """Other requests are answered before a large picture is: it is drawn on a thread."""
    cells = await wk.id_of("cells")
    large = asyncio.create_task(wk.get(f"data/datasets/{cells}/thumbnail.png?width=4000&height=4000"))
    answered = 0
    while not large.done():
        assert (await wk.get("api/buildinfo")).status_code == 200
        answered += 1
    assert (await large).status_code == 200
    assert answered > 5


@pytest.mark.parametrize(
    ("name", "faults"),
    [
        ("cells", []),  # there is one already
        ("A-Z_0.9", []),
        ("abc", []),
        ("a" * 200, []),
        ("ab", ["at least 3"]),
        ("a" * 201, ["at most 200"]),
        (".hidden", ["start with a dot"]),
        ("..%2F", ["start with a dot", "not '/'"]),
        ("a%2Fb", ["not '/'"]),
        ("caf%C3%A9 %00", [r"not '\\x00' ' ' 'é'"]),
    ],
)
async def test_new_names(wk, name, faults):
    reply = await wk.get(f"api/v16/datasets/{name}/isValidNewName")
    assert reply.status_code == 200
    found = reply.json()
    assert found["isValid"] == (not faults)
    assert len(found["errors"]) == len(faults)
    for sentence, fault in zip(found["errors"], faults, strict=True):
        assert fault.replace("\\\\", "\\") in sentence
