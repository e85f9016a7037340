#!/usr/bin/env bash
# Measures the cost of a Chroma client to a program: crates, the CPU time of a cold `cargo build --release`,
# the size of the binary. Prints the table of benches/RESULTS.md. Needs protoc, for the official crate
# (Debian: apt-get install protobuf-compiler).
#
#     benches/build-cost.sh [chroma-blocking]     all clients, or only this one, without protoc
set -euo pipefail
repository=$(cd "$(dirname "$0")/.." && pwd)

[ "${1:-}" = chroma-blocking ] || command -v protoc >/dev/null || {
    echo "build-cost: no protoc; on Debian: apt-get install protobuf-compiler" >&2
    exit 1
}
# Caches, shared folders and flags would make the builds incomparable.
unset CARGO_TARGET_DIR CARGO_BUILD_TARGET_DIR RUSTC_WRAPPER CARGO_BUILD_RUSTC_WRAPPER RUSTFLAGS
export CARGO_INCREMENTAL=0

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# package NAME DEPENDENCIES MAIN: a program that asks for a heartbeat
package() {
    mkdir -p "$folder/$1/src"
    printf '%s\n' '[package]' 'name = "hello"' 'version = "0.0.0"' 'edition = "2024"' \
        '[profile.release]' 'strip = true' '[dependencies]' "$2" >"$folder/$1/Cargo.toml"
    # The versions that benches/peers measures.
    cp "$repository/benches/peers/Cargo.lock" "$folder/$1/"
    printf '%s\n' "$3" >"$folder/$1/src/main.rs"
}

blocking='fn main() -> chroma_blocking::Result<()> {
    let client = chroma_blocking::Client::new("http://localhost:8000")?;
    println!("{}", client.heartbeat()?);
    Ok(())
}'
on_this_machine='fn main() -> chroma_blocking::Result<()> {
    let function = chroma_blocking::embed::Onnx::mini_lm()?;
    let client = chroma_blocking::Client::new("http://localhost:8000")?;
    println!("{}", client.collection("notes").embedding_function(function).get_or_create()?.count()?);
    Ok(())
}'
# with_runtime BODY
with_runtime() {
    printf '%s\n' 'fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {' "$1" '        Ok(())
    })
}'
}
tokio='tokio = { version = "1", features = ["rt"] }'

package 'chroma-blocking' "chroma-blocking = { path = \"$repository\" }" "$blocking"
package 'chroma-blocking, without TLS and Gemini' \
    "chroma-blocking = { path = \"$repository\", default-features = false }" "$blocking"
package 'chroma-blocking, with onnx' \
    "chroma-blocking = { path = \"$repository\", features = [\"onnx\"] }" "$on_this_machine"
package 'official `chroma`' "chroma = \"0.15\"
$tokio" "$(with_runtime '        let client = chroma::ChromaHttpClient::new(Default::default());
        println!("{}", client.heartbeat().await?.nanosecond_heartbeat);')"
package '`chromadb`' "chromadb = \"2.3\"
$tokio" "$(with_runtime '        let client = chromadb::ChromaClient::new(Default::default()).await?;
        println!("{}", client.heartbeat().await?);')"

model=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)
echo "$(date -u +%F), $(nproc) cores of ${model:-an unknown CPU}, $(uname -sr | cut -d - -f 1), $(rustc --version)."
echo "Command: \`benches/build-cost.sh${1:+ $1}\`."
echo
echo "| client | crates | compiled, with build scripts | build, CPU s | build, wall s | stripped binary, KiB |"
echo "|---|---|---|---|---|---|"
TIMEFORMAT='%U %S %R'
for name in 'chroma-blocking' 'chroma-blocking, without TLS and Gemini' 'chroma-blocking, with onnx' 'official `chroma`' '`chromadb`'; do
    [[ $name == "${1:-}"* ]] || continue
    cd "$folder/$name"
    cargo fetch --quiet
    crates=$(cargo tree --offline --edges normal --prefix none --no-dedupe | cut -d ' ' -f 1,2 | sort -u |
        grep -vc '^hello ')
    times=$({ time cargo build --release --offline 2>build.log || { cat build.log >&2; exit 1; }; } 2>&1)
    compiled=$(grep -c '^ *Compiling' build.log)
    size=$(stat -c %s target/release/hello)
    read -r user system wall <<<"$times"
    awk -v name="$name" -v crates="$crates" -v compiled="$((compiled - 1))" -v user="$user" -v system_="$system" \
        -v wall="$wall" -v size="$size" 'BEGIN {
            printf "| %s | %d | %d | %.1f | %.1f | %d |\n", name, crates, compiled, user + system_, wall, size / 1024
        }'
    rm -rf target
done
