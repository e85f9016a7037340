#!/usr/bin/env bash
# What CI checks with beside the tools of scripts/setup.sh. Others need none of it: scripts/test-all.sh says what it leaves
# out. cargo-deny takes three minutes to build on two cores, once.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo install --locked --version 0.20.2 cargo-deny

oldest=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
rustup toolchain install "$oldest" --profile minimal --no-self-update ||
    echo "install-tools: no Rust $oldest is to be had, so nothing is compiled with it"
