#!/usr/bin/env bash
# Installs the tools that only CI needs, in addition to those of scripts/setup.sh. Without them scripts/test-all.sh leaves
# out some checks, and says which. cargo-deny takes three minutes to build on two cores, once.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo install --locked --version 0.20.2 cargo-deny

oldest=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
rustup toolchain install "$oldest" --profile minimal --no-self-update ||
    echo "install-tools: no Rust $oldest is to be had, so nothing is compiled with it"
