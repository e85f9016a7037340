"""Writes the small models of this folder and the vectors that onnxruntime makes with it.

    pip install numpy onnx onnxruntime tokenizers
    python3 make.py

model.onnx has the inputs, the output and the operators of BERT, with one layer and random weights.
"""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from tokenizers import BertWordPieceTokenizer

FOLDER = Path(__file__).parent
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ",", ".", "!", "rust", "has", "no", "garbage", "collector"]
VOCABULARY += ["passage", "query", ":", "the", "cat", "##s", "sat", "a", "b", "c"]
HIDDEN, HEADS, INNER, POSITIONS = 16, 2, 32, 32
TEXTS = ["rust", "Rust has no garbage collector!", "the cats sat, the cat sat.", "unknown", "", "a b c " * 20]

random = np.random.default_rng(1)
weights, nodes = [], []


def weight(name, *shape):
    values = random.normal(0, 0.5, shape).astype(np.float32)
    weights.append(numpy_helper.from_array(values, name))
    return name


def constant(name, values, kind=np.int64):
    weights.append(numpy_helper.from_array(np.array(values, kind), name))
    return name


def node(operator, inputs, output, **attributes):
    nodes.append(helper.make_node(operator, inputs, [output], **attributes))
    return output


def linear(x, name, columns_in, columns_out):
    product = node("MatMul", [x, weight(f"{name}.weight", columns_in, columns_out)], f"{name}.product")
    return node("Add", [product, weight(f"{name}.bias", columns_out)], f"{name}.sum")


def normalized(x, name):
    scale, bias = weight(f"{name}.scale", HIDDEN), weight(f"{name}.bias", HIDDEN)
    return node("LayerNormalization", [x, scale, bias], f"{name}.out", axis=-1, epsilon=1e-12)


