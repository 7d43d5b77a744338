from __future__ import annotations

from pathlib import Path

import pytest
from archives import BLOCK, dataset_zip, zip_of
from foreign_host import Host, serve

from wk_jupyter import samples
from wk_jupyter.datasource import read_properties
from wk_jupyter.errors import CorruptData, DatasetNotFound, InvalidDataSource, InvalidInput, Unreachable
from wk_jupyter.samples.catalog import as_html, as_text, find


def sample_at(host: Host) -> samples.Sample:
    return samples.Sample(
        name="Sample_far_away", url=host.url, megabytes=1, shows="noise", citation="nobody", doi="10.1/x"
    )


def test_a_sample_becomes_a_dataset_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serve(Host(dataset_zip())) as host:
        folder = samples.download(sample_at(host), data_dir=tmp_path, organization="lab")
        again = samples.download(sample_at(host), data_dir=tmp_path, organization="lab")
    assert folder == again == tmp_path / "binaryData" / "lab" / "Sample_far_away"
    assert len(host.asked) == 1
    source = read_properties(folder)
    assert source.name == "Sample_far_away"
    assert source.voxel_size.factor == (16.5, 16.5, 25.0)
    assert (folder / "color/1/z0/y0/x0.wkw").read_bytes() == BLOCK
    assert list((tmp_path / "downloads").iterdir()) == []
    assert [p.name for p in folder.parent.iterdir()] == ["Sample_far_away"]
    assert capsys.readouterr().err.endswith("Sample_far_away: 1 of 1 MB (100 %)\n")


def test_a_file_put_there_by_hand_is_used(tmp_path: Path) -> None:
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / "Sample_e2006_wkw.zip").write_bytes(dataset_zip())
    folder = samples.download("sample_E2006_wkw", data_dir=tmp_path)
    assert folder == tmp_path / "binaryData" / "default" / "Sample_e2006_wkw"
    assert read_properties(folder).layers[0].name == "color"


def test_what_is_no_dataset_leaves_nothing_behind(tmp_path: Path) -> None:
    with serve(Host(b"<html>sign in</html>" * 50_000)) as host:
        with pytest.raises(CorruptData, match="is not a whole zip file"):
            samples.download(sample_at(host), data_dir=tmp_path)
        host.content = dataset_zip()
        folder = samples.download(sample_at(host), data_dir=tmp_path)
    assert [p.name for p in folder.parent.iterdir()] == ["Sample_far_away"]


def test_properties_that_cannot_be_used_leave_nothing_behind(tmp_path: Path) -> None:
    broken = zip_of({"datasource-properties.json": b'{"id": 3}', "color/1/x": BLOCK})
    with serve(Host(broken)) as host, pytest.raises(InvalidDataSource, match="datasource-properties"):
        samples.download(sample_at(host), data_dir=tmp_path)
    assert list((tmp_path / "binaryData" / "default").iterdir()) == []
    assert list((tmp_path / "downloads").iterdir()) == []


def test_no_network_says_what_can_be_done(tmp_path: Path) -> None:
    nowhere = samples.Sample("Sample_x", "ftp://somewhere/x.zip", 1, "nothing", "nobody", "10.1/x")
    with pytest.raises(Unreachable, match=r"wk\.samples\.generate\(\)"):
        samples.download(nowhere, data_dir=tmp_path)


def test_names_are_checked(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFound, match="Did you mean 'Sample_e2006_wkw'"):
        samples.download("e2006", data_dir=tmp_path)
    with pytest.raises(InvalidInput, match="organization"):
        samples.download("Sample_e2006_wkw", data_dir=tmp_path, organization="../elsewhere")


def test_the_module_shows_its_samples() -> None:
    assert repr(samples) == as_text()
    assert samples._repr_html_() == as_html()
    for sample in samples.SAMPLES:
        assert find(sample.name.upper()) is sample
        assert sample.name in repr(samples)
        assert f"https://doi.org/{sample.doi}" in as_html()
    assert [(s.name, s.megabytes) for s in samples.SAMPLES] == [
        ("Sample_e2006_wkw", 120),
        ("Sample_FD0144_wkw", 316),
        ("Sample_MPRAGE_250um", 250),
    ]


def test_text_of_others_is_escaped() -> None:
    evil = samples.Sample("<b>", "u", 1, "<script>", "&", '"><img>')
    html = as_html([evil])
    assert "<script>" not in html
    assert "<img>" not in html
    assert "<b>" not in html
