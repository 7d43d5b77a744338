from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image
from sample_datasets import BIG_ID, CORNER, box_of, write_array, write_properties

from wk_jupyter.store.colors import segment_colors

VIEWER_COLORS = [
    [0.68392, 0.85686, 0.2616],
    [0.81627, 0.32908, 0.91863],
    [0.46728, 0.93824, 0.41558],
    [0.42704, 0.86765, 0.06278],
]


def pixels(reply) -> np.ndarray:
    assert reply.status_code == 200, reply.text
    return np.asarray(Image.open(io.BytesIO(reply.content)))


async def test_formats_and_sizes(wk):
    cells = await wk.id_of("cells")
    for place in (f"data/datasets/{cells}", f"data/datasets/{cells}/layers/color"):
        for suffix, kind in (("", "jpeg"), (".jpg", "jpeg"), (".png", "png")):
            reply = await wk.get(f"{place}/thumbnail{suffix}")
            assert reply.headers["content-type"] == f"image/{kind}"
            assert pixels(reply).shape == (400, 400, 3)
    for query, shape in (
        ("width=100&height=50", (50, 100)),
        ("width=0&height=-4", (1, 1)),
        ("width=99999&height=2", (2, 4000)),
    ):
        assert pixels(await wk.get(f"{place}/thumbnail.png?{query}")).shape[:2] == shape


async def test_a_pixel_is_a_voxel(wk, samples):
    """At zoom 1 around a position, with the layer's colour and range."""
    cells = await wk.id_of("cells")
    query = "width=20&height=10&x=40&y=30&z=40&zoom=1"
    found = pixels(await wk.get(f"data/datasets/{cells}/layers/color/thumbnail.png?{query}"))
    plane = samples.truth["cells", "color", "1"][0, 30:50, 25:35, 40].T.astype(float)
    intensity = np.clip((plane - 10) / 190, 0, 1)
    expected = intensity[..., np.newaxis] * [255, 128, 0]
    assert np.abs(found - expected).max() <= 1


async def test_the_query_overrides(wk, samples):
    cells = await wk.id_of("cells")
    query = (
        "width=20&height=10&x=40&y=30&z=40&zoom=1"
        "&intensityMin=0&intensityMax=255&color=00ff00&invertColor=true"
    )
    found = pixels(await wk.get(f"data/datasets/{cells}/layers/color/thumbnail.png?{query}"))
    plane = samples.truth["cells", "color", "1"][0, 30:50, 25:35, 40].T.astype(float)
    assert np.abs(found[..., 1] - (255 - plane)).max() <= 1
    assert found[..., [0, 2]].max() == 0


async def test_segments_have_their_colours_and_0_none(wk, samples):
    cells = await wk.id_of("cells")
    query = "width=20&height=10&x=40&y=30&z=40&zoom=1"
    found = pixels(await wk.get(f"data/datasets/{cells}/layers/segmentation/thumbnail.png?{query}"))
    ids = samples.truth["cells", "segmentation", "1"][0, 30:50, 25:35, 40].T
    assert found[ids == 0].max() == 0
    colors = {int(i): np.unique(found[ids == i].reshape(-1, 3), axis=0) for i in (1, 2, BIG_ID)}
    assert all(len(color) == 1 for color in colors.values())
    assert len({tuple(color[0]) for color in colors.values()}) == 3


async def test_outside_of_the_data_is_black(wk):
    cells = await wk.id_of("cells")
    query = "width=20&height=20&x=5&y=6&z=40&zoom=1"
    found = pixels(await wk.get(f"data/datasets/{cells}/layers/color/thumbnail.png?{query}"))
    assert found[:10].max() == 0
    assert found[:, :10].max() == 0
    assert found[10:, 10:].max() > 0
    away = pixels(await wk.get(f"data/datasets/{cells}/layers/color/thumbnail.png?x=9999&y=0&z=0"))
    assert away.max() == 0


async def test_rgb(wk, samples):
    rgb = await wk.id_of("rgb")
    found = pixels(await wk.get(f"data/datasets/{rgb}/thumbnail.png?width=40&height=33&zoom=1&x=20&y=16&z=2"))
    truth = samples.truth["rgb", "photo", "1"][:, :, :, 2].transpose(2, 1, 0)
    assert np.abs(found.astype(int) - truth.astype(int)).max() <= 1


async def test_a_shrunken_picture_shows_averages(wk, samples):
    rgb = await wk.id_of("rgb")
    found = pixels(await wk.get(f"data/datasets/{rgb}/thumbnail.png?width=5&height=4&zoom=8&x=20&y=16&z=2"))
    truth = samples.truth["rgb", "photo", "1"][:, :40, :32, 2].astype(float)
    means = truth.reshape(3, 5, 8, 4, 8).mean(axis=(2, 4)).transpose(2, 1, 0)
    assert np.abs(found - means).max() <= 1.5


