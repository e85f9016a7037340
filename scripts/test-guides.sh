#!/usr/bin/env bash
# Runs the programs and calls of the other clients in docs/from-*.md against a real server, and checks that they print what
# the guides say. `cargo test` checks the quotes and this crate's own programs.
#
# Skips, with a message, a client that this machine cannot install or build.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$PWD/target/guides
python=${PYTHON:-python3}
mkdir -p "$folder"

skip() {
    echo "test-guides: skipped: $*"
}

# prints_the_same COMMAND: runs it against a new server
prints_the_same() {
    echo "$1"
    GUIDE_PROGRAM=$1 cargo test --quiet --test documentation -- --ignored --exact guides::another_program_prints_the_expected_output
}

# from_pypi NAME PACKAGE: installs it into a folder of this name, once; fails if PyPI cannot be reached
from_pypi() {
    local to=$folder/$1 words
    [ ! -d "$to" ] || return 0
    rm -rf "$to.new"
    if words=$("$python" -m pip install --quiet --only-binary :all: --retries 2 --target "$to.new" "$2" 2>&1); then
        mv "$to.new" "$to"
    elif grep -qE 'connection broken by|Max retries exceeded' <<<"$words"; then
        return 1
    else
        echo "test-guides: $words" >&2
        exit 1
    fi
}

echo "Chroma's Python client"
if from_pypi chromadb-client-1.5.9 chromadb-client==1.5.9; then
    run="PYTHONPATH='$folder/chromadb-client-1.5.9' '$python' tests/documentation"
    # The calls print nothing, and fail if one of them does.
    prints_the_same "$run/calls.py && $run/program.py"
else
    skip "PyPI cannot be reached"
fi

# crate NAME: builds and runs its examples in benches/peers
crate() {
    echo "The crate $1, whose build takes minutes"
    CARGO_TARGET_DIR=$folder/peers CARGO_PROFILE_DEV_DEBUG=0 cargo build --quiet \
        --manifest-path benches/peers/Cargo.toml --no-default-features --features "$1" --examples
    prints_the_same "'$folder/peers/debug/examples/$1_guide'"
}

# The official crate needs protoc to build. PyPI has one as a Python module.
if [ -z "${PROTOC:-}" ] && ! command -v protoc >/dev/null && from_pypi grpcio-tools grpcio-tools; then
    export PROTOC=$folder/protoc
    printf '%s\n' '#!/bin/sh' \
        "PYTHONPATH='$folder/grpcio-tools' exec '$python' -m grpc_tools.protoc \"\$@\"" >"$PROTOC"
    chmod +x "$PROTOC"
fi
if [ -n "${PROTOC:-}" ] || command -v protoc >/dev/null; then
    crate official
else
    skip "the official crate: no protoc, and PyPI cannot be reached"
fi

if [ "$(uname)" = Linux ] && ! pkg-config --exists openssl 2>/dev/null; then
    skip "the crate chromadb: no headers of OpenSSL (Debian: apt-get install pkg-config libssl-dev)"
else
    crate chromadb
fi
