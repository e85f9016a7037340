//! The table of embedding functions in `docs/embeddings.md` has the values of the code.

use chroma_blocking::embed::{
    Baseten, ChromaCloudQwen, Cloudflare, Cohere, HttpFunction, HttpProvider, HuggingFace, Jina,
    Mistral, Morph, Ollama, OpenAi, Perplexity, Purpose, TextEmbeddingsInference, Together, Voyage,
};
use chroma_blocking::{EmbeddingFunction, Space};

const DOCUMENT: &str = include_str!("../../docs/embeddings.md");

/// The cells of the row of a function.
fn row(function: &str) -> Vec<&'static str> {
    let start = format!("| `{function}` | ");
    let is_row = |line: &&str| line.starts_with(&start) && line.matches(" | ").count() == 7;
    let mut rows = DOCUMENT.lines().filter(is_row);
    let row = rows
        .next()
        .unwrap_or_else(|| panic!("no row of {function}"));
    assert_eq!(rows.next(), None, "two rows of {function}");
    row.trim_matches('|').split(" | ").map(str::trim).collect()
}

/// The most texts of a request, as the error of a larger number says it.
fn batch_size(provider: &HttpProvider) -> String {
    let builder = HttpFunction::builder(provider.clone()).api_key("secret");
    let error = builder.batch_size(usize::MAX).build().unwrap_err();
    let error = error.to_string();
    let (_, most) = error.rsplit_once("it must be from 1 to ").unwrap();
    match most.len() {
        4 => format!("{},{}", &most[..1], &most[1..]),
        _ => most.to_owned(),
    }
}

fn check(name: &str, provider: impl Into<HttpProvider>) {
    let provider = provider.into();
    let function = HttpFunction::builder(provider.clone());
    let function = function.api_key("secret").build().unwrap();
    let [_, stored, feature, keys, texts, _, queries, distance] = row(name)[..] else {
        panic!("{name}");
    };
    assert_eq!(stored, format!("`{}`", function.name()), "{name}");
    assert_eq!(feature, "`functions`", "{name}");
    assert_eq!(texts, batch_size(&provider), "{name}");
    // With a key from code, the first of the provider's variables is stored.
    let config = function.config().unwrap();
    match config["api_key_env_var"].as_str() {
        Some(variable) => assert!(
            keys.contains(&format!("`{variable}`")),
            "{name}: {variable}"
        ),
        None => assert_eq!(keys, "no key", "{name}"),
    }
    let key = |purpose| function.cache_key(purpose);
    let differ = key(Purpose::Documents) != key(Purpose::Queries);
    assert_eq!(differ, queries != "no", "{name}: {queries}");
    assert_eq!(function.default_space(), Space::Cosine, "{name}");
    assert!(distance.starts_with("cosine"), "{name}: {distance}");
}

/// The row of a function that is not one of [`HttpFunction`].
fn check_other(name: &str, function: &str, feature: &str) {
    let row = row(name);
    let (stored, feature) = (format!("`{function}`"), format!("`{feature}`"));
    assert_eq!((row[1], row[2]), (stored.as_str(), feature.as_str()));
}

#[test]
fn the_table_of_functions_has_every_provider() {
    let source = include_str!("../../src/embed/http/providers/mod.rs");
    let (_, names) = source.split_once("\nproviders!(").unwrap();
    let (names, _) = names.split_once(')').unwrap();
    let names: Vec<_> = names.split(',').map(str::trim).collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        assert_eq!(row(name).len(), 8, "{name}");
    }
}

#[test]
#[cfg(feature = "bm25")]
fn the_table_of_functions_has_the_names_of_sparse_ones() {
    use chroma_blocking::embed::{Bm25, ChromaCloudSplade, SparseEmbeddingFunction};

    check_other("Bm25", Bm25::default().name(), "bm25");
    let splade = ChromaCloudSplade::new();
    check_other("ChromaCloudSplade", splade.name(), "functions");
}

#[test]
#[cfg(feature = "gemini")]
fn the_table_of_functions_has_the_values_of_gemini() {
    use chroma_blocking::Gemini;

    let builder = || Gemini::builder().api_key("secret");
    check_other("Gemini", builder().build().unwrap().name(), "gemini");
    let error = builder().batch_size(usize::MAX).build().unwrap_err();
    let end = format!("it must be from 1 to {}", row("Gemini")[4]);
    assert!(error.to_string().ends_with(&end), "{error}");
}

#[test]
fn the_table_of_functions_has_the_real_values() {
    check("Baseten", Baseten::new("https://model.example.com/v1"));
    check("ChromaCloudQwen", ChromaCloudQwen::new().task("nl_to_code"));
    check("Cloudflare", Cloudflare::new("account", "@cf/baai/bge-m3"));
    check("Cohere", Cohere::new("embed-v4.0"));
    check("HuggingFace", HuggingFace::new("intfloat/e5-base-v2"));
    check("Jina", Jina::new("jina-embeddings-v3"));
    check("Mistral", Mistral::new("mistral-embed"));
    check("Morph", Morph::new("morph-embedding-v2"));
    check("Ollama", Ollama::new("nomic-embed-text"));
    check("OpenAi", OpenAi::new("text-embedding-3-small"));
    check("Perplexity", Perplexity::new("pplx-embed-v1-0.6b"));
    let tei = TextEmbeddingsInference::new("http://localhost:8080/embed");
    check(
        "TextEmbeddingsInference",
        tei.prefixes("passage: ", "query: "),
    );
    check("Together", Together::new("m"));
    check("Voyage", Voyage::new("voyage-3.5"));
}

#[test]
#[cfg(feature = "onnx")]
fn the_table_of_functions_has_models_on_this_machine() {
    use chroma_blocking::embed::Onnx;

    let [_, names, feature, ..] = row("Onnx")[..] else {
        panic!("the row of Onnx");
    };
    assert_eq!(feature, "`onnx`");
    assert!(names.contains("`default`") && names.contains("`sentence_transformer`"));
    let Some(folder) = crate::support::model::folder() else {
        return;
    };
    let default = Onnx::mini_lm_from(&folder).unwrap();
    assert_eq!(
        (default.name(), default.default_space()),
        ("default", Space::L2)
    );
    let other = Onnx::builder("m", folder).build().unwrap();
    let stored = (other.name(), other.default_space());
    assert_eq!(stored, ("sentence_transformer", Space::Cosine));
}
