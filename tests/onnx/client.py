"""Makes or opens a collection with Chroma's Python client, without naming a function, and queries it.

The arguments are the address of Chroma and the name of the collection. Reads JSON: `documents` to add to a new
collection, by their ids, or null; and `questions`. Prints the ids and the distances of all documents, for each question.
"""

import json
import sys
from urllib.parse import urlsplit

import chromadb

URL, NAME = sys.argv[1:]


def main():
    address = urlsplit(URL)
    settings = chromadb.Settings(anonymized_telemetry=False)
    client = chromadb.HttpClient(address.hostname, address.port, settings=settings)
    command = json.load(sys.stdin)
    documents = command["documents"]
    if documents:
        collection = client.create_collection(NAME)
        collection.add(ids=list(documents), documents=list(documents.values()))
    else:
        collection = client.get_collection(NAME)
    found = collection.query(query_texts=command["questions"], n_results=collection.count())
    json.dump({"ids": found["ids"], "distances": found["distances"]}, sys.stdout)


main()
