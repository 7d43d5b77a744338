"""What a server answers or fails to answer, as the cell hears of it."""

from __future__ import annotations

import shutil
import socket
import traceback

import pytest
from known_server import TOKEN, Known

import wk_jupyter as wk
from wk_jupyter import errors
from wk_jupyter.client.dataset import Dataset
from wk_jupyter.client.discovery import find_endpoint
from wk_jupyter.client.http_source import HttpSource

BOX = {"x": 5, "y": 40, "z": 3, "width": 8, "height": 8, "depth": 8}


@pytest.mark.parametrize(
    ("layer", "query", "kind"),
    [
        ("nowhere", {"mag": "1-1-1"}, errors.LayerNotFound),
        ("color", {"mag": "one"}, errors.InvalidInput),
        ("color", {"mag": "1-1-1", "width": 10**6, "height": 10**6}, errors.TooLarge),
    ],
)
def test_errors_of_the_server_become_our_own(known: Known, layer: str, query: dict, kind: type) -> None:
    connection = wk.connect(known.url, TOKEN)
    with pytest.raises(kind) as caught:
        connection.data(f"datasets/{wk.open('known').id}/layers/{layer}/data", **{**BOX, **query})
    assert type(caught.value) is kind
    assert caught.value.message


def test_a_damaged_file_is_named_over_http_and_the_server_goes_on(known: Known) -> None:
    connection = wk.connect(known.url, TOKEN)
    root = known.data_dir / "binaryData" / "lab"
    shutil.copytree(root / "known", root / "damaged")
    cube = root / "damaged" / "color" / "1" / "z0" / "y0" / "x0.wkw"
    cube.write_bytes(cube.read_bytes()[:5000])
    try:
        wk.refresh()
        dataset = wk.open("damaged")
        http = HttpSource(connection, str(dataset.id))
        layer = Dataset(dataset.data_source, http, connection=connection).layers["color"]
        with pytest.raises(errors.CorruptData, match=r"x0\.wkw"):
            layer.read()
        assert layer.read(((70, 70, 3), (8, 8, 8))).any()
        assert connection.get("health")
    finally:
        shutil.rmtree(root / "damaged")
        wk.refresh()


def test_a_kernel_finds_the_server_that_started_it(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = known.data_dir.parent / "runtime"
    [file] = runtime.glob("jpserver-*.json")
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(runtime))
    monkeypatch.setenv("JPY_PARENT_PID", "1")  # another server's kernel
    with pytest.raises(errors.Unreachable):
        find_endpoint()
    monkeypatch.setenv("JPY_PARENT_PID", file.stem.removeprefix("jpserver-"))
    found = find_endpoint()
    assert (found.token, found.is_own) == (TOKEN, True)
    assert wk.open("known").name == "known"


def test_no_error_of_connecting_holds_the_token() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for url in (f"http://{address}/?token={TOKEN}", f"http://{TOKEN}@{address}/", f"ftp://{TOKEN}@host/"):
            with pytest.raises((errors.Unreachable, errors.InvalidInput)) as caught:
                wk.connect(url)
            shown = "".join(traceback.format_exception_only(caught.value)) + repr(caught.value.details)
            assert TOKEN not in shown
            assert caught.value.__cause__ is None


def test_the_state_of_a_viewer_holds_no_token(known: Known) -> None:
    wk.connect(known.url, TOKEN)
    viewer = wk.open("known").view()
    assert viewer.source["kind"] == "http"
    assert TOKEN not in str(viewer.get_state()) + repr(viewer)
    viewer.close()
