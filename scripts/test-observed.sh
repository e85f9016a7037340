#!/usr/bin/env bash
# Checks and tests the examples of what can be seen from outside, each a package of its own.
set -euo pipefail
cd "$(dirname "$0")/.."

# One for both: most of what they need is the same.
export CARGO_TARGET_DIR=$PWD/target/observed
for example in examples/prometheus examples/opentelemetry; do
    echo "$example"
    (
        cd "$example"
        cargo fmt --check
        cargo clippy --quiet --locked --all-targets -- -D warnings
        # Exporters often bring one; these do without.
        if cargo tree --locked --prefix none --no-dedupe | grep -E '^(tokio|async-std|smol|hyper) '; then
            echo "test-observed: a runtime must not be there" >&2
            exit 1
        fi
        cargo test --quiet --locked
    )
done
