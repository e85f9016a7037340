#!/usr/bin/env bash
# Builds and runs examples/build_script, in a copy whose docs can be changed.
set -euo pipefail
cd "$(dirname "$0")/.."

# Two levels down, so that ../.. is the library. The path has a space, to test that, and stays the same, so that Cargo
# reuses the build.
copy="target/build script"
mkdir -p "$copy"
find "$copy" -mindepth 1 -maxdepth 1 ! -name target -exec rm -r {} +
(cd examples/build_script && tar --exclude ./target -cf - .) | tar -xmf - -C "$copy"
cd "$copy"
export CARGO_TARGET_DIR=$PWD/target
rm -rf target/debug/build/build-script-*/out

fail() {
    echo "test-build-script: $*" >&2
    exit 1
}

# build PATTERN: builds, and checks that the whole report of the build script matches
build() {
    local report
    report=$(cargo build --locked 2>&1) || fail "$report"
    report=$(sed -n 's/^warning: .*: docs: \(.*\) in .* s, .* per second$/\1/p' <<<"$report")
    [[ $report =~ ^$1$ ]] || fail "reported '$report' and not '$1'"
    echo "$report"
}

# ask QUESTION: prints the documents of the pieces that were found, best first
ask() {
    cargo run --quiet --locked -- "$1" 2>/dev/null | sed -n 's/^[0-9.]*  \(.*\)#[0-9]*$/\1/p'
}

cargo fmt --check
cargo clippy --quiet --locked -- -D warnings

echo "A first build embeds everything"
build '([0-9]+) written, ([0-9]+) embedded'
all=${BASH_REMATCH[1]}
[ "$all" = "${BASH_REMATCH[2]}" ] || fail "$all written, ${BASH_REMATCH[2]} embedded"
for document in $(cd docs && ls); do
    question=$(sed -n '1s/# //p' "docs/$document")
    first=$(ask "$question" | head -n 1)
    [ "$first" = "$document" ] || fail "'$question' is answered from '$first'"
done
[ "$(ask 'How do I filter by year?' | head -n 1)" = filter.md ] || fail "the README's question has another answer"
first=$(cargo run --quiet --locked 2>/dev/null | sed -n 3p)
[[ $first == *batch-jobs.md#0 ]] || fail "the default question is answered from '$first'"

echo "Without a change the build script does not run"
cargo build --locked --verbose 2>&1 | grep -q 'Fresh build-script ' || fail "it has run"

echo "A new modification time changes nothing"
touch docs/*
build "0 written, $all skipped"

echo "One document has changed"
printf '\nA zebra has stripes.\n' >docs/filter.md
build "1 written, $((all - 1)) skipped, 1 embedded"
[ "$(ask 'zebra stripes' | head -n 1)" = filter.md ] || fail "the new text is not found"

echo "One document has gone"
rm docs/caching.md
build "0 written, ([0-9]+) skipped, ([0-9]+) deleted"
[ $((BASH_REMATCH[1] + BASH_REMATCH[2])) = "$all" ] || fail "there were $all"
if ask 'Caching: MemoryCache, DiskCache' | grep caching; then
    fail "it is still found"
fi

echo "Without a server the build fails, and says why"
touch docs
if words=$(PYTHON=/none/python3 CHROMA_BIN='' cargo build --locked 2>&1); then
    fail "the build succeeded: $words"
fi
grep -q 'the docs are not embedded' <<<"$words" || fail "$words"
grep -q 'Python 3.9 or newer is needed' <<<"$words" || fail "$words"
