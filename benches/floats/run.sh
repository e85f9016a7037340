#!/usr/bin/env bash
# Counts the instructions that each parser takes for a float: benches/floats/run.sh (valgrind must be
# installed)
set -euo pipefail
cd "$(dirname "$0")"

cargo build --quiet --release
program=${CARGO_TARGET_DIR:-target}/release/floats
floats=768
rounds=1000

instructions() { # instructions PARSER ROUNDS
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$@" 2>&1 |
        sed -n 's/.*Collected : \([0-9]*\)$/\1/p'
}

echo "| parser | instructions per float |"
echo "|---|---|"
for parser in ours fast-float2 std serde_json; do
    # The difference leaves out the start of the program.
    idle=$(instructions "$parser" 0)
    busy=$(instructions "$parser" "$rounds")
    echo "| $parser | $(((busy - idle) / (rounds * floats))) |"
done
