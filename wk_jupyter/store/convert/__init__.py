"""Conversion: images of any reader become layers with all mags, in independent tasks of bounded memory."""

from wk_jupyter.store.convert.plan import ConversionPlan, ConversionProgress, LayerPlan
from wk_jupyter.store.convert.run import Cancelled, convert

__all__ = ["Cancelled", "ConversionPlan", "ConversionProgress", "LayerPlan", "convert"]
