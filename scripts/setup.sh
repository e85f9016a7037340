#!/usr/bin/env bash
# Prepares a fresh machine: checks the tools, makes .env, installs the Chroma server that examples and tests start.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "setup: $*" >&2
    exit 1
}

# at_least 1.85 1.95.0
at_least() {
    [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]
}

command -v cargo >/dev/null || fail "no cargo; install Rust from https://rustup.rs"
rust=$(rustc --version | cut -d ' ' -f 2)
at_least 1.85 "$rust" || fail "Rust $rust is too old; run: rustup update"
echo "setup: Rust $rust"

for tool in fmt clippy; do
    cargo "$tool" --version >/dev/null 2>&1 || fail "no cargo $tool; run: rustup component add rustfmt clippy"
done

python=${PYTHON:-python3}
command -v "$python" >/dev/null || fail "no $python; install Python 3.9 or newer, with pip"
version=$("$python" -c 'import platform; print(platform.python_version())')
at_least 3.9 "$version" || fail "Python $version is too old; install 3.9 or newer, or set PYTHON"
"$python" -m pip --version >/dev/null 2>&1 ||
    fail "no pip for $python; install python3-pip, or run: $python -m ensurepip"
echo "setup: Python $version with pip"

if [ ! -e .env ]; then
    cp .env.example .env
    echo "setup: made .env, with every setting commented out"
fi

cargo run --quiet --example install_server
