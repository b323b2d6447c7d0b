#!/bin/sh
# Builds the wheel, installs it alone into a new environment, leaves the checkout, and uses the command.
set -eu
python=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$python" -m pip wheel --quiet --no-deps --wheel-dir "$scratch/wheels" .
"$python" -m venv "$scratch/venv"
"$scratch/venv/bin/python" -m pip install --quiet --constraint constraints.txt "$scratch"/wheels/splitmount-*.whl
cd /
"$scratch/venv/bin/splitmount" --version
"$scratch/venv/bin/splitmount" --help > "$scratch/help"
grep -q restore-files "$scratch/help"
printf 'hosts:\n  a: {os: linux, adress: 127.0.0.1}\n' > "$scratch/bad.yaml"
status=0
"$scratch/venv/bin/splitmount" --config "$scratch/bad.yaml" inspect 2> "$scratch/error" || status=$?
cat "$scratch/error"
test "$status" -eq 2
grep -q 'bad.yaml:2' "$scratch/error"
"$scratch/venv/bin/python" -c 'import tui.app, importlib.resources as r; assert (r.files("tui") / "app.tcss").is_file()'
echo "wheel: works from another directory"
