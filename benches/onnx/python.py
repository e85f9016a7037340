"""Embeds texts with the function that Chroma's Python client uses by default.

Reads a list of texts per line, and prints the result, both as JSON. `HOME` is the folder with the model.
"""

import json
import sys
import time

from chromadb.utils.embedding_functions.onnx_mini_lm_l6_v2 import ONNXMiniLM_L6_V2

FUNCTION = ONNXMiniLM_L6_V2()


def embed(texts):
    """Returns the vectors, and the seconds that they took: of all threads, and by the clock."""
    cpu, wall = time.process_time(), time.perf_counter()
    vectors = FUNCTION(texts)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"vectors": [vector.tolist() for vector in vectors], "cpu": cpu, "wall": wall}


for line in sys.stdin:
    print(json.dumps(embed(json.loads(line))), flush=True)
