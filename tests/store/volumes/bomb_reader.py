"""Reads bombs in a process of its own, which has little memory; tells what came of each, a line at a time."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from array_files import layer_of, mag_of, open_layer

from wk_jupyter.api.frames import decode_payload
from wk_jupyter.errors import WkError
from wk_jupyter.geometry import BoundingBox
from wk_jupyter.store.volumes.base import BlockError, stored_blocks

MIB = 2**20


def status(name: str) -> int:
    """A figure of ``/proc/self/status`` in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)


def read(folder: str, data_format: str, path: str, side: int) -> None:
    layer = layer_of(data_format, dtype="uint8", size=(side,) * 3, mag=mag_of(path))
    volume = open_layer(Path(folder), layer)
    blocks = stored_blocks(volume)
    if blocks is not None and blocks.layout.shape.x == 32:
        (block,) = blocks.fetch([(0, 0, 0)])
        if isinstance(block, BlockError):
            raise block.error
        layout = blocks.layout
        decode_payload(block, layout.encoding, layout.decoded_bytes, lambda: blocks.describe((0, 0, 0)))
    box = BoundingBox((0, 0, 0), (32, 32, 32))
    (found,) = volume.read_many([box])  # the way of bricks
    volume.read(box)
    if isinstance(found, WkError):
        raise found


def main() -> None:
    cases = json.load(sys.stdin)
    honest, limit = cases.pop(0), int(sys.argv[1])
    read(**honest)  # starts all threads and loads all libraries
    room = status("VmSize") + limit
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for case in cases:
        Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew
        before = status("VmRSS")
        try:
            read(**case)
            outcome = "read"
        except WkError as error:
            outcome = type(error).__name__
            told = str(error)
        else:
            told = ""
        grown = (status("VmHWM") - before) // MIB
        print(json.dumps({"outcome": outcome, "told": told, "grown": grown}), flush=True)


if __name__ == "__main__":
    main()
