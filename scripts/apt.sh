#!/bin/sh
# Install Debian packages, as root or through sudo, or say which command to run.
set -eu
if [ "$(id -u)" = 0 ]; then
    as_root=
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=sudo
else
    echo "These Debian packages are missing: $*" >&2
    echo "Please run: sudo apt-get update && sudo apt-get install -y $*" >&2
    exit 1
fi
if ! command -v apt-get >/dev/null; then
    echo "Please install what Debian calls: $*" >&2
    exit 1
fi
echo "Installing Debian packages: $*"
$as_root apt-get -qq update
DEBIAN_FRONTEND=noninteractive $as_root apt-get -qq install -y --no-install-recommends "$@" >/dev/null
