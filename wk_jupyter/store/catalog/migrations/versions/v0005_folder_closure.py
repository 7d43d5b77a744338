"""Which folders lie above which, a row each, so that lists need not climb; tags in an index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# UNION, not UNION ALL: it ends even if somebody made a circle by hand.
_CLIMB = """
INSERT INTO folder_ancestors (folder_id, ancestor_id)
WITH RECURSIVE chain (folder_id, ancestor_id, next_id) AS (
    SELECT id, id, parent_id FROM folders
    UNION
    SELECT chain.folder_id, folders.id, folders.parent_id
    FROM folders JOIN chain ON folders.id = chain.next_id
)
SELECT folder_id, ancestor_id FROM chain
"""


def upgrade() -> None:
    op.create_table(
        "folder_ancestors",
        _folder("folder_id"),
        _folder("ancestor_id"),
        sa.PrimaryKeyConstraint("folder_id", "ancestor_id", name="pk_folder_ancestors"),
    )
    op.create_index(
        "ix_folder_ancestors_ancestor_id_folder_id", "folder_ancestors", ["ancestor_id", "folder_id"]
    )
    op.execute(sa.text(_CLIMB))
    op.drop_index("ix_dataset_tags_tag", "dataset_tags")
    op.create_index("ix_dataset_tags_tag_dataset_id", "dataset_tags", ["tag", "dataset_id"])


def downgrade() -> None:
    op.drop_index("ix_dataset_tags_tag_dataset_id", "dataset_tags")
    op.create_index("ix_dataset_tags_tag", "dataset_tags", ["tag"])
    op.drop_table("folder_ancestors")


def _folder(name: str) -> sa.Column[str]:
    key = sa.ForeignKey("folders.id", name=f"fk_folder_ancestors_{name}_folders", ondelete="CASCADE")
    return sa.Column(name, sa.String(24), key, nullable=False)
