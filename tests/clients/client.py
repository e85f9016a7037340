"""Does what the test asks for with Chroma's Python client.

Reads a command per line, and prints its result, both as JSON. The addresses of Chroma and of the stand-in for all
providers are the two arguments.
"""

import json
import sys
from importlib import import_module
from urllib.parse import urlsplit

import chromadb
from chromadb.utils import embedding_functions
from chromadb.utils.embedding_functions.chroma_cloud_qwen_embedding_function import (
    ChromaCloudQwenEmbeddingModel,
)

CHROMA, PROVIDERS = sys.argv[1:]


def send_to_stand_in(library):
    """Sends requests for other machines to the stand-in, with the host as the first part of the path."""
    send = library.Client.send

    def redirected(self, request, **options):
        url = request.url
        if url.host != "127.0.0.1":
            path = url.raw_path.decode()
            request.url = library.URL(f"{PROVIDERS}/{url.host}{path}")
        return send(self, request, **options)

    library.Client.send = redirected


def function_of(name, arguments):
    if name == "ChromaCloudQwenEmbeddingFunction":
        arguments["model"] = ChromaCloudQwenEmbeddingModel(arguments["model"])
    return getattr(embedding_functions, name)(**arguments)


def make(client, collection, function, arguments, documents):
    function = function_of(function, arguments)
    client.create_collection(collection, embedding_function=function)
    write(client, collection, documents)


def query_with(client, collection, function, arguments, text):
    function = function_of(function, arguments)
    opened = client.get_or_create_collection(collection, embedding_function=function)
    return nearest(opened, text)


def write(client, collection, documents):
    collection = client.get_collection(collection)
    collection.add(ids=list(documents), documents=list(documents.values()))


def query(client, collection, text):
    return nearest(client.get_collection(collection), text)


def nearest(collection, text):
    found = collection.query(query_texts=[text], n_results=1)
    return found["ids"][0][0]


def main():
    # Providers' packages use one or the other.
    for library in ["httpx", "httpx2"]:
        send_to_stand_in(import_module(library))
    address = urlsplit(CHROMA)
    settings = chromadb.Settings(anonymized_telemetry=False)
    client = chromadb.HttpClient(address.hostname, address.port, settings=settings)
    for line in sys.stdin:
        command = json.loads(line)
        call = globals()[command.pop("call")]
        try:
            answer = {"done": call(client, **command)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


main()
