#!/bin/sh
# A browser for the tests. Playwright drives Debian's own Chromium: nothing else is downloaded.
set -eu
for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then
        exit 0
    fi
done
scripts/apt.sh chromium
