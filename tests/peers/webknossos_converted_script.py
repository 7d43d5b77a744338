"""Run by the peers' Python: opens converted datasets where they lie, says in JSON what it saw."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import webknossos as wk


def main(into: Path, *folders: str) -> None:
    seen: dict[str, object] = {}
    for folder in folders:
        dataset = wk.Dataset.open(folder)
        layers = {}
        for name, layer in dataset.layers.items():
            layers[name] = {
                "category": layer.category,
                "dtype": str(np.dtype(layer.dtype)),
                "channels": layer.num_channels,
                "box": [list(layer.bounding_box.topleft), list(layer.bounding_box.size)],
                "mags": [mag.to_layer_name() for mag in layer.mags],
                "largest": getattr(layer, "largest_segment_id", None),
            }
            for mag, view in layer.mags.items():
                box = layer.bounding_box.align_with_mag(mag, ceil=True)
                voxels = view.read(absolute_bounding_box=box)
                np.save(into / f"{Path(folder).parent.name}.{name}.{mag.to_layer_name()}.npy", voxels)
        seen[Path(folder).parent.name] = {"voxel_size": list(dataset.voxel_size), "layers": layers}
    print(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
