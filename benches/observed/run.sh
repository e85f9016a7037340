#!/usr/bin/env bash
# Builds the program `query` with each set of features, and of the library as it was before it counted
# anything, and measures them: benches/observed/run.sh [--quick]
set -euo pipefail
cd "$(dirname "$0")"

# The last commit before there were metrics.
before=fd34a74

build() { # build NAME [cargo option...]
    local name=$1
    shift
    echo "building: $name" >&2
    cargo build --quiet --release --bin query "$@"
    cp target/release/query "target/query-$name"
}

build plain
build metrics --features metrics
build opentelemetry --features opentelemetry
build both --features metrics,opentelemetry

# This package with the old library, which has no such features.
rm -rf target/before
mkdir -p target/before
git -C ../.. archive "$before" | tar -xf - -C target/before
mkdir -p target/before/benches/observed
cp -r Cargo.lock src target/before/benches/observed
sed 's|"chroma-blocking/[a-z]*", ||' Cargo.toml >target/before/benches/observed/Cargo.toml
export CARGO_TARGET_DIR=$PWD/target
(cd target/before/benches/observed && cargo build --quiet --release --bin query)
cp target/release/query target/query-before

cargo run --quiet --release --bin observed -- target "$@"
