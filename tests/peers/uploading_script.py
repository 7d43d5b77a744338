"""Run by the peers' Python: uploads datasets through the official client, says in JSON what it saw."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import webknossos as wk

WORK = Path(sys.argv[3])
BOX = wk.BoundingBox((0, 0, 0), (128, 64, 64))

# The client's own are so large that writing one takes minutes.
SHARDS = {"chunk_shape": (32, 32, 32), "shard_shape": (64, 64, 64)}


def voxels(dtype: str, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 200, BOX.size.to_tuple(), dtype=dtype)


def made(name: str, data_format: str, *, layer_name: str = "color") -> wk.Dataset:
    """A small dataset with a colour layer of two mags, and a segmentation."""
    dataset = wk.Dataset(WORK / name, voxel_size=(4, 4, 40), name=name)
    color = dataset.add_layer(layer_name, "color", dtype="uint8", data_format=data_format, bounding_box=BOX)
    color.add_mag(1, **SHARDS).write(voxels("uint8"), absolute_offset=(0, 0, 0))
    coarse = voxels("uint8")[::2, ::2]
    color.add_mag("2-2-1", **SHARDS).write(coarse, absolute_offset=(0, 0, 0))
    color.default_view_configuration = wk.LayerViewConfiguration(color=(255, 0, 0), intensity_range=(3, 200))
    cells = dataset.add_layer(
        "segmentation", "segmentation", dtype="uint32", data_format=data_format, bounding_box=BOX,
        largest_segment_id=250,
    )  # fmt: skip
    cells.add_mag(1, **SHARDS).write(voxels("uint32", 2), absolute_offset=(0, 0, 0))
    return dataset


def compared(local: wk.Dataset, remote: wk.RemoteDataset) -> dict:
    """What must be equal of a dataset and what became of it."""
    same = {}
    for name, layer in local.layers.items():
        other = remote.get_layer(name)
        same[name] = [
            sorted(map(str, other.mags)) == sorted(map(str, layer.mags)),
            all(np.array_equal(other.get_mag(mag).read(), layer.get_mag(mag).read()) for mag in layer.mags),
            other.bounding_box == layer.bounding_box,
            other.category == layer.category,
            other.dtype == layer.dtype,
            other.data_format == layer.data_format,
            getattr(other, "largest_segment_id", None) == getattr(layer, "largest_segment_id", None),
            other.default_view_configuration == layer.default_view_configuration,
        ]
    return {
        "layers": same,
        "name": remote.name,
        "voxel_size": list(remote.voxel_size),
    }


def http(seen: dict) -> None:
    for data_format in ("wkw", "zarr3"):
        local = made(f"cortex_{data_format}", data_format)
        (local.path / "empty file.txt").touch()
        (local.path / "Notiz ä.txt").write_text("notes")
        seen[f"http_{data_format}"] = compared(local, local.upload())


def linked(seen: dict) -> None:
    """A layer of another dataset comes along by its name."""
    other = made("other", "zarr3").upload()
    local = wk.Dataset(WORK / "with_link", voxel_size=(4, 4, 40), name="with_link")
    layer = local.add_layer("em", "color", dtype="uint8", bounding_box=BOX)
    layer.add_mag(1, **SHARDS).write(voxels("uint8", 5), absolute_offset=(0, 0, 0))
    link = wk.LayerToLink.from_remote_layer(other.get_layer("segmentation"), new_layer_name="borrowed")
    remote = local.upload(layers_to_link=[link])
    wanted = other.get_layer("segmentation").get_mag("1").read()
    seen["linked"] = [
        sorted(remote.layers),
        bool(np.array_equal(remote.get_layer("borrowed").get_mag("1").read(), wanted)),
    ]


def folder(seen: dict) -> None:
    root = wk.RemoteFolder.get_root()
    place = root.add_subfolder("uploads")
    remote = made("in_a_folder", "zarr3").upload(folder=place, new_dataset_name="other_name")
    seen["folder"] = [remote.name, remote.folder.name]


MODES = ("HTTP", "COPY", "MOVE_AND_SYMLINK", "SYMLINK")


def mags(seen: dict) -> None:
    """A mag is added to a layer, in each way."""
    seen["mags"] = {}
    for data_format in ("wkw", "zarr3"):
        target = made(f"target_{data_format}", data_format).upload()
        for number, mode in enumerate(MODES):
            coarse = wk.Mag((4 << number, 4 << number, 2 << number))
            name = f"source_{data_format}_{mode}"
            source = wk.Dataset(WORK / name, voxel_size=(4, 4, 40), name=name)
            layer = source.add_layer(
                "color", "color", dtype="uint8", data_format=data_format, bounding_box=BOX
            )
            shape = (BOX.size // coarse.to_vec3_int()).to_tuple()
            values = np.random.default_rng(number).integers(1, 200, shape, dtype="uint8")
            mag = layer.add_mag(coarse, **SHARDS)
            mag.write(values, absolute_offset=(0, 0, 0))
            target.get_layer("color").add_mag_as_copy(mag, transfer_mode=wk.TransferMode[mode])
            again = wk.RemoteDataset.open(dataset_id=target.dataset_id).get_layer("color")
            is_equal = np.array_equal(again.get_mag(coarse).read()[0], values)
            source_stays = np.array_equal(mag.read()[0], values)
            seen["mags"][f"{data_format} {mode}"] = [bool(is_equal), bool(source_stays)]


def paths(seen: dict) -> None:
    """Whole datasets are put on the server's disk, in each way."""
    seen["paths"] = {}
    for data_format in ("wkw", "zarr3"):
        for mode in MODES[1:]:
            local = made(f"path_{data_format}_{mode}", data_format)
            remote = local.upload(transfer_mode=wk.TransferMode[mode])
            seen["paths"][f"{data_format} {mode}"] = compared(local, remote)["layers"]


def attachments(seen: dict) -> None:
    """Attachments that are folders, and some that are files, in each way."""
    from webknossos.dataset.layer.segmentation_layer.attachments import AgglomerateAttachment, MeshAttachment
    from webknossos.dataset_properties.dataset_properties import AttachmentDataFormat as Format

    target = made("attached", "zarr3").upload()
    wanted = []
    for mode in MODES:
        folder = WORK / "attachments" / f"agglomerate_{mode}"
        folder.mkdir(parents=True)
        (folder / "zarr.json").write_text("{}")
        mesh = WORK / "attachments" / f"mesh_{mode}.hdf5"
        mesh.write_bytes(b"not a mesh, but a file")
        for attachment in (
            AgglomerateAttachment.from_path_and_name(folder, f"a_{mode}", data_format=Format.Zarr3),
            MeshAttachment.from_path_and_name(mesh, f"m_{mode}", data_format=Format.HDF5),
        ):
            layer = wk.RemoteDataset.open(dataset_id=target.dataset_id).get_segmentation_layer("segmentation")
            layer.attachments.add_attachment_as_copy(attachment, transfer_mode=wk.TransferMode[mode])
            wanted.append(attachment.name)
    layer = wk.RemoteDataset.open(dataset_id=target.dataset_id).get_segmentation_layer("segmentation")
    found = [each.name for each in (*layer.attachments.agglomerates, *layer.attachments.meshes)]
    seen["attachments"] = [sorted(found), sorted(wanted)]


def main() -> None:
    seen: dict[str, object] = {}
    wanted = sys.argv[4:]
    with wk.webknossos_context(url=sys.argv[1], token=sys.argv[2]):
        for part in (http, linked, folder, mags, paths, attachments):
            if not wanted or part.__name__ in wanted:
                part(seen)
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
