from __future__ import annotations

import asyncio
import json
import socket

import numpy as np
import pytest
from sample_datasets import CORNER, SIZE, TOKEN

from wk_jupyter.api.frames import Status, decode_frame


def cutout(dataset, layer, mag, corner, size):
    x, y, z = corner
    width, height, depth = size
    return (
        f"data/v15/datasets/{dataset}/layers/{layer}/data?mag={mag}&x={x}&y={y}&z={z}"
        f"&width={width}&height={height}&depth={depth}"
    )


def as_array(body: bytes, dtype, channels, size) -> np.ndarray:
    return np.frombuffer(body, np.dtype(dtype).newbyteorder("<")).reshape((channels, *size), order="F")


def expected_box(truth: np.ndarray, corner, size) -> np.ndarray:
    """The box of a truth array that begins at voxel 0; zeros outside."""
    result = np.zeros((truth.shape[0], *size), truth.dtype)
    end = [min(c + s, n) for c, s, n in zip(corner, size, truth.shape[1:], strict=True)]
    start = [max(c, 0) for c in corner]
    if all(a < b for a, b in zip(start, end, strict=True)):
        target = tuple(slice(a - c, b - c) for a, b, c in zip(start, end, corner, strict=True))
        source = tuple(slice(a, b) for a, b in zip(start, end, strict=True))
        result[(slice(None), *target)] = truth[(slice(None), *source)]
    return result


