//! A stand-in for all providers of embeddings. It refuses requests that they would refuse. Its vectors depend on the
//! text, the model, the task and the dimension.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::{Arc, Mutex};

use chroma_blocking::Hashing;
use chroma_blocking::serde_json::{self, Value, json};

use crate::support::stand_in::{Answer, Request, StandIn, lock};
use crate::support::unit;

/// The requests that a provider takes.
struct Route {
    paths: &'static [&'static str],
    /// The provider in the name of the key's variable. Empty if it takes no key.
    key: &'static str,
    /// The member of a body that contains the texts.
    texts: &'static str,
    /// The other members that a body may have.
    others: &'static [&'static str],
    answer: fn(Vec<Vec<f32>>, &Value) -> Value,
}

const GEMINI: &[&str] = &[
    "/generativelanguage.googleapis.com/v1/models/gemini-embedding-001:batchEmbedContents",
    "/generativelanguage.googleapis.com/v1beta/models/gemini-embedding-001:batchEmbedContents",
];

const ROUTES: [Route; 15] = [
    Route {
        paths: &["/api.openai.com/v1/embeddings"],
        key: "OPENAI",
        texts: "input",
        others: &["model", "dimensions", "encoding_format"],
        answer: like_openai,
    },
    Route {
        paths: &["/api.morphllm.com/v1/embeddings"],
        key: "MORPH",
        texts: "input",
        others: &["model", "encoding_format"],
        answer: like_openai,
    },
    Route {
        paths: &["/model.api.baseten.co/v1/embeddings"],
        key: "BASETEN",
        texts: "input",
        others: &["model", "encoding_format"],
        answer: like_openai,
    },
    Route {
        paths: &["/api/embed"],
        key: "",
        texts: "input",
        others: &["model"],
        answer: |vectors, _| json!({ "model": "all-minilm", "embeddings": vectors }),
    },
    Route {
        paths: &["/tei/embed"],
        key: "",
        texts: "inputs",
        others: &[],
        answer: |vectors, _| json!(vectors),
    },
    Route {
        paths: GEMINI,
        key: "GEMINI",
        texts: "requests",
        others: &[],
        answer: |vectors, _| {
            let values = vectors.iter().map(|vector| json!({ "values": vector }));
            json!({ "embeddings": values.collect::<Vec<_>>() })
        },
    },
    Route {
        paths: &["/api.cohere.com/v1/embed"],
        key: "COHERE",
        texts: "texts",
        others: &["model", "input_type"],
        answer: |vectors, body| {
            json!({
                "response_type": "embeddings_floats", "id": "1", "embeddings": vectors,
                "texts": body["texts"], "meta": { "api_version": { "version": "1" } },
            })
        },
    },
    Route {
        paths: &["/api.voyageai.com/v1/embeddings"],
        key: "VOYAGE",
        texts: "input",
        others: &[
            "model",
            "input_type",
            "truncation",
            "output_dtype",
            "output_dimension",
            "encoding_format",
        ],
        answer: like_openai,
    },
    Route {
        paths: &["/api.jina.ai/v1/embeddings"],
        key: "JINA",
        texts: "input",
        others: &["model", "task"],
        answer: like_openai,
    },
    Route {
        paths: &["/api.mistral.ai/v1/embeddings"],
        key: "MISTRAL",
        texts: "input",
        others: &["model"],
        answer: like_openai,
    },
    Route {
        paths: &["/api.together.xyz/v1/embeddings"],
        key: "TOGETHER",
        texts: "input",
        others: &["model"],
        answer: like_openai,
    },
    Route {
        // Chroma's Python client still uses the first one, which no longer exists.
        paths: &[
            "/api-inference.huggingface.co/pipeline/feature-extraction/sentence-transformers/all-MiniLM-L6-v2",
            "/router.huggingface.co/hf-inference/models/sentence-transformers/all-MiniLM-L6-v2/pipeline/feature-extraction",
        ],
        key: "HUGGINGFACE",
        texts: "inputs",
        others: &["options"],
        answer: |vectors, _| json!(vectors),
    },
    Route {
        paths: &["/api.cloudflare.com/client/v4/accounts/account/ai/run/@cf/baai/bge-m3"],
        key: "CLOUDFLARE",
        texts: "text",
        others: &[],
        answer: |vectors, _| json!({ "result": { "data": vectors }, "success": true, "errors": [] }),
    },
    Route {
        paths: &["/api.perplexity.ai/v1/embeddings"],
        key: "PERPLEXITY",
        texts: "input",
        others: &["model", "dimensions"],
        answer: |vectors, _| {
            let data = vectors.iter().enumerate().map(|(index, vector)| {
                let bytes: Vec<u8> = vector
                    .iter()
                    .map(|x| (x * 127.0).round() as i8 as u8)
                    .collect();
                let embedding = base64_simd::STANDARD.encode_to_string(bytes);
                json!({ "object": "embedding", "index": index, "embedding": embedding })
            });
            json!({ "object": "list", "model": "m", "data": data.collect::<Vec<_>>() })
        },
    },
    Route {
        paths: &["/embed.trychroma.com", "/embed.trychroma.com/"],
        key: "CHROMA",
        texts: "texts",
        others: &["instructions"],
        answer: |vectors, _| json!({ "embeddings": vectors, "num_tokens": 5 }),
    },
];

