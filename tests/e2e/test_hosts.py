"""What surrounds the viewer: several of them, hosts, themes, damaged data, saved notebooks."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path

import pytest
from known_datasets import BROKEN_CUBE, SHOW, grey
from lab import TOKEN, is_alive, until
from picture import Picture
from test_viewer_in_lab import XY, greys

RESULTS = Path(__file__).resolve().parents[2] / "test-results"


def test_a_folder_of_the_kernel_is_shown_without_a_server(open_notebook, page, lab):
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    folder = lab.data_dir / "binaryData" / "lab" / "known"
    notebook = open_notebook(
        f"import wk_jupyter as wk\nviewer = wk.view({str(folder)!r}, position=(64, 48, 32), zoom=0.5)\nviewer"
    )
    Picture(page).expect("xy", greys(XY))
    assert notebook.value("viewer.source") == {"kind": "comm"}
    assert not [url for url in requests if url.endswith("/bricks")]


def test_a_damaged_file_is_named_while_the_rest_is_drawn(open_notebook, page, lab):
    notebook = open_notebook(SHOW.replace("known", "broken"), "viewer.position = (64, 48, 40)")
    picture = Picture(page, position=(64, 48, 40))
    picture.expect("xy", greys([(10, 10, 40), (100, 20, 40), (30, 80, 40), (120, 90, 40)]))
    x, y, z = BROKEN_CUBE
    message = picture.viewer.get_by_role("alert")
    message.wait_for(state="visible")
    assert f"z{z}/y{y}/x{x}.wkw" in message.inner_text()
    until(lambda: f"z{z}/y{y}/x{x}.wkw" in notebook.run("print(viewer.error)"), "Python hears of it")
    output = notebook.run(
        "try:\n    wk.open('broken').layers['color'].read()\nexcept wk.errors.CorruptData as error:\n"
        "    print(error)"
    )
    assert f"z{z}/y{y}/x{x}.wkw" in output
    assert is_alive(lab.pid)
    notebook.run("viewer.position = (64, 48, 10)")
    picture.position = (64, 48, 10)
    picture.expect("xy", greys([(40, 40, 10), (100, 20, 10)]))


def test_viewers_share_one_module_and_live_side_by_side(open_notebook, page):
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url))
    notebook = open_notebook(
        SHOW, "other = wk.open('known').view(position=(40, 50, 20), zoom=0.5)\nother", "viewer"
    )
    first = Picture(page)
    second = Picture(page, index=1, position=(40, 50, 20))
    again = Picture(page, index=2)
    first.expect("xy", greys(XY))
    second.expect("xy", greys([(10, 10, 20), (60, 70, 20)]))
    again.expect("xy", greys(XY))
    assert len([url for url in loaded if re.search(r"/static/wk_jupyter/app/viewer-\w+\.js", url)]) == 1
    notebook.run("viewer.position = (50, 50, 10)")
    for picture in (first, again):
        picture.position = (50, 50, 10)
        picture.expect("xy", greys([(30, 30, 10), (90, 80, 10)]))
    second.expect("xy", greys([(10, 10, 20), (60, 70, 20)]))
    notebook.run("viewer.destroy()")
    until(lambda: page.locator(".wk-widget").count() == 1, "both views of the closed viewer are gone")


def test_two_views_of_one_viewer_read_through_the_kernel(open_notebook, page, lab):
    folder = lab.data_dir / "binaryData" / "lab" / "known"
    open_notebook(
        f"import wk_jupyter as wk\nviewer = wk.view({str(folder)!r}, position=(64, 48, 32), zoom=0.5)",
        "viewer",
        "viewer",
    )
    for index in (0, 1):
        Picture(page, index=index).expect("xy", greys(XY))


def test_no_token_is_saved_in_a_notebook(open_notebook, page, lab):
    notebook = open_notebook(
        SHOW,
        "import os\nwk.connect(os.environ['WK_JUPYTER_URL'])\n"
        "named = wk.open('known').view(position=(64, 48, 32), zoom=0.5)\nnamed",
        "display(wk.datasets(), wk.open('known'), wk.connect())\nwk.connect().endpoint",
    )
    Picture(page).expect("xy", greys(XY))
    Picture(page, index=1).expect("xy", greys(XY))
    assert notebook.value("named.source")["base"].startswith("http://")
    notebook.save()
    saved = (lab.root / notebook.name).read_text()
    assert '"largestSegmentId"' in saved  # the state of the widgets is in there
    assert TOKEN not in saved


def test_notebook_7(show_known):
    notebook, picture = show_known(app="notebooks")
    picture.expect("xy", greys(XY))
    notebook.run("viewer.position = (40, 50, 20)")
    picture.position = (40, 50, 20)
    picture.expect("xy", greys([(10, 10, 20), (60, 70, 20)]))
    picture.viewer.get_by_label("Opacity of color, 0 to 100").fill("50")
    picture.expect("xy", {v: grey(*v) // 2 for v in [(10, 10, 20), (60, 70, 20)]})
    assert notebook.value('viewer.layers["color"].opacity') == 50


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_themes(open_notebook, page, theme):
    notebook = open_notebook(
        SHOW.replace("0.5)", '0.5, height=360, layers={"segmentation": {"visible": True}})'),
        "wk.datasets()",
        "wk.open('known')",
    )
    notebook.command("apputils:change-theme", theme=theme)
    is_light = theme.endswith("Light")
    page.wait_for_function(
        f"document.body.dataset.jpThemeName === {json.dumps(theme)}"
        f" && document.body.dataset.jpThemeLight === {json.dumps(str(is_light).lower())}"
    )
    picture = Picture(page)
    picture.mouse_to("xy", (70, 60, 32))
    colors = picture.viewer.evaluate(
        "el => [getComputedStyle(el).color, getComputedStyle(el).backgroundColor]"
    )
    text, back = (sum(map(int, re.findall(r"\d+", color)[:3])) for color in colors)
    assert (back > text) == is_light
    assert abs(back - text) > 300
    RESULTS.mkdir(exist_ok=True)
    page.screenshot(path=RESULTS / f"viewer-{'light' if is_light else 'dark'}.png")


def test_the_server_answers_after_all_this(lab):
    request = urllib.request.Request(f"{lab.url}wk/api/health", headers={"X-Auth-Token": TOKEN})
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200
