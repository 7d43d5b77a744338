from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wk_jupyter.geometry import BoundingBox, Vec3Int
from wk_jupyter.server_ext.pieces import pieces

vectors = st.tuples(*(st.integers(1, 9),) * 3)


@given(
    corner=st.tuples(*(st.integers(-20, 20),) * 3),
    size=vectors,
    align=vectors,
    limit=st.integers(1, 400),
    voxel_bytes=st.sampled_from([1, 2, 3, 8]),
)
def test_pieces_are_the_box_in_its_own_order(corner, size, align, limit, voxel_bytes):
    box = BoundingBox(corner, size)
    found = list(pieces(box, voxel_bytes=voxel_bytes, limit=limit, align=Vec3Int(*align)))
    visited = [
        (x, y, z)
        for piece in found
        for z in range(piece.topleft.z, piece.bottomright.z)
        for y in range(piece.topleft.y, piece.bottomright.y)
        for x in range(piece.topleft.x, piece.bottomright.x)
    ]
    x0, y0, z0 = box.topleft
    x1, y1, z1 = box.bottomright
    assert visited == [(x, y, z) for z in range(z0, z1) for y in range(y0, y1) for x in range(x0, x1)]
    assert all(piece.volume <= max(1, limit // voxel_bytes) for piece in found)


def test_slabs_end_where_stored_chunks_end():
    box = BoundingBox((0, 0, 10), (4, 4, 90))
    found = list(pieces(box, voxel_bytes=1, limit=16 * 40, align=Vec3Int(32, 32, 32)))
    assert [piece.bottomright.z for piece in found] == [32, 64, 100]
