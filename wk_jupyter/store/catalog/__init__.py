"""What is known of datasets beside their voxels: SQLAlchemy tables, their migrations, one module a noun."""