fn like_openai(vectors: Vec<Vec<f32>>, body: &Value) -> Value {
    let data = vectors.iter().enumerate().map(|(index, vector)| {
        let embedding = if body["encoding_format"] == "base64" {
            let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
            json!(base64_simd::STANDARD.encode_to_string(bytes))
        } else {
            json!(vector)
        };
        json!({ "object": "embedding", "index": index, "embedding": embedding })
    });
    let usage = json!({ "prompt_tokens": 5, "completion_tokens": 0, "total_tokens": 5 });
    let data: Vec<_> = data.collect();
    json!({ "id": "1", "object": "list", "model": "m", "data": data, "usage": usage })
}

/// A text, and what its vector depends on.
struct Asked<'a> {
    text: &'a str,
    model: &'a str,
    task: &'a str,
    dimension: usize,
}

impl Asked<'_> {
    fn vector(&self) -> Vec<f32> {
        let hashing = Hashing::with_dimension(self.dimension).unwrap();
        let mut vector = hashing.embed([self.text]).row(0).unwrap().to_vec();
        let hash = |text: &str| BuildHasherDefault::<DefaultHasher>::new().hash_one(text) as usize;
        // Another model has another space. The task moves a vector a little.
        vector.rotate_left(hash(self.model) % self.dimension);
        vector[0] += (hash(self.task) % 1_000) as f32 / 5_000.0;
        unit(&vector)
    }
}

/// The stand-in. It answers requests until it is dropped.
pub struct StandInForAll {
    server: StandIn,
    wrong: Arc<Mutex<Vec<String>>>,
}

impl StandInForAll {
    pub fn start() -> StandInForAll {
        let wrong: Arc<Mutex<Vec<String>>> = Arc::default();
        let found = wrong.clone();
        let server = StandIn::start(move |request| match vectors(request) {
            Ok(answer) => Answer::ok(answer.to_string()),
            Err(why) => {
                lock(&found).push(format!("{} {}: {why}", request.method, request.path));
                let error = json!({ "error": { "message": why }, "detail": why });
                Answer::new(400, error.to_string()).header("content-type", "application/json")
            }
        });
        StandInForAll { server, wrong }
    }

