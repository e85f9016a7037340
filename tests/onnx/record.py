"""Writes tests/data/minilm/vectors.json: vectors of the function that Chroma's Python client uses by default.

`HOME` is the folder that tests/data/minilm/build.py prints. Needs the packages of tests/clients/requirements.txt.
"""

import json
import os

from chromadb.utils.embedding_functions.onnx_mini_lm_l6_v2 import ONNXMiniLM_L6_V2

WORDS = "river window blue music seven market stone garden letter winter engine paper".split()
TEXTS = [
    "",
    "Saturn",
    "The cat sat on the mat.",
    "Whisk the eggs with sugar until they are pale, then fold in 250 g of flour.",
    "Émile's naïve café: “¿qué?” — e-mail me@example.org, 1,234.5 €/m²",
    "Cafe\u0301 Zu\u0308rich A\u030angstro\u0308m",
    "Привет, мир! שלום עולם. مرحبا بالعالم. नमस्ते दुनिया। สวัสดีชาวโลก",
    "你好，世界。こんにちは世界。안녕하세요 세계",
    "👩‍👩‍👧 🇩🇪 👍🏽 \u200b\u00ad\ufeff tabs\tand\r\nlines",
    "[SEP] [CLS] [MASK] text with \u0000 control \u0007 characters \ufffd",
    "x" * 101 + " " + "pneumonoultramicroscopicsilicovolcanoconiosis",
    " ".join(WORDS[i * 7 % 12] for i in range(120)),
    " ".join(WORDS[i * 5 % 12] for i in range(400)),
]


def main():
    vectors = ONNXMiniLM_L6_V2()(TEXTS)
    recorded = [
        {"text": text, "vector": vector.astype(">f4").tobytes().hex()}
        for text, vector in zip(TEXTS, vectors)
    ]
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "..", "data", "minilm", "vectors.json"), "w") as file:
        json.dump(recorded, file, indent=0)
        file.write("\n")


main()
