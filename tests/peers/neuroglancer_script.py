"""Run by the peers' Python: Neuroglancer's own page shows layers of the server, and is photographed."""

from __future__ import annotations

import json
import sys

import neuroglancer
import numpy as np
from playwright.sync_api import sync_playwright

SHADER = "void main() { emitGrayscale(toNormalized(getDataValue(0))); }"
FLAGS = ["--no-sandbox", "--disable-quic", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


def photograph(viewer, source: str) -> np.ndarray:
    """The x, y plane around (40, 30) in slice 40, a voxel a pixel."""
    with viewer.txn() as state:
        state.dimensions = neuroglancer.CoordinateSpace(names=["x", "y", "z"], units="nm", scales=[4, 4, 35])
        state.layers.clear()
        state.layers["layer"] = neuroglancer.ImageLayer(source=source, shader=SHADER)
        state.layout = "xy"
        state.position = [
            39.5,
            29.5,
            40,
        ]  # OME-NGFF: voxel n lies around n, and the middle between two pixels
        state.cross_section_scale = 1
        state.show_axis_lines = False
        state.show_scale_bar = False
        state.show_default_annotations = False
        state.cross_section_background_color = "#000"
    return viewer.screenshot(size=[200, 200]).screenshot.image_pixels


def main(sources: list[str], chromium: str, into: str) -> None:
    neuroglancer.set_server_bind_address("127.0.0.1")
    viewer = neuroglancer.Viewer()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 600, "height": 500})
        page.goto(str(viewer))
        pictures = [photograph(viewer, source) for source in sources]
        browser.close()
    np.save(into, np.stack(pictures))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2], sys.argv[3])
