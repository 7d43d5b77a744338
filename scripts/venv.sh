#!/bin/sh
# A virtual environment at $2, made by the Python $1. Debian splits venv off into a package of its own.
set -eu
python=$1
target=$2

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "Python 3.11 or newer is needed. Found: $("$python" --version 2>&1 || true)" >&2
    echo "Name another one so: make PYTHON=/path/to/python3 …" >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    scripts/apt.sh python3-venv
fi
"$python" -m venv "$target"
