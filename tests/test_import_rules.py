"""The direction of imports, as ARCHITECTURE.md draws it, read off the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "wk_jupyter"
MODULES = sorted(PACKAGE.rglob("*.py"))

# Each part may import itself, the values below everything, and what stands here.
VALUES = {"errors", "geometry", "properties_document", "datasource", "view_configuration"}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "geometry": {"errors"},
    "properties_document": {"errors", "geometry"},
    "datasource": {"errors", "geometry", "properties_document"},
    "view_configuration": VALUES,
    "api": VALUES,
    "client": VALUES | {"api"},
    "widgets": VALUES | {"api", "client"},
    "store": VALUES | {"api.frames", "api.ngff"},
    "server_ext": VALUES | {"api", "store"},
    "samples": VALUES | {"api", "client", "store.volumes"},
    "commands": VALUES | {"samples.places", "store"},
    "cli": VALUES | {"samples", "store", "client", "commands"},
    "__init__": VALUES | {"client", "widgets", "samples", "server_ext"},
}
EXCEPTIONS = {
    # Reading a folder needs no server: this module of the kernel's side may read stored formats.
    "client.local": {"store.volumes", "store.explore", "store.bricks", "store.pictures"},
    # Looking at files needs no server either: this module starts the process that does.
    "client.inspecting": {"store.imports"},
    # `ds.view()` is where people look for the viewer; loaded when it is called.
    "client.dataset": {"widgets.viewer"},
}


def name_of(module: Path) -> str:
    parts = module.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def imports_of(module: Path) -> Iterator[str]:
    """Names of our own modules that a module imports, also inside functions, without the package's name."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative imports hide the direction"
            base = node.module or ""
            # `from package import module` and `from module import name` look alike: ask the disk.
            found = [
                f"{base}.{alias.name}" if (PACKAGE.parent / base.replace(".", "/")).is_dir() else base
                for alias in node.names
            ]
        else:
            continue
        yield from (name.removeprefix("wk_jupyter.") for name in found if name.startswith("wk_jupyter."))


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_imports_point_one_way(module: Path) -> None:
    name = name_of(module)
    part = name.split(".")[0]
    assert part in ALLOWED, f"{name} has no place in the layers: give it one here and in ARCHITECTURE.md"
    allowed = ALLOWED[part] | {part} | EXCEPTIONS.get(name, set()) | {"__version__"}
    for imported in imports_of(module):
        assert any(imported == a or imported.startswith(a + ".") for a in allowed), (
            f"{name} imports {imported}"
        )


@pytest.mark.parametrize("module", [m for m in MODULES if name_of(m).split(".")[0] == "store"], ids=name_of)
def test_the_store_knows_no_server(module: Path) -> None:
    source = ast.parse(module.read_text())
    for node in ast.walk(source):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not {n.split(".")[0] for n in names} & {"tornado", "jupyter_server", "anywidget", "ipywidgets"}
