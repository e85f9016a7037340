#!/usr/bin/env bash
# Installs Chroma's Python client, and the model of its default function, into the cache folder, once. Prints two lines: the
# command of the shell that runs Python with both, to be followed by a script; and the folder of the model.
#
# Exits with 3 if this machine cannot have them (no Python 3.11, no pip, or PyPI cannot be reached), and with 1 after another
# failure. Standard error says why.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/clients.sh

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "Chroma's Python client with tests/clients/requirements.txt needs Python 3.11 or newer; set PYTHON" >&2
    exit $not_here
fi
packages=$(from_pypi tests/clients/requirements.txt)
home=$("$python" -B tests/data/minilm/build.py)
# HOME is the model's, and a program that chooses among versions of Python could depend on it.
executable=$("$python" -c 'import sys; print(sys.executable)')
# Without -S, other packages of this machine could take their place.
echo "env HOME='$home' PYTHONPATH='$packages' '$executable' -S -B -W ignore"
echo "$home/.cache/chroma/onnx_models/all-MiniLM-L6-v2/onnx"
