"""Converts as others do, run by their Python: client-zarr3, client-wkw or ngff-zarr, SRC, DST, category."""

from __future__ import annotations

import sys
from pathlib import Path

VOXEL_SIZE = (11.24, 11.24, 28.0)
FACTORS = (2, 4, 8, 16)
WORKERS = 2


def official_client(source: Path, target: Path, category: str, data_format: str) -> None:
    import webknossos as wk
    from cluster_tools import get_executor

    with get_executor("multiprocessing", max_workers=WORKERS) as executor:
        dataset = wk.Dataset.from_images(
            source,
            target,
            voxel_size=VOXEL_SIZE,
            name="stack",
            data_format=data_format,
            layer_category=category,
            layer_name="layer",
            compress=True,
            executor=executor,
        )
        dataset.downsample(executor=executor)


def ngff_zarr(source: Path, target: Path, category: str) -> None:
    """Its mags, written by zarr-python: what it writes with itself does not fit its releases of today."""
    import dask
    import dask.array as da
    import ngff_zarr as nz
    import tifffile
    import zarr

    paths = sorted(source.glob("*.tif"))
    first = tifffile.imread(paths[0])
    sections = [
        da.from_delayed(dask.delayed(tifffile.imread)(path), first.shape, first.dtype) for path in paths
    ]
    scale = dict(zip("xyz", VOXEL_SIZE, strict=True))
    image = nz.to_ngff_image(da.stack(sections), dims=("z", "y", "x"), scale=scale)
    is_labels = category == "segmentation"
    method = nz.Methods.DASK_IMAGE_NEAREST if is_labels else nz.Methods.DASK_BIN_SHRINK
    scales = nz.to_multiscales(image, scale_factors=list(FACTORS), method=method, chunks=128)
    arrays = [
        zarr.create_array(
            str(target / f"scale{number}"), shape=mag.data.shape, chunks=(128, 128, 128), dtype=mag.data.dtype
        )
        for number, mag in enumerate(scales.images)
    ]
    with dask.config.set(scheduler="threads", num_workers=WORKERS):
        da.store([mag.data.rechunk((128, 128, 128)) for mag in scales.images], arrays, lock=False)


def main() -> None:
    tool, source, target, category = sys.argv[1:]
    if tool == "ngff-zarr":
        ngff_zarr(Path(source), Path(target), category)
    else:
        official_client(Path(source), Path(target), category, tool.removeprefix("client-"))


if __name__ == "__main__":
    main()