async def test_a_huge_plane_with_one_mag_is_bounded(wk, samples):
    """Two million voxels along x and y, of which one brick is stored."""
    folder = samples.folder / "huge"
    write_array(folder / "color" / "1", np.full((1, 32, 32, 32), 200, np.uint8), "zarr")
    array = folder / "color" / "1" / ".zarray"
    array.write_text(json.dumps(json.loads(array.read_text()) | {"shape": [1, 2**21, 2**21, 64]}))
    layer = {
        "name": "color",
        "category": "color",
        "boundingBox": box_of((0, 0, 0), (2**21, 2**21, 64)),
        "elementClass": "uint8",
        "dataFormat": "zarr",
        "mags": [{"mag": [1, 1, 1], "path": "./color/1", "axisOrder": {"c": 0, "x": 1, "y": 2, "z": 3}}],
    }
    write_properties(folder, [layer])
    await wk.post("api/datasets/refresh")
    huge = await wk.id_of("huge")
    assert pixels(await wk.get(f"data/datasets/{huge}/thumbnail.png")).shape == (400, 400, 3)
    near = await wk.get(f"data/datasets/{huge}/thumbnail.png?x=16&y=16&z=3&zoom=1&width=8&height=8")
    assert (pixels(near) == 200).all()


async def test_histogram(wk, samples):
    cells = await wk.id_of("cells")
    (found,) = (await wk.get(f"data/datasets/{cells}/layers/color/histogram")).json()
    x, y, z = CORNER
    truth = samples.truth["cells", "color", "1"][0, x:, y:, z:]
    assert (found["min"], found["max"]) == (0, 255)
    assert found["numberOfElements"] == np.count_nonzero(truth)
    assert found["histogram"] == np.bincount(truth[truth != 0], minlength=256).tolist()
    channels = (await wk.get(f"data/datasets/{await wk.id_of('rgb')}/layers/photo/histogram")).json()
    assert len(channels) == 3
    (film,) = (await wk.get(f"data/datasets/{await wk.id_of('timelapse')}/layers/film/histogram")).json()
    first = samples.truth["timelapse", "film", "1"][0, 0]
    assert (film["min"], film["max"]) == (first.min(), first.max())
    assert sum(film["histogram"]) == film["numberOfElements"] == first.size


async def test_find_data(wk, samples):
    cells = await wk.id_of("cells")
    found = (await wk.get(f"data/datasets/{cells}/layers/color/findData")).json()
    x, y, z = found["position"]
    assert found["mag"] == [1, 1, 1]
    assert samples.truth["cells", "color", "1"][0, x, y, z] != 0


async def test_find_data_where_there_is_none(wk, samples):
    folder = samples.folder / "empty"
    write_array(folder / "color" / "1", np.zeros((1, 40, 40, 40), np.uint8), "zarr")
    layer = {
        "name": "color",
        "category": "color",
        "boundingBox": box_of((0, 0, 0), (40, 40, 40)),
        "elementClass": "uint8",
        "dataFormat": "zarr",
        "mags": [{"mag": [1, 1, 1], "path": "./color/1", "axisOrder": {"c": 0, "x": 1, "y": 2, "z": 3}}],
    }
    write_properties(folder, [layer])
    await wk.post("api/datasets/refresh")
    empty = await wk.id_of("empty")
    place = f"data/datasets/{empty}/layers/color"
    assert (await wk.get(f"{place}/findData")).json() == {"position": None, "mag": None}
    (histogram,) = (await wk.get(f"{place}/histogram")).json()
    assert histogram["numberOfElements"] == 0
    assert pixels(await wk.get(f"{place}/thumbnail.png")).max() == 0


def test_colours_of_segments_are_fixed_and_differ():
    ids = np.array([0, 1, 2, 3, BIG_ID, 2**64 - 1], np.uint64)
    colors = segment_colors(ids)
    assert np.array_equal(colors, segment_colors(ids[::-1])[::-1])
    assert len(np.unique(colors.round(), axis=0)) == len(ids)
    assert colors.min() >= 0
    assert colors.max() <= 255


def test_colours_are_those_of_the_viewer():
    """Calculated by ``segmentColor.ts``."""
    found = segment_colors(np.array([1, 2, 123456789, 2**60 + 3], np.uint64))
    assert np.allclose(found / 255, VIEWER_COLORS, atol=1e-4)


@pytest.mark.parametrize("settings_of_layer", [{"intensityRange": "wide"}, {"color": 7}, {"alpha": "x"}, {}])
async def test_odd_view_settings_do_not_break_the_picture(wk, samples, settings_of_layer):
    path = samples.folder / "cells" / "datasource-properties.json"
    document = json.loads(path.read_text())
    document["dataLayers"][0]["defaultViewConfiguration"] = settings_of_layer
    path.write_text(json.dumps(document))
    await wk.post("api/datasets/refresh")
    cells = await wk.id_of("cells")
    assert pixels(await wk.get(f"data/datasets/{cells}/thumbnail.png")).max() > 0
    assert (await wk.get(f"data/zarr/{cells}/color/.zattrs")).status_code == 200
