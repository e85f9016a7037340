"""Makes data.tar.gz: a data folder of chromadb 0.5.23, from PyPI.

    pip install chromadb==0.5.23
    python3 make.py data && tar -czf data.tar.gz -C data .
"""

import sys

import chromadb

COLLECTIONS = {
    "plain": {"shelf": "A"},
    # The index of this one is on the disk.
    "cosine": {"hnsw:space": "cosine", "hnsw:batch_size": 10, "hnsw:sync_threshold": 20},
    "inner": {"hnsw:space": "ip", "hnsw:search_ef": 55},
}


def vector(i):
    return [float(i), 0.5, -1.0 / (i + 1)]


assert chromadb.__version__ == "0.5.23"
client = chromadb.PersistentClient(sys.argv[1], chromadb.Settings(anonymized_telemetry=False))
for name, metadata in COLLECTIONS.items():
    collection = client.create_collection(name, metadata=metadata, embedding_function=None)
    for start in range(0, 50, 10):
        numbers = range(start, start + 10)
        collection.add(
            ids=[f"id {i}" for i in numbers],
            embeddings=[vector(i) for i in numbers],
            documents=[f"text {i} \U0001f980" for i in numbers],
            uris=[f"https://example.com/{i}" for i in numbers] if start == 0 else None,
            metadatas=[{"number": i, "float": i / 4, "is_even": i % 2 == 0} for i in numbers],
        )
    collection.add(ids=["bare"], embeddings=[[1.0, 2.0, 3.0]])
    collection.delete(ids=["id 7"])
    collection.update(ids=["id 3"], embeddings=[vector(3)], documents=["changed"])