    /// Returns the environment of programs that use the stand-in: its address and all keys.
    pub fn variables(&self) -> Vec<(String, String)> {
        let url = self.server.url();
        let keys = ROUTES.iter().filter(|route| !route.key.is_empty());
        let mut all: Vec<_> = keys
            .map(|route| (format!("{}_API_KEY", route.key), key_of(route.key)))
            .collect();
        for (name, path) in [
            (PROVIDERS, ""),
            (
                "GOOGLE_GEMINI_BASE_URL",
                "/generativelanguage.googleapis.com",
            ),
            ("CHROMA_EMBED_URL", "/embed.trychroma.com"),
        ] {
            all.push((name.to_owned(), format!("{url}{path}")));
        }
        all
    }

    /// Returns the descriptions of wrong requests.
    pub fn wrong(&self) -> Vec<String> {
        lock(&self.wrong).clone()
    }
}

/// The variable that contains the address of the stand-in.
const PROVIDERS: &str = "PROVIDERS";

/// The address of the stand-in that another process has started.
pub struct Providers(String);

impl Providers {
    pub fn of_process() -> Providers {
        Providers(std::env::var(PROVIDERS).expect("another test runs this one"))
    }

    /// Returns the address of a path.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

/// Returns the key of the provider at a path.
pub fn key(base_url: &str) -> String {
    let is_below = |path: &&str| path.starts_with(base_url);
    let route = ROUTES.iter().find(|route| route.paths.iter().any(is_below));
    key_of(route.unwrap().key)
}

fn key_of(provider: &str) -> String {
    format!("key-of-{provider}")
}

/// Returns the answer to a request, or what is wrong with it.
fn vectors(request: &Request) -> Result<Value, String> {
    let is_it = |route: &&Route| route.paths.contains(&&*request.path);
    let route = ROUTES.iter().find(is_it);
    let route = route.ok_or("no such path")?;
    if request.method != "POST" {
        return Err("not a POST".to_owned());
    }
    check_key(request, route.key)?;
    let body: Value = serde_json::from_slice(&request.body).map_err(|error| error.to_string())?;
    let members = body.as_object().ok_or("no object")?;
    for (name, value) in members {
        let is_known = name == route.texts || route.others.contains(&&**name);
        if !is_known && !value.is_null() {
            return Err(format!("unknown member {name:?}: {value}"));
        }
    }
    let texts = body[route.texts].as_array().ok_or("no texts")?;
    if texts.is_empty() {
        return Err("no texts".to_owned());
    }
    let asked = |text| {
        if route.paths == GEMINI {
            of_gemini(text)
        } else {
            of_others(&body, text)
        }
    };
    let vectors: Option<Vec<_>> = texts
        .iter()
        .map(|text| Some(asked(text)?.vector()))
        .collect();
    Ok((route.answer)(vectors.ok_or("not a text")?, &body))
}

fn check_key(request: &Request, provider: &str) -> Result<(), String> {
    let (header, before) = match provider {
        "" => return Ok(()),
        "GEMINI" => ("x-goog-api-key", ""),
        "CHROMA" => ("x-chroma-token", ""),
        _ => ("authorization", "Bearer "),
    };
    let expected = format!("{before}{}", key_of(provider));
    let found = request.header(header);
    if found == Some(&expected) {
        return Ok(());
    }
    Err(format!("{header}: {found:?}, not {expected}"))
}

fn of_gemini(request: &Value) -> Option<Asked<'_>> {
    let [part] = &request["content"]["parts"].as_array()?[..] else {
        return None;
    };
    Some(Asked {
        text: part["text"].as_str()?,
        model: request["model"].as_str()?,
        task: request["taskType"].as_str().unwrap_or_default(),
        dimension: request["outputDimensionality"].as_u64().unwrap_or(3_072) as usize,
    })
}

fn of_others<'a>(body: &'a Value, text: &'a Value) -> Option<Asked<'a>> {
    let tasks = ["task", "input_type", "instructions"];
    let task = tasks.iter().find_map(|name| body[*name].as_str());
    Some(Asked {
        text: text.as_str()?,
        model: body["model"].as_str().unwrap_or_default(),
        task: task.unwrap_or_default(),
        dimension: body["dimensions"].as_u64().unwrap_or(64) as usize,
    })
}
