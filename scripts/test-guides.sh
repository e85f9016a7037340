#!/usr/bin/env bash
# Runs the programs and calls of the other clients in docs/from-*.md on a real server; the programs print what the guides
# say. What is ours in the guides, and the quotes, `cargo test` checks.
#
# What cannot be had on this machine (PyPI, or what the other crates build with) is said, and passed over.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$PWD/target/guides
python=${PYTHON:-python3}
mkdir -p "$folder"

skip() {
    echo "test-guides: skipped: $*"
}

# prints_the_same COMMAND: on a new server
prints_the_same() {
    echo "$1"
    GUIDE_PROGRAM=$1 cargo test --quiet --test guides -- --ignored --exact another_program_prints_the_same
}

# from_pypi NAME PACKAGE: installs it into a folder of this name, once; false where PyPI cannot be reached
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
    run="PYTHONPATH='$folder/chromadb-client-1.5.9' '$python' tests/guides"
    # The calls print nothing, and fail if one of them does.
    prints_the_same "$run/calls.py && $run/program.py"
else
    skip "PyPI cannot be reached"
fi

# crate NAME: its examples in benches/peers
crate() {
    echo "The crate $1, whose build takes minutes"
    CARGO_TARGET_DIR=$folder/peers CARGO_PROFILE_DEV_DEBUG=0 cargo build --quiet \
        --manifest-path benches/peers/Cargo.toml --no-default-features --features "$1" --examples
    prints_the_same "'$folder/peers/debug/examples/$1_guide'"
}

# The official crate builds with protoc. There is one on PyPI, as a module of Python.
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
