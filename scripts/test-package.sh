#!/usr/bin/env bash
# Checks the crate as it would be published: its files, its build, and a program that depends on it.
set -euo pipefail
cd "$(dirname "$0")/.."
repository=$PWD
oldest=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

# The largest size, in KiB, compressed. Before the program and the transfers it was 780, and 870 with them; hybrid
# search and rerankers take the rest.
most=930
files='src/.*\.(rs|py|sh)|examples/[a-z_/]+\.(rs|jsonl)|docs/[a-z-]+\.md|\.env\.example'
files+='|(README|CHANGELOG|SECURITY)\.md|LICENSE-(MIT|APACHE)|Cargo\.(lock|toml|toml\.orig)|\.cargo_vcs_info\.json'
# Crates that only tests, examples and benchmarks use.
ours='allocation-counter|cpu-time|ctrlc|dotenvy|env_logger|indicatif'

fail() {
    echo "test-package: $*" >&2
    exit 1
}

# Reuses what is compiled for the repository.
export CARGO_TARGET_DIR=$repository/target
version=$(cargo pkgid --locked | sed 's/.*[#@]//')
package=$CARGO_TARGET_DIR/package/chroma-blocking-$version
rm -rf "$package" "$package.crate"

echo "The package builds, without a warning"
words=$(cargo package --locked --allow-dirty 2>&1) || fail "$words"
# The package leaves out tests and benchmarks on purpose.
if grep '^warning' <<<"$words" | grep -vE 'ignoring .* as `(tests|benches)/.* is not included'; then
    fail "see above"
fi

list=$(tar -tzf "$package.crate" | cut -d / -f 2-)
if grep -vE "^($files)\$" <<<"$list"; then
    fail "the package must not contain the files above"
fi
kib=$(($(wc -c <"$package.crate") / 1024))
echo "$(wc -l <<<"$list") files, $kib KiB, at most $most"
[ "$kib" -le "$most" ] || fail "the package is larger than $most KiB"

cd "$package"
echo "Its examples compile"
cargo check --quiet --locked --all-features --examples
echo "Its documentation builds"
RUSTDOCFLAGS="-D warnings" cargo doc --quiet --locked --all-features --no-deps
echo "Its unit tests pass"
cargo test --quiet --locked --all-features --lib

downstream=$CARGO_TARGET_DIR/package/downstream
for features in 'default-features = false' 'default-features = true'; do
    echo "A program with $features"
    rm -rf "$downstream"
    mkdir -p "$downstream/src"
    cd "$downstream"
    printf '%s\n' '[package]' 'name = "downstream"' 'edition = "2024"' '[workspace]' '[dependencies]' \
        "chroma-blocking = { path = \"$package\", $features }" >Cargo.toml
    printf '%s\n' 'fn main() -> chroma_blocking::Result<()> {' \
        '    println!("{}", chroma_blocking::Client::new("http://localhost:8000")?.heartbeat()?);' '    Ok(())' '}' \
        >src/main.rs
    # The same versions; Cargo removes entries that it does not need.
    cp "$package/Cargo.lock" .
    cargo build --quiet
    if rustup toolchain list 2>/dev/null | grep -q "^$oldest"; then
        CARGO_TARGET_DIR=$repository/target/$oldest cargo "+$oldest" check --quiet
    fi
    if grep -E "^name = \"($ours)\"" Cargo.lock; then
        fail "a program that depends on the crate downloads the crates above"
    fi
done
