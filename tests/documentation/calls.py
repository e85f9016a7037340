"""The calls of Chroma's Python client that the tables of docs/from-python.md name, so that each of them is run. What a
thin client or a single-node server cannot do is in functions that are not called."""

import os
from urllib.parse import urlsplit

import chromadb
from chromadb import AdminClient, K, Knn, Rrf, Schema, Search, SparseVectorIndexConfig, VectorIndexConfig
from chromadb.api.functions import STATISTICS_FUNCTION
from chromadb.api.types import ReadLevel
from chromadb.config import Settings
from chromadb.errors import ChromaError, InvalidArgumentError, NotFoundError
from chromadb.utils.batch_utils import create_batches

url = urlsplit(os.environ["CHROMA_HOST"])


def fails(error, call):
    try:
        call()
    except error:
        return
    raise AssertionError(f"no {error}")


# Connecting.
client = chromadb.HttpClient(host=url.hostname, port=url.port)


def connecting(key):
    chromadb.HttpClient(host="db", port=8000)
    chromadb.HttpClient(host="db", port=8000, ssl=True, headers={"x-chroma-token": key})
    chromadb.HttpClient(headers={"x-team": "search"})
    chromadb.CloudClient(api_key=key)
    chromadb.CloudClient()
    chromadb.CloudClient(tenant="acme", database="shop", api_key=key)
    chromadb.PersistentClient(path="data")
    chromadb.EphemeralClient()


async def connecting_async():
    await chromadb.AsyncHttpClient()


client.heartbeat()
client.get_version()
client.get_user_identity()
client.get_max_batch_size()
fails(ChromaError, lambda: client.reset())

# Tenants and databases.
settings = Settings(
    chroma_api_impl="chromadb.api.fastapi.FastAPI",
    chroma_server_host=url.hostname,
    chroma_server_http_port=url.port,
)
admin = AdminClient(settings)
admin.create_tenant("acme")
admin.get_tenant("acme")
admin.create_database("shop", tenant="acme")
admin.get_database("shop", tenant="acme")
admin.list_databases(tenant="acme")
client.set_tenant("acme", database="shop")
client.set_database("shop")
client.set_tenant("default_tenant")
admin.delete_database("shop", tenant="acme")

# Collections.
client.create_collection("notes", metadata={"lang": "en"}, embedding_function=None)
client.delete_collection("notes")
client.get_or_create_collection("notes", configuration={"hnsw": {"space": "cosine", "ef_search": 200}})
client.delete_collection("notes")
client.create_collection("notes", metadata={"hnsw:space": "cosine"}, embedding_function=None)
client.delete_collection("notes")
client.create_collection("notes", configuration={"spann": {"search_nprobe": 32}})
client.delete_collection("notes")
schema = Schema()
schema.create_index(config=VectorIndexConfig(space="cosine"))
client.create_collection("notes", schema=schema)
client.delete_collection("notes")
client.create_collection("notes", embedding_function=None)
client.get_or_create_collection("notes")
notes = client.get_collection("notes")
client.get_collection_by_id(notes.id)
client.list_collections()
client.list_collections(limit=10, offset=20)
client.count_collections()
notes.name
notes.id
notes.metadata
notes.configuration
notes.schema
notes.modify(name="old-notes", metadata={"lang": "fr"})
notes.modify(configuration={"hnsw": {"ef_search": 200}})


def elsewhere():
    schema.create_index(config=SparseVectorIndexConfig(), key="words")
    notes.fork("copy")
    notes.fork_count()
    notes.get_indexing_status()
    notes.attach_function(STATISTICS_FUNCTION, "stats", "notes-stats")
    notes.get_attached_function("stats")
    notes.detach_function("stats")


# Records.
ids, vectors, texts = ["1", "2"], [[0.1, 0.2], [0.3, 0.4]], ["a rust text", "v2 of it"]
notes.add(ids=["1"], embeddings=[[0.1, 0.2]], documents=["text"], metadatas=[{"year": 2015}])
notes.upsert(ids=ids, embeddings=vectors, documents=texts)
notes.upsert(ids=["1"], embeddings=vectors[:1], uris=["file:///a"])
notes.update(ids=["1"], metadatas=[{"year": 2016}])
notes.update(ids=["1"], metadatas=[{"year": None}])
notes.update(ids=["1"], metadatas=[{"year": 2022, "lang": "en", "tags": ["rust", "go"]}])
for batch in create_batches(api=client, ids=ids, embeddings=vectors):
    notes.upsert(*batch)

