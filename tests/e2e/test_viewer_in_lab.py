"""The viewer in JupyterLab: known voxels give known pixels, and both sides hear of each other's changes."""

from __future__ import annotations

import numpy as np
from known_datasets import grey, segment
from lab import until

from wk_jupyter.store.colors import segment_colors

# In the plane z = 32, away from the middle and from each other.
XY = [(10, 10, 32), (100, 20, 32), (30, 80, 32), (120, 90, 32), (64, 30, 32)]
YZ = [(64, 10, 5), (64, 20, 60), (64, 80, 20)]
XZ = [(10, 48, 5), (120, 48, 60), (90, 48, 10)]


def greys(voxels):
    return {voxel: grey(*voxel) for voxel in voxels}


def rounded(numbers):
    return [round(number, 3) for number in numbers]


def test_known_voxels_give_known_pixels(show_known):
    _, picture = show_known()
    picture.expect("xy", greys(XY))
    picture.expect("yz", greys(YZ))
    picture.expect("xz", greys(XZ))


def test_a_cell_moves_the_picture(show_known):
    notebook, picture = show_known()
    picture.expect("xy", greys(XY))
    notebook.run("viewer.position = (40, 50, 20)")
    picture.position = (40, 50, 20)
    picture.expect("xy", greys([(10, 10, 20), (60, 70, 20)]))
    picture.expect("yz", greys([(40, 20, 30)]))
    notebook.run("viewer.zoom = 0.25")
    picture.zoom = 0.25
    picture.expect("xy", greys([(25, 30, 20), (50, 70, 20)]))
    assert notebook.value("[viewer.position, viewer.zoom]") == [[40, 50, 20], 0.25]


def test_the_mouse_and_keys_change_what_python_sees(show_known):
    notebook, picture = show_known()
    page = picture.page
    picture.mouse_to("xy", (64, 48, 32))
    page.mouse.down()
    picture.mouse_to("xy", (54, 43, 32))
    page.mouse.up()
    picture.position = (74, 53, 32)
    picture.expect("xy", greys([(40, 30, 32), (100, 80, 32)]))
    assert rounded(notebook.value("viewer.position")) == [74, 53, 32]

    picture.canvas.click(position=dict(zip("xy", picture.point("xy", (74, 53, 32)), strict=True)))
    page.keyboard.press("f")
    page.keyboard.press("f")
    page.keyboard.press("d")
    picture.position = (74, 53, 33)
    picture.expect("xy", greys([(40, 30, 33), (100, 80, 33)]))
    assert rounded(notebook.value("viewer.position")) == [74, 53, 33]

    picture.canvas.click(position=dict(zip("xy", picture.point("xy", (74, 53, 33)), strict=True)))
    picture.mouse_to("xy", (74, 53, 33))
    page.mouse.wheel(0, 100)
    until(lambda: rounded(notebook.value("viewer.position"))[2] != 33, "the wheel went to another slice")
    picture.position = notebook.value("viewer.position")
    z = int(picture.position[2])
    picture.expect("xy", greys([(40, 30, z), (100, 80, z)]))

    picture.canvas.click(position=dict(zip("xy", picture.point("xy", (74, 53, z)), strict=True)))
    page.keyboard.press("i")
    until(lambda: notebook.value("viewer.zoom") < 0.5, "the key zoomed in")
    picture.zoom = notebook.value("viewer.zoom")
    picture.expect("xy", greys([(60, 40, z), (90, 70, z)]))


def test_layer_settings_of_a_cell_change_pixels(show_known):
    notebook, picture = show_known()
    picture.expect("xy", greys(XY))
    notebook.run('viewer.layers["color"].color = "#ff8000"')
    picture.expect("xy", {v: [grey(*v), grey(*v) * 128 // 255, 0] for v in XY})
    notebook.run('viewer.layers["color"].update(color=(255, 255, 255), intensity_range=(50, 150))')
    picture.expect("xy", {v: np.clip((grey(*v) - 50) * 2.55, 0, 255).round() for v in XY})
    notebook.run('viewer.layers["color"].update(intensity_range=(0, 255), inverted=True)')
    picture.expect("xy", {v: 255 - grey(*v) for v in XY})
    notebook.run('viewer.layers["color"].update(inverted=False, opacity=50)')
    picture.expect("xy", {v: grey(*v) // 2 for v in XY})


def test_segments_have_their_colours_and_layers_can_be_hidden(show_known):
    notebook, picture = show_known()
    notebook.run('viewer.layers["segmentation"].update(visible=True, opacity=100)')
    notebook.run('viewer.layers["color"].visible = False')
    ids = np.array([segment(*voxel) for voxel in XY], np.uint64)
    picture.expect("xy", dict(zip(XY, segment_colors(ids).round(), strict=True)))
    notebook.run('viewer.layers["segmentation"].visible = False')
    notebook.run('viewer.layers["color"].visible = True')
    picture.expect("xy", greys(XY))


def test_controls_in_the_page_change_what_python_sees(show_known):
    notebook, picture = show_known()
    viewer = picture.viewer
    viewer.get_by_label("Opacity of color, 0 to 100").fill("50")
    picture.expect("xy", {v: grey(*v) // 2 for v in XY})
    assert notebook.value('viewer.layers["color"].opacity') == 50
    viewer.get_by_label("Position in voxels: x, y, z").click(click_count=3)
    picture.page.keyboard.type("40, 50, 20\n")
    picture.position = (40, 50, 20)
    picture.expect("xy", {v: grey(*v) // 2 for v in [(10, 10, 20), (60, 70, 20)]})
    assert rounded(notebook.value("viewer.position")) == [40, 50, 20]
    viewer.get_by_label("Show segmentation").check()
    viewer.get_by_label("Show color").uncheck()
    viewer.get_by_label("Opacity of segmentation, 0 to 100").fill("100")
    voxels = [(10, 70, 20), (60, 70, 20)]
    ids = np.array([segment(*voxel) for voxel in voxels], np.uint64)
    picture.expect("xy", dict(zip(voxels, segment_colors(ids).round(), strict=True)))
    visible = "[viewer.layers[name].visible for name in ('color', 'segmentation')]"
    assert notebook.value(visible) == [False, True]


def test_hovering_tells_python_the_place_and_the_exact_id(show_known):
    notebook, picture = show_known()
    notebook.run('viewer.layers["segmentation"].visible = True')
    for voxel in [(10, 70, 32), (100, 20, 32)]:
        picture.settle()
        picture.mouse_to("xy", (60, 60, 32))
        picture.mouse_to("xy", voxel)
        wanted = {
            "position": list(voxel),
            "values": {"color": grey(*voxel), "segmentation": segment(*voxel)},
        }
        until(lambda wanted=wanted: notebook.value("viewer.hovered") == wanted, f"Python hears of {voxel}")
        assert str(segment(*voxel)) in picture.viewer.inner_text().replace(",", "")
