"""A viewer in a page: its pixels, where voxels lie on it, and what a mouse does to it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from lab import until
from PIL import Image
from playwright.sync_api import Page

_AXES = {"xy": (0, 1), "yz": (2, 1), "xz": (0, 2)}
_BARE = ".wk-overlay { visibility: hidden !important } .wk-viewer * { outline: none !important }"
TOLERANCE = 2


@dataclass
class Picture:
    """The viewer at ``index`` in a page. ``position`` and ``zoom`` are those that it should show."""

    page: Page
    index: int = 0
    position: Sequence[float] = (64, 48, 32)
    zoom: float = 0.5

    def __post_init__(self) -> None:
        self.viewer = self.page.locator(".wk-widget").nth(self.index)
        self.canvas = self.viewer.locator("canvas")
        self.settle()

    def settle(self) -> None:
        """Wait until the viewer is there and has drawn all that it asked for."""
        self.canvas.wait_for(state="visible", timeout=60_000)
        self.viewer.locator(".wk-busy").wait_for(state="hidden", timeout=60_000)

    def point(self, plane: str, voxel: Sequence[int]) -> tuple[float, float]:
        """Where the middle of a voxel lies, in CSS pixels from the canvas's corner."""
        panel = self.viewer.locator(f'.wk-panel[data-plane="{plane}"]').bounding_box()
        canvas = self.canvas.bounding_box()
        assert panel
        assert canvas
        u, v = _AXES[plane]
        right = panel["x"] - canvas["x"] + panel["width"] / 2
        down = panel["y"] - canvas["y"] + panel["height"] / 2
        return (
            right + (voxel[u] + 0.5 - self.position[u]) / self.zoom,
            down + (voxel[v] + 0.5 - self.position[v]) / self.zoom,
        )

    def pixels(self) -> np.ndarray:
        """The canvas as the browser shows it, (y, x, 3), without frames and lines."""
        png = self.canvas.screenshot(style=_BARE)
        return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))

    def expect(self, plane: str, expected: dict[tuple[int, int, int], Sequence[int] | int]) -> None:
        """Wait until voxels of a plane have their colours: a grey, or red, green and blue."""
        last: dict[tuple[int, int, int], tuple[list[int], list[int]]] = {}

        def differs() -> bool:
            self.settle()
            pixels = self.pixels()
            last.clear()
            for voxel, color in expected.items():
                x, y = self.point(plane, voxel)
                seen = pixels[int(y), int(x)].astype(int)
                wanted = np.broadcast_to(color, 3).astype(int)
                if np.abs(seen - wanted).max() > TOLERANCE:
                    last[voxel] = (seen.tolist(), wanted.tolist())
            return bool(last)

        try:
            until(lambda: not differs(), "known voxels have their pixels", 20)
        except AssertionError:
            raise AssertionError(f"{plane} at {list(self.position)}: (seen, wanted) {last}") from None

    def mouse_to(self, plane: str, voxel: Sequence[int]) -> None:
        x, y = self.point(plane, voxel)
        canvas = self.canvas.bounding_box()
        assert canvas
        self.page.mouse.move(canvas["x"] + x, canvas["y"] + y)
