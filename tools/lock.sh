#!/bin/sh
# Write requirements.lock from pyproject.toml: every extra and every group, for all platforms, with hashes.
# Pins that still hold stay; `make lock UPGRADE=1` takes the newest of everything.
set -eu
cd "$(dirname "$0")/.."
uv=uv
if ! $uv --version >/dev/null 2>&1; then
    .venv/bin/python -m pip install --quiet uv
    uv=.venv/bin/uv
fi
$uv pip compile pyproject.toml --quiet ${UPGRADE:+--upgrade} \
    --universal --python-version 3.11 --all-extras --group dev --generate-hashes \
    --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
    --output-file requirements.lock
if grep -n '://' requirements.lock; then
    echo "lock: a pin names an address; locks name versions and hashes only" >&2
    exit 1
fi
