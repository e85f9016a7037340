"""Copies a collection from one server to another with Chroma's Python client: a loop of `get` and `upsert`.

Reads a job per line, `{"from": port, "to": port, "source": name, "target": name, "batch": records}`, and prints the
result, both as JSON.
"""

import json
import sys
import time

import chromadb
from chromadb.config import Settings


def client(port):
    return chromadb.HttpClient("127.0.0.1", port, settings=Settings(anonymized_telemetry=False))


def copy(job):
    """Returns the number of records and the seconds of the loop."""
    source = client(job["from"]).get_collection(job["source"], embedding_function=None)
    target = client(job["to"]).create_collection(job["target"], embedding_function=None)
    started, offset = time.perf_counter(), 0
    while True:
        include = ["embeddings", "documents", "metadatas"]
        page = source.get(limit=job["batch"], offset=offset, include=include)
        if not page["ids"]:
            break
        target.upsert(
            ids=page["ids"],
            embeddings=page["embeddings"],
            documents=page["documents"],
            metadatas=page["metadatas"],
        )
        offset += len(page["ids"])
    return {"records": offset, "seconds": time.perf_counter() - started}


for line in sys.stdin:
    print(json.dumps(copy(json.loads(line))), flush=True)
