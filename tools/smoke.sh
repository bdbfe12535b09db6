#!/bin/sh
# What a user gets: build the wheel, install it with plain pip away from the checkout, run a job, add the extras.
set -eu
checkout=$(cd "$(dirname "$0")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV IRIS_CONFIG
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
cd "$scratch"

say() { printf 'smoke: %s\n' "$*"; }

"$checkout/.venv/bin/python" -m venv env
python=env/bin/python

say "build the wheel"
$python -m pip wheel --quiet --no-deps --wheel-dir dist "$checkout"
$python "$checkout/tools/wheel.py" dist/*.whl

say "install it"
$python -m pip install --quiet dist/*.whl
$python -m pip check
say "iris --help"
env/bin/iris --help
say "iris plugins"
env/bin/iris plugins
say "run a job"
cp "$checkout/tools/smoke.py" .
$python smoke.py

say "add the extras"
$python -m pip install --quiet "$checkout[docker,gcp]"
$python -m pip check
$python -c 'import docker, google.cloud.compute_v1'
$python smoke.py

say "install a third party's plugins, run their rules"
$python -m pip install --quiet "$checkout[testing]" "$checkout/plugins/iris-example[test]"
$python -m pip check
env/bin/iris plugin check mem
env/bin/iris plugin check file

say "write a plugin, install it, run its tests"
env/bin/iris plugin new demo --kind platform
$python -m pip install --quiet "$checkout[testing]" './iris-demo[test]'
$python -m pytest -q iris-demo/tests
env/bin/iris plugin check demo
