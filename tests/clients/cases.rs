//! The functions that are tried, as each client makes them.

use std::sync::Arc;

#[cfg(feature = "onnx")]
use chroma_blocking::embed::Onnx;
use chroma_blocking::embed::{
    Baseten, ChromaCloudQwen, Cloudflare, Cohere, HttpFunction, HttpProvider, HuggingFace, Jina,
    Mistral, Ollama, OpenAi, Perplexity, TextEmbeddingsInference, Together, Voyage,
};
use chroma_blocking::serde_json::{Value, json};
use chroma_blocking::{EmbeddingFunction, Gemini};

use crate::providers::{Providers, key};

/// A function of a provider.
pub struct Case {
    /// Chroma's name of it.
    pub name: &'static str,
    /// The path of the provider at the stand-in, if neither the settings nor the environment name an address.
    pub base_url: Option<&'static str>,
    /// Makes the function in this crate.
    pub here: Box<dyn Fn() -> Arc<dyn EmbeddingFunction>>,
    pub python: Option<Made>,
    pub javascript: Option<Made>,
    /// Whether the other clients embed documents in another way, in a collection that this crate has made.
    pub is_prefixed: bool,
    /// The words with which Python refuses a collection that JavaScript has made, if it does.
    pub not_in_python: Option<&'static str>,
    /// The words with which JavaScript refuses a collection with Python's name, if it does. This crate stores
    /// the same name.
    pub not_in_javascript: Option<&'static str>,
}

/// The way in which another client makes a function.
pub struct Made {
    pub module: Option<&'static str>,
    pub function: &'static str,
    pub arguments: Value,
    pub stored_name: &'static str,
}

impl Case {
    /// A function that finds the stand-in by its settings or by the environment.
    fn new<F: EmbeddingFunction + 'static>(
        name: &'static str,
        here: impl Fn() -> F + 'static,
    ) -> Case {
        Case {
            name,
            base_url: None,
            here: Box::new(move || Arc::new(here())),
            python: None,
            javascript: None,
            is_prefixed: false,
            not_in_python: None,
            not_in_javascript: None,
        }
    }

    /// Like [`new`](Case::new), for a provider.
    fn of<P: Into<HttpProvider>>(name: &'static str, provider: impl Fn() -> P + 'static) -> Case {
        Case::new(name, move || HttpFunction::new(provider()).unwrap())
    }

    /// A function that calls the provider's own address, with a key that is set in code.
    fn at<P: Into<HttpProvider>>(
        name: &'static str,
        providers: &Providers,
        base_url: &'static str,
        provider: impl Fn() -> P + 'static,
    ) -> Case {
        let (url, key) = (providers.at(base_url), key(base_url));
        let here = move || {
            let function = HttpFunction::builder(provider()).base_url(&url);
            function.api_key(&key).build().unwrap()
        };
        Case {
            base_url: Some(base_url),
            ..Case::new(name, here)
        }
    }

    fn python(mut self, function: &'static str, arguments: Value) -> Case {
        self.python = Some(Made {
            module: None,
            function,
            arguments,
            stored_name: self.name,
        });
        self
    }

    fn javascript(
        mut self,
        module: &'static str,
        function: &'static str,
        arguments: Value,
    ) -> Case {
        self.javascript = Some(Made {
            module: Some(module),
            function,
            arguments,
            stored_name: self.name,
        });
        self
    }

    /// Python does not open what JavaScript makes, and says this.
    fn not_in_python(mut self, why: &'static str) -> Case {
        self.not_in_python = Some(why);
        self
    }

    /// JavaScript stores another name, and understands this one.
    fn javascript_name(mut self, name: &'static str) -> Case {
        self.javascript.as_mut().unwrap().stored_name = name;
        self.not_in_python("not found")
    }

    /// JavaScript stores another name, and does not understand this one.
    fn only_javascript_name(mut self, name: &'static str) -> Case {
        self.not_in_javascript = Some("No embedding function found");
        self.javascript_name(name)
    }
}

