"""Prints a collection as Chroma's Python client reads it, as JSON: its metadata, its records, and the distances of
all records from a vector. The arguments are the address of Chroma and the name of the collection."""

import json
import sys
from urllib.parse import urlsplit

import chromadb

address = urlsplit(sys.argv[1])
settings = chromadb.Settings(anonymized_telemetry=False)
client = chromadb.HttpClient(address.hostname, address.port, settings=settings)
collection = client.get_collection(sys.argv[2], embedding_function=None)
got = collection.get(include=["documents", "embeddings", "metadatas", "uris"])
hits = collection.query(query_embeddings=[[3.0, -4.0, 5.0]], n_results=collection.count(), include=["distances"])
found = {
    "metadata": collection.metadata,
    "records": [got["ids"], got["documents"], got["metadatas"], got["uris"]],
    "embeddings": got["embeddings"].tolist(),
    "distances": dict(zip(hits["ids"][0], hits["distances"][0])),
}
print(json.dumps(found))
