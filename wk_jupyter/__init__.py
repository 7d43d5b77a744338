"""WEBKNOSSOS dataset management inside Jupyter."""

__version__ = "0.1.0"


def _jupyter_server_extension_points() -> list[dict[str, object]]:
    """Called by Jupyter servers alone; the import would slow down kernels."""
    from wk_jupyter.server_ext.app import jupyter_server_extension_points  # noqa: PLC0415

    return jupyter_server_extension_points()