/// Returns all functions.
pub fn cases(providers: &Providers) -> Vec<Case> {
    let mut all = vec![gemini(), qwen()];
    #[cfg(feature = "onnx")]
    all.extend(default());
    all.extend(with_stored_address(providers));
    all.extend(with_own_models(providers));
    all.extend(with_models_of_others(providers));
    all
}

/// Chroma's default function, if its model can be had.
#[cfg(feature = "onnx")]
fn default() -> Option<Case> {
    let folder = crate::support::model::folder()?;
    let here = move || Onnx::mini_lm_from(&folder).unwrap();
    Some(Case::new("default", here).python("DefaultEmbeddingFunction", json!({})))
}

fn with_stored_address(providers: &Providers) -> Vec<Case> {
    let openai = providers.at("/api.openai.com/v1");
    let morph = providers.at("/api.morphllm.com/v1");
    let baseten = providers.at("/model.api.baseten.co/v1");
    let tei = providers.at("/tei/embed");
    vec![
        Case::of("openai", {
            let url = openai.clone();
            let model = || OpenAi::new("text-embedding-3-small").dimensions(256);
            move || model().base_url(&url)
        })
        .python(
            "OpenAIEmbeddingFunction",
            json!({ "model_name": "text-embedding-3-small", "dimensions": 256, "api_base": openai }),
        )
        .javascript(
            "@chroma-core/openai",
            "OpenAIEmbeddingFunction",
            json!({ "modelName": "text-embedding-3-small", "dimensions": 256, "apiBase": openai }),
        ),
        Case::new("morph", {
            let config = json!({ "api_base": morph });
            let morph = move || HttpFunction::from_config("morph", &config).unwrap();
            move || morph().build().unwrap()
        })
        .python("MorphEmbeddingFunction", json!({ "api_base": morph }))
        .javascript("@chroma-core/morph", "MorphEmbeddingFunction", json!({ "api_base": morph })),
        Case::of("baseten", {
            let url = baseten.clone();
            move || Baseten::new(&url)
        })
        .python("BasetenEmbeddingFunction", json!({ "api_key": null, "api_base": baseten })),
        ollama("all-minilm", &providers.at("")),
        Case {
            is_prefixed: true,
            ..ollama("nomic-embed-text", &providers.at(""))
        },
        Case::of("huggingface_server", {
            let url = tei.clone();
            move || TextEmbeddingsInference::new(&url)
        })
        .python("HuggingFaceEmbeddingServer", json!({ "url": tei }))
        .javascript(
            "@chroma-core/huggingface-server",
            "HuggingfaceServerEmbeddingFunction",
            json!({ "url": tei }),
        )
        .only_javascript_name("huggingface-server"),
    ]
}

fn ollama(model: &'static str, url: &str) -> Case {
    Case::of("ollama", {
        let url = url.to_owned();
        move || Ollama::new(model).url(&url)
    })
    .python(
        "OllamaEmbeddingFunction",
        json!({ "model_name": model, "url": url }),
    )
    .javascript(
        "@chroma-core/ollama",
        "OllamaEmbeddingFunction",
        json!({ "model": model, "url": url }),
    )
    // It has no timeout.
    .not_in_python("This code should not be reached")
}

