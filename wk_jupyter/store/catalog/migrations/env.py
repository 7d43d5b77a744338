"""Run by Alembic with an open connection; see ``database.upgrade``."""

from __future__ import annotations

from alembic import context

from wk_jupyter.store.catalog.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
