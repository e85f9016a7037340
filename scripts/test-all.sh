#!/usr/bin/env bash
# Everything that CI runs, on a machine that scripts/setup.sh has made ready.
set -euo pipefail
cd "$(dirname "$0")/.."

# The tests start their own server, whatever the caller's environment says.
unset CHROMA_HOST CHROMA_ENDPOINT CHROMA_API_KEY GOOGLE_API_KEY GEMINI_API_KEY

step() {
    echo
    echo "=== $*"
}

step "Format"
cargo fmt --all --check

step "Lints"
cargo clippy --all-targets --all-features -- -D warnings
cargo clippy --all-targets --no-default-features -- -D warnings
cargo clippy --all-targets --no-default-features --features tls -- -D warnings
cargo clippy --all-targets --no-default-features --features gemini -- -D warnings

step "Dependencies"
# crates 60 [option...]: fails when the dependency tree has more crates, or a runtime
crates() {
    local most=$1 tree count
    shift
    tree=$(cargo tree --locked --edges normal --prefix none --no-dedupe "$@" | cut -d ' ' -f 1,2 | sort -u)
    count=$(wc -l <<<"$tree")
    echo "$count crates, at most $most ${*:-(default features)}"
    [ "$count" -le "$most" ]
    if grep -E '^(tokio|async-std|smol|futures|prost|protobuf)' <<<"$tree"; then
        echo "these must not be there" >&2
        return 1
    fi
}
crates 60
crates 31 --no-default-features
crates 45 --no-default-features --features disk-cache
crates 32 --manifest-path examples/build_script/Cargo.toml

if rustup toolchain list 2>/dev/null | grep -q '^1\.85'; then
    step "Oldest Rust"
    CARGO_TARGET_DIR=target/1.85 cargo +1.85 check --locked --all-features
fi

step "Documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --all-features

if docker compose version >/dev/null 2>&1; then
    step "docker-compose.yml"
    docker compose --file docker-compose.yml config --quiet
fi

step "Quickstart"
cargo run --example quickstart

step "A build script"
scripts/test-build-script.sh

step "Tests without default features"
cargo test --no-default-features --lib

step "Tests"
cargo test --all-features

step "Mutated answers"
FUZZ_ANSWERS=200000 cargo test --all-features --lib fuzzing

step "Jobs that are killed fifty times"
INGEST_KILLS=50 cargo test --all-features --test ingest killed -- --nocapture

step "Faults: a hundred seeds"
FAULT_SEEDS=100 cargo test --test faults no_seed -- --nocapture

step "Tests with the oldest server"
# Those that talk to a server of this version; batch jobs, which write much, take it too long.
CHROMA_VERSION=1.0.0 cargo test --test chroma --test faults
