from __future__ import annotations

import pickle
import signal
from pathlib import Path

import pytest
from known_server import TOKEN, Known, running

import wk_jupyter as wk
from wk_jupyter import errors
from wk_jupyter.client.discovery import find_endpoint, normalise


def test_a_dataset_is_opened_by_name_id_address_and_folder(known: Known, monkeypatch) -> None:
    wk.connect(known.url, TOKEN)
    by_name = wk.open("known")
    server = known.url.removesuffix("wk/")
    assert wk.open(by_name.id).id == by_name.id
    monkeypatch.setenv("WK_JUPYTER_TOKEN", TOKEN)
    for page in (
        f"{known.url}datasets/known-{by_name.id}",
        f"{known.url}datasets/another-name-{by_name.id}/view#1,2,3,0,1",
        f"{known.url}datasets/{by_name.id}?token={TOKEN}",
        f"{known.url}datasets/lab/known/view",
        f"{server}datasets/known-{by_name.id}",
    ):
        assert wk.open(page).id == by_name.id
    folder = known.data_dir / "binaryData" / "lab" / "known"
    assert wk.open(str(folder)).data_source.layers == wk.open(folder).data_source.layers
    assert wk.open(folder / "datasource-properties.json").name == "known"


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("knwon", errors.DatasetNotFound, "Did you mean 'known'?"),
        ("zzzzzz", errors.DatasetNotFound, "wk.datasets()"),
        ("0" * 24, errors.DatasetNotFound, "no dataset"),
        ("broken", errors.InvalidDataSource, "not valid JSON"),
        ("", errors.InvalidInput, "name, id, address or folder"),
        (7, errors.InvalidInput, "7"),
        ("./nowhere", errors.DatasetNotFound, "no folder"),
        ("../../../etc/passwd", errors.DatasetNotFound, "no folder"),
    ],
)
def test_what_cannot_be_opened_says_why(known: Known, name, error, said) -> None:
    wk.connect(known.url, TOKEN)
    with pytest.raises(error) as caught:
        wk.open(name)
    assert said in str(caught.value)


def test_an_address_that_is_no_datasets_is_refused(known: Known) -> None:
    with pytest.raises(errors.InvalidInput, match="not the address of a dataset"):
        wk.open(f"{known.url}somewhere?token={TOKEN}")


@pytest.mark.parametrize(
    ("url", "address", "token"),
    [
        ("http://host:8888", "http://host:8888/wk/", None),
        ("http://host:8888/", "http://host:8888/wk/", None),
        ("http://host:8888/?token=abc", "http://host:8888/wk/", "abc"),
        ("http://host:8888/lab?token=abc", "http://host:8888/wk/", "abc"),
        ("http://host/user/ada/lab/tree/x.ipynb", "http://host/user/ada/wk/", None),
        ("https://host/user/ada/wk", "https://host/user/ada/wk/", None),
        ("https://host/user/ada/wk/api/v16/datasets", "https://host/user/ada/wk/", None),
        ("https://me:secret@host/tree", "https://host/wk/", None),
    ],
)
def test_addresses_of_pages_lead_to_the_extension(url: str, address: str, token: str | None) -> None:
    assert normalise(url) == (address, token)


@pytest.mark.parametrize("url", ["localhost:8888", "ftp://host/", "", "http://"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(errors.InvalidInput, match="address of a server"):
        wk.connect(url)


def test_without_a_server_one_is_told_how_to_name_it() -> None:
    with pytest.raises(errors.Unreachable, match=r"wk\.connect"):
        wk.datasets()


def test_the_environment_names_the_server(known: Known, monkeypatch) -> None:
    monkeypatch.setenv("WK_JUPYTER_URL", known.url)
    monkeypatch.setenv("WK_JUPYTER_TOKEN", TOKEN)
    assert wk.open("known").name == "known"


def test_a_wrong_token_sees_nothing(known: Known) -> None:
    wk.connect(known.url, "wrong")
    assert len(wk.datasets()) == 0
    with pytest.raises(errors.Forbidden):
        wk.refresh()


def test_the_token_is_never_shown(known: Known) -> None:
    connection = wk.connect(f"{known.url}?token={TOKEN}")
    dataset = wk.open("known")
    shown = [repr(connection), str(connection), repr(dataset), dataset._repr_html_(), repr(wk.datasets())]
    shown += [repr(connection.endpoint), repr(vars(dataset)), wk.datasets()._repr_html_()]
    for call in (lambda: wk.open("nothing"), lambda: connection.get("nowhere")):
        with pytest.raises(errors.WkError) as caught:
            call()
        shown += [str(caught.value), repr(caught.value), repr(caught.value.details)]
    assert not [text for text in shown if TOKEN in text]


def test_a_server_that_dies_is_told(tmp_path: Path) -> None:
    server = running(tmp_path)
    with server as url:
        wk.connect(url, TOKEN)
        assert len(wk.datasets()) == 0
        server.kill(signal.SIGKILL)
        with pytest.raises(errors.Unreachable, match="does not answer"):
            wk.datasets()._repr_html_()
    with pytest.raises(errors.Unreachable):
        wk.connect(url, TOKEN)


def test_the_table_lists_pages_and_opens(known: Known) -> None:
    wk.connect(known.url, TOKEN)
    table = wk.datasets("known")
    assert len(table) == 1
    assert table[0].name == table["known"].name == table[-1].name == "known"
    assert [dataset.name for dataset in table] == ["known"]
    frame = table.to_dataframe()
    assert frame.loc[0, "layers"] == ["color", "cells"]
    assert frame.loc[0, "voxel_size_nm"] == (4, 4, 30)
    with pytest.raises(errors.DatasetNotFound):
        table[1]
    html = wk.datasets("broken")._repr_html_()
    assert "not valid JSON" in html
    assert "No dataset has" in wk.datasets("<script>")._repr_html_()
    assert "<script>" not in wk.datasets("<script>")._repr_html_()


def test_refreshing_finds_new_datasets(known: Known) -> None:
    wk.connect(known.url, TOKEN)
    folder = known.data_dir / "binaryData" / "lab" / "arrived"
    folder.mkdir()
    try:
        assert "arrived" in [entry.strip().split()[0] for entry in repr(wk.refresh()).splitlines()] or len(
            wk.datasets("arrived")
        )
    finally:
        folder.rmdir()
        wk.refresh()


def test_values_can_be_pickled(known: Known) -> None:
    layer = wk.open(known.data_dir / "binaryData" / "lab" / "known").layers["color"]
    assert pickle.loads(pickle.dumps(layer.source)) == layer.source
    assert pickle.loads(pickle.dumps(layer.bounding_box)) == layer.bounding_box


def test_the_endpoint_of_a_named_server_is_not_ones_own(known: Known) -> None:
    endpoint = find_endpoint(known.url, TOKEN)
    assert not endpoint.is_own
    assert TOKEN not in repr(endpoint)
