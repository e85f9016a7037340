#!/usr/bin/env bash
# Compares the token ids of Chroma's default function, and of other tokenizers, with those of PyPI's `tokenizers`.
#
#     test-tokens.sh FOLDER [--all-code-points]
#
# Writes tokenizers, and the texts with their ids as tokens.jsonl, to FOLDER. tests/onnx/tokens.py describes them.
# Exits as scripts/python-client.sh does if that fails.
set -euo pipefail
cd "$(dirname "$0")/.."

installed=$(scripts/python-client.sh)
python=$(head -n 1 <<<"$installed")
model=$(tail -n 1 <<<"$installed")
golden=$(realpath "$1")/tokens.jsonl
eval "$python tests/onnx/tokens.py \"\$model\" \"\$@\"" >"$golden"
GOLDEN_TOKENS=$golden cargo test --quiet --all-features --lib onnx::tokenizer -- --ignored --nocapture
