"""From what was recognised and what a person says of it to the plan of a conversion."""

from __future__ import annotations

from typing import Any, Final, cast

import numpy as np

from wk_jupyter.datasource import ELEMENT_DTYPES
from wk_jupyter.errors import InvalidInput
from wk_jupyter.geometry import VoxelSize
from wk_jupyter.store.convert import ConversionPlan, LayerPlan
from wk_jupyter.store.explore.layers import layer_name
from wk_jupyter.store.imports.options import ImportOptions, LayerCorrection
from wk_jupyter.store.imports.proposal import Inspected, LayerProposal, Source
from wk_jupyter.store.imports.stored import needs_voxel_size

_COMPRESSION: Final = {"zarr3": "zstd:1", "wkw": "lz4"}
_SEGMENTATION_CLASSES: Final = frozenset(
    {"uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"}
)


def conversion_plan(
    inspected: Inspected, options: ImportOptions, *, name: str, data_format: str
) -> ConversionPlan:
    """Return what is to be converted, and how. Raises InvalidInput naming what is missing or wrong."""
    written = options.data_format or data_format
    corrections = _by_number(inspected, options)
    layers: list[LayerPlan] = []
    for proposal, source in zip(inspected.inspection.layers, inspected.sources, strict=True):
        correction = corrections.get(proposal.number, LayerCorrection(number=proposal.number))
        if not correction.is_left_out:
            layers += _layers(proposal, source, correction, options, is_wkw=written == "wkw")
    if not layers:
        raise InvalidInput("layers: all of them are left out.", hint="Keep one at least.")
    _require_unique_names(layers)
    return ConversionPlan(
        name=name,
        layers=tuple(layers),
        voxel_size=_voxel_size(inspected, options),
        format=cast("Any", written),
        compression=options.compression or _COMPRESSION[written],
        downsampling=options.downsampling or "mean",
    )


def _by_number(inspected: Inspected, options: ImportOptions) -> dict[int, LayerCorrection]:
    there = {proposal.number for proposal in inspected.inspection.layers}
    for correction in options.layers:
        if correction.number not in there:
            raise InvalidInput(f"layers: there is no layer of the number {correction.number}.")
    return {correction.number: correction for correction in options.layers}


def _layers(
    proposal: LayerProposal,
    source: Source,
    correction: LayerCorrection,
    options: ImportOptions,
    *,
    is_wkw: bool,
) -> list[LayerPlan]:
    """Return one layer; where WKW cannot hold the points in time, one for each."""
    category = correction.category or options.category or proposal.category
    element = correction.element_class or proposal.element_class
    _require_class(proposal, element, category)
    name = layer_name(correction.name or options.layer_name or proposal.name)
    whole = LayerPlan(
        name=name,
        category=category,
        source=source.ref(),
        size=proposal.size,
        channels=proposal.channels,
        timepoints=(0, proposal.timepoints),
        dtype=ELEMENT_DTYPES[element],
        topleft=correction.topleft or proposal.topleft,
        intensity_range=proposal.intensity_range,
        color=proposal.color,
        grain=source.grain,
    )
    if not is_wkw or proposal.timepoints == 1:
        return [whole]
    return [
        whole.with_timepoints(f"{name}_t{point}", (point, point + 1)) for point in range(proposal.timepoints)
    ]


def _require_class(proposal: LayerProposal, element: str, category: str) -> None:
    if element not in ELEMENT_DTYPES:
        raise InvalidInput(
            f"layers: {element[:40]!r} is no element class.", hint=f"Use one of {', '.join(ELEMENT_DTYPES)}."
        )
    width = proposal.channels[1] - proposal.channels[0]
    if (element == "uint24") != (width == 3):
        raise InvalidInput(f"layers: {proposal.name!r} has {width} channels and cannot be {element}.")
    if category == "segmentation" and element not in _SEGMENTATION_CLASSES:
        raise InvalidInput(
            f"layers: {proposal.name!r} is {element}, which no segmentation can be.",
            hint="Make it a color layer, or choose an integer type.",
        )
    source, target = np.dtype(proposal.source_type), np.dtype(ELEMENT_DTYPES[element])
    if not np.can_cast(source, target, "same_kind") and source != np.bool_:
        raise InvalidInput(
            f"layers: {source.name} voxels of {proposal.name!r} cannot be written as {target.name}.",
            hint="They would not be the same.",
        )


def _voxel_size(inspected: Inspected, options: ImportOptions) -> VoxelSize:
    given = options.voxels()
    if given is not None:
        return given
    told = inspected.inspection.voxel_size
    if inspected.inspection.needs_voxel_size or any(axis is None for axis in told):
        raise needs_voxel_size()
    return VoxelSize(cast("tuple[float, float, float]", told))


def _require_unique_names(layers: list[LayerPlan]) -> None:
    seen: set[str] = set()
    for layer in layers:
        if layer.name in seen:
            raise InvalidInput(
                f"layers: two of them would be called {layer.name!r}.", hint="Name them apart."
            )
        seen.add(layer.name)