fn with_own_models(providers: &Providers) -> Vec<Case> {
    vec![
        Case::at("cohere", providers, "/api.cohere.com/v1", || {
            Cohere::new("embed-v4.0")
        })
        .python(
            "CohereEmbeddingFunction",
            json!({ "model_name": "embed-v4.0" }),
        )
        .javascript(
            "@chroma-core/cohere",
            "CohereEmbeddingFunction",
            json!({ "modelName": "embed-v4.0" }),
        ),
        Case::at("voyageai", providers, "/api.voyageai.com/v1", || {
            Voyage::new("voyage-3.5")
        })
        .javascript(
            "@chroma-core/voyageai",
            "VoyageAIEmbeddingFunction",
            json!({ "modelName": "voyage-3.5" }),
        ),
        Case::at("jina", providers, "/api.jina.ai/v1", || {
            Jina::new("jina-embeddings-v3")
        })
        .python(
            "JinaEmbeddingFunction",
            json!({
                "model_name": "jina-embeddings-v3", "task": "retrieval.passage",
                "query_config": { "task": "retrieval.query" },
            }),
        )
        .javascript(
            "@chroma-core/jina",
            "JinaEmbeddingFunction",
            json!({ "modelName": "jina-embeddings-v3", "task": "retrieval.passage" }),
        ),
        Case::at("mistral", providers, "/api.mistral.ai/v1", || {
            Mistral::new("mistral-embed")
        })
        .python(
            "MistralEmbeddingFunction",
            json!({ "model": "mistral-embed" }),
        )
        .javascript(
            "@chroma-core/mistral",
            "MistralEmbeddingFunction",
            json!({}),
        ),
    ]
}

fn with_models_of_others(providers: &Providers) -> Vec<Case> {
    vec![
        Case::at("together_ai", providers, "/api.together.xyz/v1", || {
            Together::new("BAAI/bge-base")
        })
        .python(
            "TogetherAIEmbeddingFunction",
            json!({ "model_name": "BAAI/bge-base" }),
        )
        .javascript(
            "@chroma-core/together-ai",
            "TogetherAIEmbeddingFunction",
            json!({ "modelName": "BAAI/bge-base" }),
        )
        .javascript_name("together-ai"),
        Case::at("huggingface", providers, "/router.huggingface.co", || {
            HuggingFace::new("sentence-transformers/all-MiniLM-L6-v2")
        })
        .python("HuggingFaceEmbeddingFunction", json!({})),
        Case::at(
            "cloudflare_workers_ai",
            providers,
            "/api.cloudflare.com",
            || Cloudflare::new("account", "@cf/baai/bge-m3"),
        )
        .python(
            "CloudflareWorkersAIEmbeddingFunction",
            json!({ "account_id": "account", "model_name": "@cf/baai/bge-m3" }),
        )
        .javascript(
            "@chroma-core/cloudflare-worker-ai",
            "CloudflareWorkerAIEmbeddingFunction",
            json!({ "accountId": "account", "modelName": "@cf/baai/bge-m3" }),
        )
        .only_javascript_name("cloudflare-worker-ai"),
        Case::at("perplexity", providers, "/api.perplexity.ai/v1", || {
            Perplexity::new("pplx-embed-v1-0.6b")
        })
        .python("PerplexityEmbeddingFunction", json!({})),
    ]
}

fn qwen() -> Case {
    Case::of("chroma-cloud-qwen", ChromaCloudQwen::new)
        .python(
            "ChromaCloudQwenEmbeddingFunction",
            json!({ "model": "Qwen/Qwen3-Embedding-0.6B", "task": "nl_to_code" }),
        )
        .javascript(
            "@chroma-core/chroma-cloud-qwen",
            "ChromaCloudQwenEmbeddingFunction",
            json!({ "model": "Qwen/Qwen3-Embedding-0.6B", "task": "nl_to_code" }),
        )
}

fn gemini() -> Case {
    let here = || {
        let gemini = Gemini::builder().model("gemini-embedding-001");
        gemini.dimension(768).build().unwrap()
    };
    let there = json!({
        "model_name": "gemini-embedding-001", "task_type": "RETRIEVAL_DOCUMENT", "dimension": 768,
    });
    Case::new("google_gemini", here)
        .python("GoogleGeminiEmbeddingFunction", there)
        .javascript(
            "@chroma-core/google-gemini",
            "GoogleGeminiEmbeddingFunction",
            json!({
                "modelName": "gemini-embedding-001", "taskType": "RETRIEVAL_DOCUMENT", "dimension": 768,
            }),
        )
        .javascript_name("google-gemini")
}
