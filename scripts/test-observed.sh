#!/usr/bin/env bash
# Checks and tests the examples of observability, each of which is a separate package.
set -euo pipefail
cd "$(dirname "$0")/.."

# They share a target folder, since they share most dependencies.
export CARGO_TARGET_DIR=$PWD/target/observed
for example in examples/prometheus examples/opentelemetry; do
    echo "$example"
    (
        cd "$example"
        cargo fmt --check
        cargo clippy --quiet --locked --all-targets -- -D warnings
        # Many exporters need a runtime; these must not.
        if cargo tree --locked --prefix none --no-dedupe | grep -E '^(tokio|async-std|smol|hyper) '; then
            echo "test-observed: this example must not depend on an async runtime" >&2
            exit 1
        fi
        cargo test --quiet --locked
    )
done
