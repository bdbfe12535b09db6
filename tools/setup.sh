#!/bin/sh
# Make .venv with what requirements.lock pins, and the checkout installed into it.
# Needs Python 3.11 or later; takes uv if that is on PATH, else the standard venv and pip.
set -eu
cd "$(dirname "$0")/.."
venv=.venv
python="$venv/bin/python"
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV

say() { printf 'setup: %s\n' "$*" >&2; }
suits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
works() { "$1" --version >/dev/null 2>&1; } # a version manager's shim may exist and still run nothing

find_python() {
    for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3.14 python3 python}; do
        if suits "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    say "no Python 3.11 or later found${PYTHON:+ in PYTHON=$PYTHON}; install python3.11, or name one: make PYTHON=/path/to/python3.11"
    return 1
}

# Two builds of one checkout at a time would write the same environment.
if command -v flock >/dev/null 2>&1; then
    exec 9<"$0"
    flock 9
fi

if ! suits "$python"; then
    base=$(find_python)
    say "making $venv with $("$base" --version)"
    rm -rf "$venv"
    if works uv; then
        uv venv --quiet --no-project --python "$base" "$venv"
    elif ! "$base" -m venv "$venv"; then
        rm -rf "$venv"
        say "$base cannot make virtual environments; on Debian and Ubuntu install python3-venv"
        exit 1
    fi
fi

if works uv; then
    say "installing what requirements.lock pins, with uv"
    export UV_PYTHON="$python"
    uv pip install --quiet --require-hashes -r requirements.lock
    uv pip install --quiet --no-deps --no-build-isolation -e .
    uv pip check --quiet
else
    say "installing what requirements.lock pins, with pip"
    "$python" -m pip --version >/dev/null 2>&1 || "$python" -m ensurepip --upgrade >/dev/null
    export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
    "$python" -m pip install --quiet --require-hashes -r requirements.lock
    "$python" -m pip install --quiet --no-deps --no-build-isolation -e .
    "$python" -m pip check >/dev/null || "$python" -m pip check
fi
touch "$venv/.ready"
