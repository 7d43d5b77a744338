#!/bin/sh
# JupyterLab on the quickstart notebook, with the data directory $1; what follows goes to JupyterLab.
set -eu
data=$(realpath "$1")
shift
if [ "$(id -u)" = 0 ]; then
    set -- --allow-root "$@"
fi
# The token is in the address that JupyterLab prints and opens; stop it with Ctrl-C.
WK_JUPYTER_DATA_DIR=$data PATH="$PWD/.venv/bin:$PATH" exec .venv/bin/jupyter lab "$@" notebooks/01_quickstart.ipynb