notes.count()
notes.count(read_level=ReadLevel.INDEX_ONLY)
notes.peek()
notes.peek(5)
notes.get()
notes.get(ids=["1", "2"])
notes.get(where={"year": {"$gte": 2020}}, limit=10, offset=20)
got = notes.get(include=["embeddings"])
got["embeddings"]
got = notes.get()
got["ids"]
got["documents"]
got["metadatas"]

vector = [0.1, 0.2]
notes.query(query_embeddings=[vector])
notes.query(query_embeddings=[vector], n_results=5, where={"year": {"$gte": 2020}})
notes.query(query_embeddings=[vector], ids=["1", "2"])
notes.query(query_embeddings=[vector, vector])
hits = notes.query(query_embeddings=vectors)
i = 0
hits["ids"][0][i]
hits["distances"][0][i]
hits["documents"][0][i]
assert hits["metadatas"][0][i]["year"] == 2022


def with_a_model():
    notes.query(query_texts=["a text"], n_results=5)
    notes.query(query_texts=["one", "two"])


# Filters: each finds the first record, which has all fields, or fails to.
for count, where in [
    (0, {"year": 2020}),
    (2, {"year": {"$ne": 2020}}),
    (1, {"year": {"$gt": 2020}}),
    (1, {"year": {"$gte": 2020}}),
    (0, {"year": {"$lt": 2020}}),
    (0, {"year": {"$lte": 2020}}),
    (1, {"lang": {"$in": ["en", "fr"]}}),
    (1, {"lang": {"$nin": ["en", "fr"]}}),
    (1, {"tags": {"$contains": "rust"}}),
    (1, {"tags": {"$not_contains": "rust"}}),
]:
    assert len(notes.get(where=where)["ids"]) == count, where
a, b = {"year": 2022}, {"lang": "fr"}
assert notes.get(where={"$and": [a, b]})["ids"] == []
assert notes.get(where={"$or": [a, b]})["ids"] == ["1"]
for id, where_document in [
    ("1", {"$contains": "rust"}),
    ("2", {"$not_contains": "rust"}),
    ("2", {"$regex": "v[0-9]"}),
    ("1", {"$not_regex": "v[0-9]"}),
]:
    assert notes.get(where_document=where_document)["ids"] == [id], where_document

# Searches.
sparse = chromadb.SparseVector(indices=[1], values=[0.5])
search = Search().where(K("year") >= 2020).rank(Knn(query=vector)).limit(10)
search = search.select(K.DOCUMENT, K.SCORE, "title")
one = two = search
fails(ChromaError, lambda: notes.search(search))
fails(ChromaError, lambda: notes.search([one, two]))
fails(ChromaError, lambda: notes.search(search, read_level=ReadLevel.INDEX_ONLY))
Knn(query="a text")
Knn(query="a text", key="words")
Knn(query=sparse, key="words")
Knn(query="a text") * 0.7 + Knn(query=sparse, key="words", default=10.0) * 0.3
Rrf([Knn(query="a text", return_rank=True), Knn(query=sparse, key="words", return_rank=True)], k=60)


def with_other_packages():
    from chromadb.utils.embedding_functions import (
        ChromaBm25EmbeddingFunction,
        DefaultEmbeddingFunction,
        GoogleGeminiEmbeddingFunction,
        HuggingFaceEmbeddingServer,
        OllamaEmbeddingFunction,
        OpenAIEmbeddingFunction,
        SentenceTransformerEmbeddingFunction,
    )

    client.create_collection("notes", embedding_function=GoogleGeminiEmbeddingFunction())
    GoogleGeminiEmbeddingFunction(model_name="gemini-embedding-001", dimension=768)
    OpenAIEmbeddingFunction(model_name="text-embedding-3-small")
    OllamaEmbeddingFunction(model_name="nomic-embed-text")
    HuggingFaceEmbeddingServer(url="http://localhost:8080/embed")
    DefaultEmbeddingFunction()
    SentenceTransformerEmbeddingFunction(model_name="BAAI/bge-small-en-v1.5")
    SparseVectorIndexConfig(embedding_function=ChromaBm25EmbeddingFunction(), source_key="#document")


# Errors.
fails(NotFoundError, lambda: client.get_collection("poems"))
fails(ChromaError, lambda: client.create_collection("old-notes"))
fails(InvalidArgumentError, lambda: notes.add(ids=["3"], embeddings=[[0.1]]))
fails(ValueError, lambda: notes.delete())
chromadb.errors.DuplicateIDError
chromadb.errors.AuthorizationError
chromadb.errors.ChromaAuthError
chromadb.errors.RateLimitError
chromadb.errors.InternalError

notes.delete(ids=["1", "2"])
notes.delete(where={"year": {"$lt": 2000}})
notes.delete(where={"year": {"$lt": 2000}}, limit=10)
client.delete_collection("old-notes")
