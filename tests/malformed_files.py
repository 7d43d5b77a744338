"""Files that are damaged or hostile, and what must be said of each; ``shared/data/malformed`` has them."""

from __future__ import annotations

MALFORMED = {
    "image-corpus/multipage_single_frame_loop.tiff": "chain of pages loops",
    "image-corpus/multipage_multiple_frame_loop.tiff": "chain of pages loops",
    "image-corpus/truncated_image.png": "truncated_image.png is damaged",
    "lfs-pointer/c1_gray16.czi": "not a CZI file but a Git LFS pointer",
    "zip/slip-relative.zip": "the entry '../../evil.txt' of the ZIP would lie outside",
    "zip/truncated.zip": "truncated.zip",
    "tiff/huge-dims.tif": "promises 2,147,483,647 × 2,147,483,647 pixels in 186 bytes",
    "tiff/truncated-half.ome.tif": "truncated-half.ome.tif is cut or damaged",
    "png/bomb-30000x30000-1bit.png": "30,000 × 30,000 pixels",
    "nifti/dims-32767.nii": "promises 35,181,150,962,015 bytes",
    "dm/truncated.dm3": "truncated.dm3 is cut",
    "zarr2/chunk-zero.zarr": "has chunks [0, 8, 8]",
    "wkw/bad-magic": "header.wkw",
    "properties/layer-name-traversal": "must not begin with a dot nor hold slashes",
    "properties/scale-nan": "is not valid JSON",
}
