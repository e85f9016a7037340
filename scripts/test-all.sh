#!/usr/bin/env bash
# Runs everything that CI runs, on a machine that scripts/setup.sh has prepared.
set -euo pipefail
cd "$(dirname "$0")/.."

# The tests start their own server and use their own model, whatever the caller's environment says.
unset CHROMA_HOST CHROMA_PORT CHROMA_ENDPOINT CHROMA_API_KEY CHROMA_ONNX_MODEL GOOGLE_API_KEY GEMINI_API_KEY

features=$(sed -n '/^\[features\]/,/^$/s/^\([a-z0-9-]*\) = .*/\1/p' Cargo.toml | grep -v '^default$')
oldest=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
# Only this feature needs a newer Rust than the crate does; Cargo.toml says which.
newer_feature=onnx
newer=$(sed -n 's/^# .* Needs Rust \([0-9.]*\),.*/\1/p' Cargo.toml)
without_newer=$(grep -vx "$newer_feature" <<<"$features" | paste -sd , -)

step() {
    echo
    echo "=== $*"
}

step "Format"
cargo fmt --all --check

step "Layers"
scripts/check-layers.sh

step "Examples in docs fit their column"
# Wider ones have a scroll bar on docs.rs. Hidden lines, which begin with "# ", do not count.
wide=$(find src -name '*.rs' -exec awk '
    { line = $0; docs = sub(/^ *\/\/[\/!] ?/, "", line) }
    !docs { code = 0 }
    docs && line ~ /^ *```/ { code = !code; next }
    docs && code && length(line) > 80 && line !~ /^# / { print FILENAME ":" FNR ": " length(line) " columns" }
' {} +)
wide+=$(awk '
    /^```/ { code = !code }
    code && length > 80 && !/^# / { print FILENAME ":" FNR ": " length " columns" }
' docs/manual.md)
[ -z "$wide" ] || {
    printf 'at most 80 columns:\n%s\n' "$wide" >&2
    exit 1
}

step "Lints"
cargo clippy --all-targets --all-features -- -D warnings
cargo clippy --all-targets --no-default-features -- -D warnings
for feature in $features; do
    echo "$feature"
    cargo clippy --all-targets --no-default-features --features "$feature" -- -D warnings
done

step "Dependencies"
# crates 50 [option...]: fails if the dependency tree has more crates, or an async runtime
crates() {
    local most=$1 tree count
    shift
    tree=$(cargo tree --locked --edges normal --prefix none --no-dedupe "$@" | cut -d ' ' -f 1,2 | sort -u)
    count=$(wc -l <<<"$tree")
    echo "$count crates, at most $most ${*:-(default features)}"
    [ "$count" -le "$most" ]
    if grep -E '^(tokio|async-std|smol|futures|prost|protobuf)' <<<"$tree"; then
        echo "the dependency tree must not contain these" >&2
        return 1
    fi
}
crates 50
crates 31 --no-default-features
crates 45 --no-default-features --features disk-cache
crates 42 --no-default-features --features transfer
# The program: arguments, completions, progress bars, a log.
crates 90 --features cli
crates 70 --no-default-features --features onnx
crates 32 --manifest-path examples/build_script/Cargo.toml

# A build waits for procedural macros, so their number is limited.
macros=$(cargo tree --locked --edges normal --prefix none --no-dedupe |
    sed -n 's/ v.* (proc-macro).*//p' | sort -u | xargs)
allowed='serde_derive thiserror-impl'
echo "procedural macros: $macros; allowed: $allowed"
[ "$macros" = "$allowed" ]

# needs_at_most RUST [option...]: fails if a package needs a newer Rust, also one that only tests and examples use
needs_at_most() {
    local most=$1
    shift
    cargo metadata --locked --format-version 1 "$@" | "${PYTHON:-python3}" -c '
import json, sys
def version(text):
    return [int(part) for part in text.split(".")]
newer = [
    "{name} {version} needs Rust {rust_version}".format(**package)
    for package in json.load(sys.stdin)["packages"]
    if version(package["rust_version"] or "1.0") > version(sys.argv[1] + ".0")
]
sys.exit("\n".join(newer) or 0)
' "$most"
    echo "no dependency needs a newer Rust than $most: $*"
}
needs_at_most "$oldest" --features "$without_newer"
needs_at_most "$newer" --all-features

step "Licences, duplicates, sources, advisories"
if cargo deny --version >/dev/null 2>&1; then
    cargo deny --locked check bans licenses sources
    if cargo deny fetch db 2>/dev/null; then
        cargo deny --locked check advisories
    else
        echo "skipped: advisories; the database cannot be downloaded"
    fi
else
    echo "skipped: cargo-deny is missing; run scripts/install-tools.sh"
fi

step "Oldest Rust"
if rustup toolchain list 2>/dev/null | grep -q "^$oldest"; then
    CARGO_TARGET_DIR=target/$oldest cargo "+$oldest" check --locked --features "$without_newer"
    CARGO_TARGET_DIR=target/$oldest cargo "+$oldest" check --locked --no-default-features
else
    echo "skipped: Rust $oldest is missing; run scripts/install-tools.sh"
fi

step "Documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --all-features

if docker compose version >/dev/null 2>&1; then
    step "docker-compose.yml"
    docker compose --file docker-compose.yml config --quiet
fi

step "Quickstart"
cargo run --example quickstart

step "The package"
scripts/test-package.sh

step "A build script"
scripts/test-build-script.sh

step "Examples of observability"
scripts/test-observed.sh

step "Tests without default features"
cargo test --no-default-features --lib

step "Tests with default features"
# Compiles all of them; runs those that finish soon. The last step runs others.
cargo test --no-run
cargo test --lib --test documentation --test observability --test stand_ins --test troubleshooting
cargo test --doc

step "Tests"
cargo test --all-features

step "Mutated answers"
FUZZ_ANSWERS=200000 cargo test --all-features --lib fuzzing

step "A job that is killed fifty times"
INGEST_KILLS=50 cargo test --all-features --test ingest killed -- --nocapture

step "Faults: a hundred seeds"
FAULT_SEEDS=100 cargo test --test faults no_seed -- --nocapture

step "Guides"
scripts/test-guides.sh

step "Chroma's other clients"
scripts/test-clients.sh

step "Tests with the oldest server"
# Only the programs that talk to this version. It is too slow for batch jobs.
CHROMA_VERSION=1.0.0 cargo test --test chroma --test faults