def heads(x, name, order):
    split = node("Reshape", [x, constant(f"{name}.shape", [0, 0, HEADS, HIDDEN // HEADS])], f"{name}.split")
    return node("Transpose", [split], f"{name}.heads", perm=order)


def attention(x):
    query = heads(linear(x, "query", HIDDEN, HIDDEN), "query", [0, 2, 1, 3])
    key = heads(linear(x, "key", HIDDEN, HIDDEN), "key", [0, 2, 3, 1])
    value = heads(linear(x, "value", HIDDEN, HIDDEN), "value", [0, 2, 1, 3])
    scores = node("MatMul", [query, key], "scores")
    scores = node("Div", [scores, constant("scale", (HIDDEN // HEADS) ** 0.5, np.float32)], "scaled")
    mask = node("Unsqueeze", ["attention_mask", constant("axes", [1, 2])], "mask.wide")
    mask = node("Cast", [mask], "mask.float", to=TensorProto.FLOAT)
    mask = node("Sub", [constant("one", 1, np.float32), mask], "mask.inverse")
    mask = node("Mul", [mask, constant("far", -10000, np.float32)], "mask.far")
    weights_of = node("Softmax", [node("Add", [scores, mask], "masked")], "softmax", axis=-1)
    mixed = node("Transpose", [node("MatMul", [weights_of, value], "mixed")], "mixed.rows", perm=[0, 2, 1, 3])
    return node("Reshape", [mixed, constant("mixed.shape", [0, 0, HIDDEN])], "mixed.joined")


def gelu(x):
    inner = node("Erf", [node("Div", [x, constant("root", 2**0.5, np.float32)], "gelu.scaled")], "gelu.erf")
    inner = node("Add", [inner, constant("gelu.one", 1, np.float32)], "gelu.sum")
    return node("Mul", [node("Mul", [x, inner], "gelu.product"), constant("half", 0.5, np.float32)], "gelu.out")


def model():
    words = node("Gather", [weight("words", len(VOCABULARY), HIDDEN), "input_ids"], "words.rows")
    types = node("Gather", [weight("types", 2, HIDDEN), "token_type_ids"], "types.rows")
    shape = node("Shape", ["input_ids"], "shape")
    width = node("Gather", [shape, constant("one.index", 1)], "width")
    places = node("Range", [constant("zero", 0), width, constant("step", 1)], "places")
    places = node("Gather", [weight("positions", POSITIONS, HIDDEN), places], "places.rows")
    x = node("Add", [node("Add", [words, types], "words.types"), places], "embedded")
    x = normalized(x, "first")
    x = normalized(node("Add", [x, linear(attention(x), "joined", HIDDEN, HIDDEN)], "attended"), "second")
    inner = linear(gelu(linear(x, "inner", HIDDEN, INNER)), "outer", INNER, HIDDEN)
    node("Identity", [normalized(node("Add", [x, inner], "transformed"), "third")], "last_hidden_state")

    def value(name, kind, *more):
        return helper.make_tensor_value_info(name, kind, ["texts", "tokens", *more])

    inputs = [value(name, TensorProto.INT64) for name in ("input_ids", "attention_mask", "token_type_ids")]
    outputs = [value("last_hidden_state", TensorProto.FLOAT, HIDDEN)]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def pooled(tokens=None):
    """Returns a model that makes one vector for each text by itself, as some others do.

    `tokens` names a second output, which has a vector for each token.
    """
    words = np.ones((len(VOCABULARY), 2), np.float32)
    made = [
        helper.make_node("Gather", ["words", "input_ids"], ["rows"]),
        helper.make_node("ReduceMax", ["rows"], ["sentence_embedding"], axes=[1], keepdims=0),
    ]
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["texts", "tokens"])
    outputs = [helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["texts", 2])]
    if tokens:
        words *= np.array([0.6, 0.8], np.float32)
        made.append(helper.make_node("Identity", ["rows"], [tokens]))
        outputs.append(helper.make_tensor_value_info(tokens, TensorProto.FLOAT, ["texts", "tokens", 2]))
    graph = helper.make_graph(made, "pooled", [ids], outputs, [numpy_helper.from_array(words, "words")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def square():
    """Returns a model that makes one number for each pair of tokens, so that vectors have different lengths."""
    made = [
        helper.make_node("Cast", ["input_ids"], ["ids"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["ids", "columns"], ["column"]),
        helper.make_node("Unsqueeze", ["ids", "rows"], ["row"]),
        helper.make_node("Mul", ["column", "row"], ["scores"]),
    ]
    axes = [numpy_helper.from_array(np.array([axis]), name) for axis, name in ((2, "columns"), (1, "rows"))]
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["texts", "tokens"])
    output = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["texts", "tokens", "tokens"])
    graph = helper.make_graph(made, "square", [ids], [output], axes)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def save(made, name):
    onnx.checker.check_model(made, full_check=True)
    onnx.save(made, FOLDER / name)


def main():
    save(model(), "model.onnx")
    save(pooled(), "pooled.onnx")
    for name in ("last_hidden_state", "token_embeddings"):
        save(pooled(name), f"pooled_and_{name}.onnx")
    save(square(), "square.onnx")
    (FOLDER / "vocab.txt").write_text("".join(f"{word}\n" for word in VOCABULARY))

    tokenizer = BertWordPieceTokenizer(str(FOLDER / "vocab.txt"))
    tokenizer.enable_truncation(POSITIONS)
    session = onnxruntime.InferenceSession(str(FOLDER / "model.onnx"), providers=["CPUExecutionProvider"])
    recorded = []
    for text in TEXTS:
        ids = np.array([tokenizer.encode(text).ids])
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        rows = session.run(None, feeds)[0][0].astype(np.float64)
        entry = {"text": text, "tokens": ids.shape[1]}
        entry |= {"mean": rows.mean(0).round(6).tolist(), "cls": rows[0].round(6).tolist()}
        recorded.append(entry)
    lines = ",\n".join(json.dumps(entry) for entry in recorded)
    (FOLDER / "vectors.json").write_text(f"[\n{lines}\n]\n")


main()
