"""Run by the peers' Python: reads through the official client, says in JSON what it saw."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import webknossos as wk
from webknossos.dataset.remote_access_mode import RemoteAccessMode


def read_all(dataset, into: Path, prefix: str) -> None:
    for name, layer in dataset.layers.items():
        for mag, view in layer.mags.items():
            box = layer.bounding_box.align_with_mag(mag, ceil=True)
            np.save(into / f"{prefix}.{name}.{mag.to_layer_name()}.npy", view.read(absolute_bounding_box=box))


def main(url: str, token: str, into: Path) -> None:
    seen: dict[str, object] = {}
    with wk.webknossos_context(url=url, token=token):
        by_name = wk.RemoteDataset.open("cells")
        by_id = wk.RemoteDataset.open(dataset_id=by_name.dataset_id)
        by_url = wk.RemoteDataset.open(f"{url}/datasets/cells-{by_name.dataset_id}/view")
        seen["ids"] = [by_name.dataset_id, by_id.dataset_id, by_url.dataset_id]
        seen["listed"] = sorted(ds.name for ds in wk.RemoteDataset.list().values())
        seen["voxel_size"] = list(by_name.voxel_size)
        seen["largest_segment_id"] = by_name.get_segmentation_layer("segmentation").largest_segment_id
        seen["view_configuration"] = by_name.get_layer("color").view_configuration is not None
        seen["user"] = wk.User.get_current_user().organization_id
        seen["folder"] = wk.RemoteFolder.get_root().name
        for mode in RemoteAccessMode:
            read_all(wk.RemoteDataset.open("cells", access_mode=mode), into, mode.value)
        downloaded = by_name.download(path=into / "downloaded")
        read_all(downloaded, into, "downloaded")
    print(json.dumps(seen))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
