from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from wk_jupyter import __version__, cli
from wk_jupyter.datasource import read_properties

SMALL = ["--shape", "64", "64", "32"]


def test_a_sample_is_made_and_its_folder_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["sample", "--data-dir", str(tmp_path), "--organization", "lab", "--name", "mine", *SMALL]
    assert cli.main(arguments) == 0
    folder = tmp_path / "binaryData" / "lab" / "mine"
    assert capsys.readouterr().out == f"{folder}\n"
    assert read_properties(folder).layer("color").bounding_box.size == (64, 64, 32)
    assert cli.main(arguments) == 0  # again: nothing to do


def test_the_data_directory_is_the_servers_by_default(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WK_JUPYTER_DATA_DIR", str(tmp_path))
    assert cli.main(["sample", "--format", "wkw", *SMALL]) == 0
    folder = Path(capsys.readouterr().out.strip())
    assert folder == tmp_path / "binaryData" / "default" / "sample_tissue"
    assert read_properties(folder).layers[0].data_format == "wkw"


def test_public_samples_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sample", "--list"]) == 0
    assert "Sample_e2006_wkw" in capsys.readouterr().out


def test_errors_are_told_without_a_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sample", "--data-dir", str(tmp_path), "--download", "nothing"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("sample: there is no public sample 'nothing'.\n")
    assert cli.main(["sample", "--data-dir", str(tmp_path), "--shape", "1", "2", "3"]) == 1
    assert "multiples of (8, 8, 4)" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert cli.main(["sample", "--data-dir", str(tmp_path / "file"), *SMALL]) == 1
    assert str(tmp_path / "file") in capsys.readouterr().err


def test_a_scan_finds_the_sample_and_says_what_cannot_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["sample", "--data-dir", str(tmp_path), *SMALL]) == 0
    broken = tmp_path / "binaryData" / "default" / "broken"
    broken.mkdir()
    (broken / "datasource-properties.json").write_text("{")
    capsys.readouterr()
    assert cli.main(["scan", "--data-dir", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert told.startswith(
        f"2 datasets in {tmp_path / 'binaryData' / 'default'}\n2 new, 0 changed, 0 gone, 1 "
    )
    assert cli.main(["scan", "--data-dir", str(tmp_path)]) == 0
    assert "0 new, 0 changed" in capsys.readouterr().out


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["version"]) == 0
    assert capsys.readouterr().out.strip() == __version__


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["sample", "--format", "n5"]])
def test_wrong_usage_is_explained(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    assert "usage: wk-jupyter" in capsys.readouterr().err


def test_every_option_has_help() -> None:
    told = list(options_of(cli.parser(), "wk-jupyter"))
    assert {"wk-jupyter scan --data-dir", "wk-jupyter token create --days"} <= {name for name, _ in told}
    assert [name for name, help_text in told if not help_text] == []


def options_of(command: argparse.ArgumentParser, name: str) -> Iterator[tuple[str, str | None]]:
    """Each option with its help, also of the commands below."""
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below, parser in action.choices.items():
                yield from options_of(parser, f"{name} {below}")
        else:
            yield f"{name} {(action.option_strings or [action.dest])[0]}", action.help


def test_asking_for_the_version_loads_nothing_heavy() -> None:
    code = (
        "import sys; from wk_jupyter import cli; cli.main(['version']);"
        "print([m for m in ('tornado', 'tensorstore', 'zarr', 'sqlalchemy', 'httpx') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[1] == "[]"
