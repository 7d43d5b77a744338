"""One JupyterLab and one Chromium for all tests here; a page and a kernel for each."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parent))

from known_datasets import SHOW, write_datasets
from lab import Lab, Notebook, running_lab
from picture import Picture

_CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)
OpenNotebook = Callable[..., Notebook]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(240))


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    write_datasets(folder / "wk" / "binaryData" / "lab")
    with running_lab(folder, folder / "wk") as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=list(_ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1300, "height": 1500}, reduced_motion="reduce")
    yield context.new_page()
    context.close()


@pytest.fixture
def open_notebook(page: Page, lab: Lab, request: pytest.FixtureRequest) -> Iterator[OpenNotebook]:
    """Write a notebook of these cells, open it and run it."""
    opened: list[Notebook] = []
    name = f"{request.node.name.replace('[', '-').strip(']')}.ipynb"

    def open_(*cells: str, app: str = "lab") -> Notebook:
        lab.write_notebook(name, *cells)
        opened.append(Notebook(page, lab, name, app))
        opened[-1].run_all()
        return opened[-1]

    yield open_
    for notebook in opened:
        notebook.shut_down()


@pytest.fixture
def show_known(open_notebook: OpenNotebook, page: Page) -> Callable[..., tuple[Notebook, Picture]]:
    """Show the dataset ``known`` at its middle, two pixels a voxel."""

    def show(**options: str) -> tuple[Notebook, Picture]:
        notebook = open_notebook(SHOW, **options)
        return notebook, Picture(page)

    return show
