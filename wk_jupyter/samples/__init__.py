"""Datasets to try things with: ``wk.samples`` shows what there is.

``download(name)`` gets a public one from the network, ``generate()`` makes one without.
"""

from __future__ import annotations

import sys
import types

from wk_jupyter.samples.catalog import SAMPLES, Sample, as_html, as_text
from wk_jupyter.samples.downloader import download
from wk_jupyter.samples.generator import generate

__all__ = ["SAMPLES", "Sample", "download", "generate"]


class _SamplesModule(types.ModuleType):
    """A module that shows its samples where a cell ends with it."""

    def __repr__(self) -> str:
        return as_text()

    def _repr_html_(self) -> str:
        return as_html()


def __dir__() -> list[str]:
    return __all__


sys.modules[__name__].__class__ = _SamplesModule
