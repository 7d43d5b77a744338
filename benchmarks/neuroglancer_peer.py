"""Neuroglancer's Python server on a volume in memory. Runs in the peers' environment, not in ours."""

import sys
import threading
from pathlib import Path

import neuroglancer
import neuroglancer.chunks
import neuroglancer.local_volume
import neuroglancer.server
import numpy as np

# 2.41 calls a method that numpy 2.3 took away; this is the same by its newer name.
encode = lambda part: part.tobytes("C")  # noqa: E731
neuroglancer.chunks.encode_raw = encode
neuroglancer.local_volume.encode_raw = encode

volume, port = sys.argv[1], int(sys.argv[2])
voxels = np.load(volume, mmap_mode="r")
neuroglancer.set_server_bind_address("127.0.0.1", bind_port=port)

viewer = neuroglancer.Viewer(token="peer")
space = neuroglancer.CoordinateSpace(names=["x", "y", "z"], units="nm", scales=[1, 1, 1])
local = neuroglancer.LocalVolume(voxels, dimensions=space)
with viewer.txn() as state:
    state.layers["em"] = neuroglancer.ImageLayer(source=local)


Path(f"{volume}.{port}.token").write_text(f"{viewer.token}.{local.token}")
threading.Event().wait()
