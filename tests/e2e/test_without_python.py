"""Where half of it is missing: no extension on the server, or a saved notebook whose kernel is gone."""

from __future__ import annotations

from pathlib import Path

import pytest
from known_datasets import SHOW, write_datasets
from lab import Lab, Notebook, running_lab
from picture import Picture
from playwright.sync_api import Page
from test_viewer_in_lab import XY, greys


def view_of(folder: Path) -> str:
    return (
        f"import wk_jupyter as wk\nfolder = wk.view({str(folder)!r}, position=(64, 48, 32), zoom=0.5)\nfolder"
    )


@pytest.fixture
def lab_without_extension(tmp_path: Path):
    write_datasets(tmp_path / "data")
    with running_lab(tmp_path, tmp_path, extension=False) as running:
        yield running


def test_where_no_extension_answers_the_kernel_sends_the_code(page: Page, lab_without_extension: Lab):
    answers: dict[str, int] = {}
    page.on("response", lambda response: answers.update({response.url: response.status}))
    lab_without_extension.write_notebook(
        "kernel.ipynb", view_of(lab_without_extension.data_dir / "data" / "known")
    )
    notebook = Notebook(page, lab_without_extension, "kernel.ipynb")
    notebook.run_all()
    picture = Picture(page)
    picture.expect("xy", greys(XY))
    assert [status for url, status in answers.items() if "/static/wk_jupyter/" in url] == [404]
    picture.viewer.get_by_label("Opacity of color, 0 to 100").fill("50")
    picture.expect("xy", {voxel: grey // 2 for voxel, grey in greys(XY).items()})
    assert notebook.value('folder.layers["color"].opacity') == 50
    notebook.shut_down()


def test_a_saved_notebook_shows_a_picture_or_says_why_not(open_notebook, page: Page, lab: Lab):
    notebook = open_notebook(SHOW, view_of(lab.data_dir / "binaryData" / "lab" / "known"))
    for index in (0, 1):
        Picture(page, index=index).expect("xy", greys(XY))
    notebook.save()
    notebook.shut_down()
    again = page.context.new_page()
    errors: list[str] = []
    again.on("pageerror", lambda error: errors.append(str(error)))
    reopened = Notebook(again, lab, notebook.name)  # with a kernel that has run nothing
    # Voxels of the server are there as they were; the kernel that read the folder is gone.
    served = Picture(again)
    served.expect("xy", greys(XY))
    from_kernel = again.locator(".wk-widget").nth(1)
    message = from_kernel.get_by_role("alert")
    message.wait_for(state="visible")
    assert "The kernel does not answer" in message.inner_text()
    assert "run the cell again" in message.inner_text()
    from_kernel.get_by_role("progressbar").wait_for(state="hidden")
    again.screenshot(path=Path(__file__).resolve().parents[2] / "test-results" / "saved.png")
    assert errors == []
    reopened.shut_down()
