//! The names of functions in the configurations of collections.

/// Python's name of Google's function. JavaScript's is `google-gemini`.
pub(super) const GEMINI: &str = "google_gemini";

/// Returns Python's current name of a function, for any name by which a client of Chroma stores it. Some
/// names of JavaScript differ, and Google's function has had several.
pub(super) fn canonical(name: &str) -> &str {
    match name {
        "google-gemini" | "google_genai" | "google-generative-ai" | "google_generative_ai" => {
            GEMINI
        }
        "together-ai" => "together_ai",
        "huggingface-server" => "huggingface_server",
        // JavaScript's clients before 3.0. It is their default function with its model named.
        "transformers" => "default",
        "cloudflare-worker-ai" | "cloudflare-workers-ai" => "cloudflare_workers_ai",
        other => other,
    }
}

/// Says why a function cannot run here. `name` is Python's.
pub(super) fn why_not(name: &str) -> &'static str {
    match name {
        #[cfg(not(feature = "onnx"))]
        "default" | "onnx_mini_lm_l6_v2" => {
            "it runs the default model of Chroma's clients on this machine, and this crate was built without its feature \
             `onnx`; Ollama serves the same model: Ollama::new(\"chroma/all-minilm-l6-v2-f32\")"
        }
        "amazon_bedrock" => {
            "Amazon Bedrock needs signed requests of an AWS account, which this crate cannot make"
        }
        "google_vertex" => {
            "Vertex AI needs an account of Google Cloud, and the models of this function were retired"
        }
        "google_palm" => {
            "Google shut the PaLM API down on 2025-10-30; embed the documents again, into a new collection"
        }
        #[cfg(not(feature = "onnx"))]
        "sentence_transformer" => {
            "it runs a model on this machine, and this crate was built without its feature `onnx`; a server of Hugging Face's \
             Text Embeddings Inference may serve the same model: TextEmbeddingsInference::new(url).model(name)"
        }
        "instructor" | "text2vec" | "open_clip" => {
            "it runs a model with Python's library torch, which this crate does not include"
        }
        "langchain" => "it wraps a function of LangChain, which only a Python program can call",
        "chroma_bm25"
        | "chroma-cloud-splade"
        | "bm25"
        | "fastembed_sparse"
        | "huggingface_sparse" => {
            "it makes sparse vectors, which are stored under a key of the schema"
        }
        "nomic" => {
            "Chroma's function for Nomic does not work with any current version of Nomic's library"
        }
        #[cfg(not(feature = "gemini"))]
        GEMINI => "this crate was built without its feature `gemini`",
        "roboflow" => "Roboflow embeds one image or text in a request, with the key in the address",
        #[cfg(not(feature = "functions"))]
        "openai"
        | "ollama"
        | "huggingface_server"
        | "huggingface"
        | "cohere"
        | "voyageai"
        | "jina"
        | "mistral"
        | "together_ai"
        | "cloudflare_workers_ai"
        | "perplexity"
        | "chroma-cloud-qwen"
        | "baseten"
        | "morph" => "this crate was built without its feature `functions`",
        _ => "this crate has no function of that name",
    }
}

/// Says why a function of sparse vectors cannot run here.
pub(super) fn why_not_sparse(name: &str) -> &'static str {
    match name {
        #[cfg(not(feature = "bm25"))]
        "chroma_bm25" => "this crate was built without its feature `bm25`",
        #[cfg(not(feature = "functions"))]
        "chroma-cloud-splade" => "this crate was built without its feature `functions`",
        "bm25" | "fastembed_sparse" | "huggingface_sparse" => {
            "it runs a model with a Python library, which this crate does not include"
        }
        _ => "this crate has no function of that name",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_javascript_become_pythons() {
        assert_eq!(canonical("transformers"), "default");
        assert_eq!(canonical("huggingface-server"), "huggingface_server");
        assert_eq!(canonical("openai"), "openai");
    }

    #[test]
    #[cfg(not(feature = "functions"))]
    fn functions_over_http_name_their_feature() {
        for name in [
            "openai",
            "together-ai",
            "huggingface-server",
            "cloudflare-worker-ai",
        ] {
            assert!(why_not(canonical(name)).contains("`functions`"), "{name}");
        }
    }

    #[test]
    #[cfg(not(feature = "onnx"))]
    fn the_default_function_names_another_one_with_its_model() {
        for name in ["default", "sentence_transformer", "transformers"] {
            assert!(why_not(canonical(name)).contains("`onnx`"), "{name}");
        }
        assert!(why_not("default").contains("chroma/all-minilm-l6-v2-f32"));
        assert!(why_not("sentence_transformer").contains("TextEmbeddingsInference"));
    }
}
