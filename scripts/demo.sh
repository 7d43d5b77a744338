#!/bin/sh
# JupyterLab on the quickstart notebook, with the data directory $1; what follows goes to JupyterLab.
set -eu
data=$(realpath "$1")
shift
if [ "$(id -u)" = 0 ]; then
    set -- --allow-root "$@"
fi
notebook=notebooks/01_quickstart.ipynb
# The address that is printed, and opened where there is a browser, leads to the notebook. Ctrl-C stops it.
WK_JUPYTER_DATA_DIR=$data PATH="$PWD/.venv/bin:$PATH" exec .venv/bin/jupyter lab \
    --ServerApp.root_dir="$PWD" --LabApp.default_url="/lab/tree/$notebook" "$@"
