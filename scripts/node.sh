#!/bin/sh
# Node 20 or newer builds the JavaScript; a released wheel has it built and needs none.
set -eu
version=$(node --version 2>/dev/null || echo none)
major=$(echo "$version" | sed 's/^v\([0-9]*\).*/\1/')
if [ "$version" = none ] || [ "$major" -lt 20 ] || ! command -v npm >/dev/null; then
    echo "Node 20 or newer with npm is needed to build the JavaScript. Found: $version" >&2
    echo "See https://nodejs.org/en/download, or on Debian: apt-get install nodejs npm" >&2
    exit 1
fi
