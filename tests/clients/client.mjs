// Does what the test asks for with Chroma's JavaScript client.
//
// Reads a command per line, and prints its result, both as JSON. The addresses of Chroma and of the stand-in for all
// providers are the two arguments.

import http from "node:http";
import https from "node:https";
import { createInterface } from "node:readline";
import { ChromaClient } from "chromadb";

const [CHROMA, PROVIDERS] = process.argv.slice(2).map((url) => new URL(url));

// Sends requests for other machines to the stand-in, with the host as the first part of the path. Some of the providers'
// packages call fetch, others the module https.
const send = globalThis.fetch;
globalThis.fetch = async (to, options) => {
  const request = new Request(to, options);
  const { hostname, pathname, search } = new URL(request.url);
  if (hostname === "127.0.0.1") return send(request);
  const { method, headers, signal } = request;
  const body = await request.text();
  return send(new URL(`/${hostname}${pathname}${search}`, PROVIDERS), { method, headers, signal, body });
};
https.request = (options, answered) => {
  const path = `/${options.hostname ?? options.host}${options.path}`;
  const { hostname, port } = PROVIDERS;
  return http.request(
    { ...options, protocol: "http:", host: hostname, hostname, port, path, agent: undefined },
    answered,
  );
};

const client = new ChromaClient({ host: CHROMA.hostname, port: Number(CHROMA.port), ssl: false });

const functionOf = async (command) => new (await import(command.module))[command.function](command.arguments);

const nearest = async (collection, text) => {
  const found = await collection.query({ queryTexts: [text], nResults: 1 });
  return found.ids[0][0];
};

const calls = {
  async make({ collection, documents, ...command }) {
    const embeddingFunction = await functionOf(command);
    await client.createCollection({ name: collection, embeddingFunction });
    await calls.write({ collection, documents });
  },

  async write({ collection, documents }) {
    const opened = await client.getCollection({ name: collection });
    await opened.add({ ids: Object.keys(documents), documents: Object.values(documents) });
  },

  async query({ collection, text }) {
    return nearest(await client.getCollection({ name: collection }), text);
  },

  async query_with({ collection, text, ...command }) {
    const embeddingFunction = await functionOf(command);
    return nearest(await client.getOrCreateCollection({ name: collection, embeddingFunction }), text);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  let answer;
  try {
    answer = { done: (await calls[command.call](command)) ?? null };
  } catch (error) {
    answer = { error: `${error.name}: ${error.message}` };
  }
  console.log(JSON.stringify(answer));
}
