"""What the README says, held against the code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import wk_jupyter
from wk_jupyter import cli
from wk_jupyter.server_ext.settings import WkSettings
from wk_jupyter.store import volumes

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_every_setting_is_in_the_table_and_nothing_else() -> None:
    table = README.split("## Configuration")[1].split("###")[0]
    told = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert sorted(told) == sorted(WkSettings.class_own_traits(config=True))


def test_every_stored_format_is_in_the_table() -> None:
    for name in volumes._FORMATS:
        assert f"| `{name}` |" in README


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_use_names_that_exist(example: str) -> None:
    for node in ast.walk(ast.parse(example)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "wk":
            assert hasattr(wk_jupyter, node.attr), node.attr


def test_commands_of_ours_exist() -> None:
    told = re.findall(r"wk-jupyter ([^`\n#]*)", README)
    assert any(line.startswith("token create") for line in told)
    for line in told:
        words = line.rstrip(" .,)").split()
        if words and words[0].isalpha():
            cli.parser().parse_args(words)


def test_commands_of_make_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"\bmake ([a-z]+)", README)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_files_that_are_named_exist() -> None:
    for name in ("ARCHITECTURE.md", "benchmarks/README.md", "notebooks/01_quickstart.ipynb", "LICENSE"):
        assert (ROOT / name).exists(), name
