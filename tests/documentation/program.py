import os
from urllib.parse import urlsplit

import chromadb
from chromadb.errors import NotFoundError

url = urlsplit(os.environ.get("CHROMA_HOST", "http://localhost:8000"))
client = chromadb.HttpClient(host=url.hostname, port=url.port)
novels = client.get_or_create_collection(
    "guide-novels",
    metadata={"shelf": "A to M"},
    configuration={"hnsw": {"space": "cosine"}},
    embedding_function=None,  # the vectors are our own
)

novels.add(
    ids=["emma", "moby-dick", "dracula"],
    embeddings=[[0.9, 0.1, 0.1], [0.1, 0.3, 0.9], [0.2, 0.9, 0.4]],
    documents=[
        "A matchmaker errs in her village.",
        "A captain hunts a whale across the sea.",
        "A count crosses the sea to England.",
    ],
    metadatas=[{"year": 1815}, {"year": 1851}, {"year": 1897}],
)
print(f"{novels.count()} novels")

hits = novels.query(
    query_embeddings=[[0.1, 0.8, 0.6]],
    where={"year": {"$gte": 1850}},
    where_document={"$contains": "sea"},
    n_results=2,
)
for i, id in enumerate(hits["ids"][0]):
    print(f"{hits['distances'][0][i]:.3f}  {id}: {hits['documents'][0][i]}")

novels.update(ids=["emma"], metadatas=[{"read": True}])
novels.upsert(
    ids=["persuasion"],
    embeddings=[[0.8, 0.1, 0.5]],
    documents=["A captain comes back from the sea."],
    metadatas=[{"year": 1817, "read": True}],
)
read = novels.get(where={"read": True})
for id, metadata in zip(read["ids"], read["metadatas"]):
    print(f"read: {id}, {metadata['year']}")

novels.delete(where={"year": {"$lt": 1850}})
print(f"{novels.count()} novels are left")

try:
    print(f"poems: {client.get_collection('guide-poems')}")
except NotFoundError:
    print("no poems")
client.delete_collection("guide-novels")