@pytest.mark.parametrize(
    ("name", "layer", "mag", "corner", "size"),
    [
        ("cells", "color", "1", CORNER, SIZE),
        ("cells", "color", "1-1-1", (0, 0, 0), (128, 96, 64)),
        ("cells", "color", "2-2-1", (10, 12, 7), (20, 10, 30)),
        ("cells", "color", "1", (-10, -3, 50), (30, 20, 40)),
        ("cells", "color", "1", (1000, 1000, 1000), (3, 2, 1)),
        ("cells", "segmentation", "1", (20, 20, 20), (33, 17, 5)),
        ("rgb", "photo", "1", (3, 1, 0), (37, 33, 9)),
    ],
)
async def test_a_box(wk, samples, name, layer, mag, corner, size):  # noqa: PLR0917
    dataset = await wk.id_of(name)
    reply = await wk.get(cutout(dataset, layer, mag, corner, size))
    assert reply.status_code == 200, reply.text
    assert reply.headers["missing-buckets"] == "[]"
    truth = samples.truth[name, layer, "1" if mag == "1-1-1" else mag]
    step = np.array([2, 2, 1] if mag == "2-2-1" else [1, 1, 1])
    expected = expected_box(truth, tuple(int(n) for n in np.array(corner) // step), size)
    assert np.array_equal(as_array(reply.content, truth.dtype, truth.shape[0], size), expected)


async def test_a_mag_that_is_not_there_is_zeros(wk):
    dataset = await wk.id_of("cells")
    reply = await wk.get(cutout(dataset, "color", "8-8-1", (0, 0, 0), (9, 8, 7)))
    assert reply.status_code == 200
    assert reply.content == bytes(9 * 8 * 7)


async def test_a_position_in_time(wk, samples):
    dataset = await wk.id_of("timelapse")
    truth = samples.truth["timelapse", "film", "1"]
    for t in range(3):
        address = cutout(dataset, "film", "1", (0, 0, 0), (20, 21, 22))
        reply = await wk.get(f"{address}&additionalCoordinates=t={t}")
        assert np.array_equal(as_array(reply.content, np.uint16, 1, (20, 21, 22)), truth[:, t])
    first = await wk.get(cutout(dataset, "film", "1", (0, 0, 0), (20, 21, 22)))
    assert np.array_equal(as_array(first.content, np.uint16, 1, (20, 21, 22)), truth[:, 0])
    assert (await wk.get(f"{address}&additionalCoordinates=t")).status_code == 400


async def test_four_bits_a_voxel(wk, samples):
    dataset = await wk.id_of("cells")
    size = (7, 5, 3)
    truth = expected_box(samples.truth["cells", "color", "1"], (10, 10, 10), size).ravel(order="F")
    reply = await wk.get(cutout(dataset, "color", "1", (10, 10, 10), size) + "&halfByte=true")
    packed = np.frombuffer(reply.content, np.uint8)
    unpacked = np.stack([packed & 0xF0, packed << 4], axis=1).ravel()[: truth.size]
    assert packed.size == 53
    assert np.array_equal(unpacked, truth & 0xF0)
    refused = await wk.get(cutout(dataset, "segmentation", "1", (0, 0, 0), size) + "&halfByte=true")
    assert refused.status_code == 400


class TestInPieces:
    @pytest.fixture(autouse=True)
    def tiny_pieces(self, monkeypatch):
        monkeypatch.setattr("wk_jupyter.server_ext.handlers.voxels._PIECE_BYTES", 1000)

    async def test_the_same_voxels(self, wk, samples):
        dataset = await wk.id_of("cells")
        for layer, query in (("color", ""), ("segmentation", ""), ("color", "&halfByte=true")):
            reply = await wk.get(cutout(dataset, layer, "1", CORNER, SIZE) + query)
            truth = expected_box(samples.truth["cells", layer, "1"], CORNER, SIZE)
            if query:
                packed = np.frombuffer(reply.content, np.uint8)
                found = np.stack([packed & 0xF0, packed << 4], axis=1).ravel()
                assert np.array_equal(found, truth.ravel(order="F") & 0xF0)
            else:
                assert np.array_equal(as_array(reply.content, truth.dtype, 1, SIZE), truth)

    async def test_a_client_that_leaves_midway(self, wk, jp_http_port, jp_base_url):
        dataset = await wk.id_of("cells")
        for _ in range(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", jp_http_port)
            path = f"{jp_base_url}wk/" + cutout(dataset, "segmentation", "1", (0, 0, 0), (500, 500, 90))
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nX-Auth-Token: {TOKEN}\r\n\r\n".encode())
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            writer.transport.abort()
        assert (await wk.get(cutout(dataset, "color", "1", CORNER, SIZE))).status_code == 200


class TestLimits:
    @pytest.fixture
    def settings(self):
        return {"max_cutout_bytes": 1000, "max_bricks_per_request": 2}

    async def test_they_hold_and_say_so(self, wk):
        dataset = await wk.id_of("cells")
        assert (await wk.get(cutout(dataset, "color", "1", (0, 0, 0), (10, 10, 10)))).status_code == 200
        reply = await wk.get(cutout(dataset, "color", "1", (0, 0, 0), (10, 10, 11)))
        assert reply.status_code == 400
        assert reply.json()["messages"][0]["code"] == "too_large"
        assert "max_cutout_bytes" in reply.json()["messages"][0]["hint"]
        body = {"mags": [[1, 1, 1]], "bricks": [[0, 0, 0, 0]] * 3, "accept": ["raw"]}
        reply = await wk.post(f"data/datasets/{dataset}/layers/color/bricks", json=body)
        assert reply.status_code == 400


async def test_read_data_is_the_same_box(wk):
    dataset = await wk.id_of("cells")
    box = await wk.get(cutout(dataset, "color", "2-2-1", (10, 12, 7), (20, 10, 30)))
    body = {"position": [10, 12, 7], "width": 20, "height": 10, "depth": 30, "mag": [2, 2, 1]}
    reply = await wk.post(f"data/datasets/{dataset}/layers/color/readData", json=body)
    assert reply.content == box.content


async def test_head_has_no_body(wk):
    dataset = await wk.id_of("cells")
    reply = await wk.request("HEAD", cutout(dataset, "color", "1", CORNER, SIZE))
    assert reply.status_code == 200
    assert int(reply.headers["content-length"]) == np.prod(SIZE)
    assert reply.content == b""


async def test_buckets(wk, samples):
    dataset = await wk.id_of("cells")
    truth = samples.truth["cells", "color", "1"]
    corners = [(0, 0, 0), (32, 0, 32), (64, 32, 32), (320, 0, 0), (-32, 0, 0)]
    cubes = [{"position": corner, "mag": [1, 1, 1], "cubeSize": 32} for corner in corners]
    cubes.append({"position": [7, 9, 11], "mag": [2, 2, 1], "cubeSize": 8})
    cubes.append({"position": [0, 0, 0], "zoomStep": 1, "cubeSize": 4})
    reply = await wk.post(f"data/v15/datasets/{dataset}/layers/color/data", json=cubes)
    assert reply.status_code == 200, reply.text
    assert json.loads(reply.headers["missing-buckets"]) == [1, 3, 4, 6]
    offset = 0
    for corner in corners:
        part = reply.content[offset : offset + 32**3]
        assert np.array_equal(as_array(part, np.uint8, 1, (32,) * 3), expected_box(truth, corner, (32,) * 3))
        offset += 32**3
    coarse = expected_box(samples.truth["cells", "color", "2-2-1"], (3, 4, 11), (8,) * 3)
    assert np.array_equal(as_array(reply.content[offset : offset + 512], np.uint8, 1, (8,) * 3), coarse)
    assert len(reply.content) == offset + 512 + 64


async def test_buckets_of_four_bits(wk, samples):
    dataset = await wk.id_of("cells")
    cube = {"position": [0, 0, 0], "mag": [1, 1, 1], "cubeSize": 32, "fourBit": True}
    reply = await wk.post(f"data/datasets/{dataset}/layers/color/data", json=[cube])
    packed = np.frombuffer(reply.content, np.uint8)
    unpacked = np.stack([packed & 0xF0, packed << 4], axis=1).ravel()
    truth = expected_box(samples.truth["cells", "color", "1"], (0, 0, 0), (32,) * 3).ravel(order="F")
    assert np.array_equal(unpacked, truth & 0xF0)


@pytest.mark.parametrize(
    "cube",
    [
        {"position": [0, 0, 0], "mag": [1, 1, 1], "cubeSize": 0},
        {"position": [0, 0, 0], "mag": [1, 1, 1], "cubeSize": -5},
        {"position": [0, 0, 0], "mag": [1, 1, 1], "cubeSize": 100000},
        {"position": [0, 0, 0], "mag": [0, 1, 1]},
        {"position": [0, 0], "mag": [1, 1, 1]},
        {"position": [0, 0, 0], "zoomStep": 9},
        {"position": [0, 0, 0], "zoomStep": -1},
        {"position": [10**40, 0, 0], "mag": [1, 1, 1]},
    ],
)
async def test_bad_buckets(wk, cube):
    dataset = await wk.id_of("cells")
    reply = await wk.post(f"data/datasets/{dataset}/layers/color/data", json=[cube])
    assert reply.status_code == 400, reply.text


@pytest.mark.both_databases
@pytest.mark.parametrize("accept", [["raw"], ["stored", "raw"], ["zstd-body", "raw"]])
async def test_bricks(wk, samples, accept):
    dataset = await wk.id_of("cells")
    body = {
        "mags": [[1, 1, 1], [2, 2, 1]],
        "bricks": [[0, 0, 0, 0], [0, 1, 0, 1], [1, 0, 0, 0], [0, 2, 1, 1], [0, 50, 0, 0], [0, -1, 0, 0]],
        "accept": accept,
    }
    reply = await wk.post(f"data/v15/datasets/{dataset}/layers/color/bricks", json=body)
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "application/octet-stream"
    assert "etag" not in reply.headers
    entries = decode_frame(reply.content)
    assert [entry.status for entry in entries] == [
        Status.OK, Status.MISSING, Status.OK, Status.OK, Status.MISSING, Status.MISSING
    ]  # fmt: skip
    for entry, (mag, x, y, z) in zip(entries, body["bricks"], strict=True):
        if entry.status is Status.OK:
            truth = samples.truth["cells", "color", "1" if mag == 0 else "2-2-1"]
            expected = expected_box(truth, (32 * x, 32 * y, 32 * z), (32,) * 3)
            assert np.array_equal(decoded(entry), expected)


async def test_others_do_not_change_what_a_slow_client_still_waits_for(wk, jp_http_port, jp_base_url):
    dataset = await wk.id_of("cells")
    path = f"data/datasets/{dataset}/layers/color/bricks"
    large, small = [0, 0, 0, 0], [0, 2, 1, 1]
    asked = ([large] * 220, [small] * 5 + [large] * 210)
    bodies = [{"mags": [[1, 1, 1]], "bricks": bricks, "accept": ["stored"]} for bricks in asked]
    expected = [(await wk.post(path, json=body)).content for body in bodies]
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # more waits in the server
        slow.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(slow, ("127.0.0.1", jp_http_port))
        content = json.dumps(bodies[0])
        head = f"POST {jp_base_url}wk/{path} HTTP/1.1\r\nHost: localhost\r\nX-Auth-Token: {TOKEN}\r\n"
        await loop.sock_sendall(slow, f"{head}Content-Length: {len(content)}\r\n\r\n{content}".encode())
        answer = await loop.sock_recv(slow, 1)  # it has begun
        for _ in range(2):
            assert (await wk.post(path, json=bodies[1])).content == expected[1]
        while not answer.endswith(expected[0][-1000:]) and (part := await loop.sock_recv(slow, 2**16)):
            answer += part
    assert answer.partition(b"\r\n\r\n")[2] == expected[0]


def decoded(entry) -> np.ndarray:
    import zstandard

    raw = (
        entry.payload
        if entry.encoding == 0
        else zstandard.ZstdDecompressor().decompress(entry.payload, 32**3)
    )
    return as_array(raw, np.uint8, 1, (32,) * 3)


async def test_a_corrupt_chunk_is_an_error_that_names_its_file(wk, samples):
    chunk = next((samples.folder / "cells" / "color" / "1" / "c").rglob("0/0/0/0"))
    stored = chunk.read_bytes()
    index = stored[-(8 * 16 + 4) :]  # of the shard: eight chunks, and a checksum
    chunk.write_bytes(b"\xff" * (len(stored) - len(index)) + index)
    dataset = await wk.id_of("cells")
    cubes = [{"position": [0, 0, 0], "mag": [1, 1, 1], "cubeSize": 32}]
    for reply in (
        await wk.post(f"data/datasets/{dataset}/layers/color/data", json=cubes),
        await wk.get(cutout(dataset, "color", "1", (8, 8, 8), (5, 5, 5))),
        await wk.get(f"data/zarr/{dataset}/color/1/0.0.0.0"),
    ):
        assert reply.status_code == 422, reply.content[:300]
        assert reply.json()["messages"][0]["code"] == "corrupt_data"
        assert "color/1" in reply.json()["messages"][0]["error"]
    body = {"mags": [[1, 1, 1]], "bricks": [[0, 0, 0, 0], [0, 2, 1, 1]], "accept": ["raw"]}
    frame = await wk.post(f"data/datasets/{dataset}/layers/color/bricks", json=body)
    failed, fine = decode_frame(frame.content)
    assert (failed.status, fine.status) == (Status.FAILED, Status.OK)
    assert (await wk.get(cutout(dataset, "color", "1", (64, 32, 32), (5, 5, 5)))).status_code == 200
