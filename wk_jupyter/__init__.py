"""WEBKNOSSOS dataset management inside Jupyter."""

__version__ = "0.1.0"
