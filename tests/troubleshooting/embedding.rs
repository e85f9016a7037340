//! Stored embedding functions, and Gemini.

use chroma_blocking::{EmbeddingFunction, Embeddings, Hashing, Record, embed::EmbeddingError};
use serde_json::{Value, json};

use crate::messages::Messages;
use crate::support::stand_in::Answer;
use crate::support::{self, LIMITS, chroma, client, collection};

pub fn all(seen: &mut Messages) {
    remembered(seen);
    custom_functions(seen);
    #[cfg(feature = "hybrid")]
    rerankers::all(seen);
    seen.of(Hashing::with_dimension(0));
    #[cfg(feature = "gemini")]
    gemini::all(seen);
}

/// Starts a server whose collection stores this function.
fn remembering(function: &Value) -> crate::support::stand_in::StandIn {
    let stored = json!({ "id": "6f4c0b6e-9f3c-4d43-8d0e-0c1f4b0f6a11", "name": "notes",
        "configuration_json": { "embedding_function": function } })
    .to_string();
    chroma(LIMITS, move |request| {
        if request.path.ends_with("/notes") {
            Answer::ok(stored.as_str())
        } else {
            Answer::ok("{}")
        }
    })
}

fn remembered(seen: &mut Messages) {
    let known =
        |name: &str, config: Value| json!({ "type": "known", "name": name, "config": config });
    let model = "gemini-embedding-001";
    for function in [
        known("default", json!({})),
        known("homemade", json!({})),
        known("google_gemini", json!({})),
        known(
            "google_gemini",
            json!({ "model_name": "text-embedding-004" }),
        ),
        known(
            "google_gemini",
            json!({ "model_name": model, "vertexai": true }),
        ),
        known(
            "google_gemini",
            json!({ "model_name": model, "task_type": "SINGING" }),
        ),
        known(
            "google_gemini",
            json!({ "model_name": model, "dimension": 5 }),
        ),
        known(
            "google_gemini",
            json!({ "model_name": model, "api_key_env_var": "NOBODYS_KEY" }),
        ),
        known(
            "google_gemini",
            json!({ "model_name": model, "api_key_env_var": "OTHER_KEY" }),
        ),
        known(
            "google_gemini",
            json!({ "model_name": model, "api_key_env_var": "AIza" }),
        ),
    ] {
        let server = remembering(&function);
        let trusting = support::builder(&server.url()).allow_key_variable("NOBODYS_KEY");
        let notes = trusting.build().unwrap().collection("notes").get().unwrap();
        seen.of(notes.query("text").run());
        let other = client(&server).collection("notes");
        seen.of(other.embedding_function(Hashing::default()).get());
    }
}

struct Broken(fn() -> Result<Embeddings, EmbeddingError>);

impl EmbeddingFunction for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }

    fn embed_documents(&self, _: &[&str]) -> Result<Embeddings, EmbeddingError> {
        (self.0)()
    }

    fn dimension(&self) -> Option<usize> {
        Some(2)
    }
}

fn custom_functions(seen: &mut Messages) {
    let server = chroma(LIMITS, |_| Answer::ok("{}"));
    let wrong: [fn() -> Result<Embeddings, EmbeddingError>; 4] = [
        || Err("the model is out".into()),
        || Ok(Embeddings::default()),
        || Ok(Embeddings::new(vec![1.0; 3], 3)?),
        || Ok(Embeddings::new(vec![f32::NAN; 2], 2)?),
    ];
    for answer in wrong {
        let abc = client(&server).collection("abc");
        let abc = abc.embedding_function(Broken(answer)).get().unwrap();
        seen.of(abc.upsert([Record::new("a").document("text")]));
    }
    let broken = Broken(|| Err("the model is out".into()));
    let abc = collection(&server);
    seen.of(abc.modify().embedding_function(broken).run());
}

#[cfg(feature = "hybrid")]
mod rerankers {
    use chroma_blocking::embed::{RerankContext, Reranker};

    use super::*;

    type Rerank = fn() -> Result<Vec<f32>, EmbeddingError>;

    struct Broken(Rerank);

    impl Reranker for Broken {
        fn name(&self) -> &'static str {
            "broken"
        }

        fn rerank(
            &self,
            _: &str,
            _: &[&str],
            _: &RerankContext,
        ) -> Result<Vec<f32>, EmbeddingError> {
            (self.0)()
        }
    }

    pub fn all(seen: &mut Messages) {
        let hits =
            r#"{"ids":[["a"]],"distances":[[0.5]],"documents":[["d"]],"metadatas":[[null]]}"#;
        let server = chroma(LIMITS, move |_| Answer::ok(hits));
        let abc = collection(&server);
        let query = || abc.query([1.0, 0.0]);
        let wrong: [Rerank; 3] = [
            || Err("the model is out".into()),
            || Ok(vec![]),
            || Ok(vec![f32::NAN]),
        ];
        for scores in wrong {
            let query = query().rerank(Broken(scores)).rerank_text("text");
            seen.of(query.run());
        }
        let broken = Broken(|| Ok(vec![1.0]));
        seen.of(query().rerank(&broken).run());
        seen.of(query().rerank(&broken).rerank_text(" ").run());
        let query = query().rerank(&broken).rerank_text("text");
        seen.of(query.over_fetch(4).run());
        #[cfg(feature = "functions")]
        over_http(seen);
    }

    #[cfg(feature = "functions")]
    fn over_http(seen: &mut Messages) {
        use chroma_blocking::RetryPolicy;
        use chroma_blocking::embed::{CohereRerank, HttpReranker, TextEmbeddingsInferenceRerank};

        use crate::support::stand_in::StandIn;

        let cohere = |model: &str| HttpReranker::builder(CohereRerank::new(model)).api_key("k");
        seen.of(cohere("").build());
        seen.of(HttpReranker::new(TextEmbeddingsInferenceRerank::new("")));
        let entry = |index: u8| format!(r#"{{"index":{index},"relevance_score":0.5}}"#);
        let two = |other: u8| format!(r#"{{"results":[{},{}]}}"#, entry(1), entry(other));
        for answer in [
            r#"{"results":[]}"#.to_owned(),
            two(2),
            two(1),
            " ".repeat(1 << 20),
        ] {
            let service = StandIn::start(move |_| Answer::ok(answer.as_str()));
            let reranker = cohere("m").base_url(service.url());
            let reranker = reranker.retry(RetryPolicy::none()).build().unwrap();
            for query in ["text", ""] {
                let scores = reranker.rerank(query, &["a", "b"], &RerankContext::new());
                seen.of(scores.map_err(|e| *e.downcast::<chroma_blocking::Error>().unwrap()));
            }
        }
    }
}

#[cfg(feature = "gemini")]
mod gemini {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    use chroma_blocking::{
        Gemini, RetryPolicy,
        embed::{GeminiBuilder, ModelStyle, RefusedTexts, TaskType},
    };

    use super::*;
    use crate::support::gemini::{
        Google, KEY, Period, Rules, V001, bad_key, fault, internal, over_quota, overloaded,
    };
    use crate::support::{closed_port, fast};

    fn builder(url: &str) -> GeminiBuilder {
        let gemini = Gemini::builder().api_key(KEY).base_url(url);
        gemini.dimension(128).retry(RetryPolicy::none())
    }

    fn limited(period: Period, seconds: u64) -> Answer {
        over_quota(period, 100, V001, Duration::from_secs(seconds))
    }

    pub fn all(seen: &mut Messages) {
        settings(seen);
        texts(seen);
        answers(seen);
        half_way(seen);
    }

    fn settings(seen: &mut Messages) {
        let (_reserved, address) = closed_port();
        let url = &format!("http://{address}");
        let gemini = || builder(url);
        seen.of(gemini().api_key_env_var("NOBODYS_KEY").api_key("").build());
        seen.of(gemini().api_key_env_var("AIza").build());
        let from_variable = Gemini::builder().api_key_env_var("NOBODYS_KEY");
        seen.of(from_variable.build());
        for gemini in [
            gemini().model("text-embedding-004"),
            gemini().model("a/b").model_style(ModelStyle::TaskField),
            gemini().model_style(ModelStyle::TaskInText),
            gemini().dimension(5),
            gemini().batch_size(101),
            gemini().requests_per_minute(0),
            gemini().api_version("v1/../v2"),
            gemini().base_url("http://example.com"),
        ] {
            seen.of(gemini.build());
        }
        let away = gemini().build().unwrap();
        seen.of(away.embed(["a"]).run());
    }

    fn texts(seen: &mut Messages) {
        let google = Google::start();
        let gemini = builder(&google.url()).build().unwrap();
        seen.of(gemini.embed([""]).run());
        seen.of(gemini.embed(["word ".repeat(3_000)]).run());
        let titles = [Some("a")];
        seen.of(gemini.embed(["a", "b"]).titles(&titles).run());
        let clusters = gemini.embed(["a"]).task(TaskType::Clustering);
        seen.of(clusters.titles(&titles).run());
        let stopped = Arc::new(AtomicBool::new(true));
        seen.of(gemini.embed(["a"]).cancel(stopped).run());
        seen.of(gemini.embed(["a"]).deadline(Duration::ZERO).run());
    }

    fn answers(seen: &mut Messages) {
        for answer in [
            bad_key(),
            internal(),
            overloaded(),
            limited(Period::Minute, 31),
            limited(Period::Day, 31),
            fault(
                429,
                "RESOURCE_EXHAUSTED",
                "Your prepayment credits are depleted.",
                json!([]),
            ),
            fault(404, "NOT_FOUND", "models/x is not found", json!([])),
            fault(400, "INVALID_ARGUMENT", "no", json!([])),
            Answer::ok("{}"),
            Answer::ok(r#"{"embeddings":[]}"#),
            Answer::ok(r#"{"embeddings":[{"values":[1.0]}]}"#),
        ] {
            let google = Google::after([answer]);
            let gemini = builder(&google.url()).build().unwrap();
            seen.of(gemini.embed(["a"]).run());
        }
    }

    fn half_way(seen: &mut Messages) {
        let google = Google::with(Rules {
            poison: Some("poison"),
            ..Rules::default()
        });
        let gemini = builder(&google.url()).refused_texts(RefusedTexts::Skip);
        let gemini = gemini.retry(fast()).build().unwrap();
        seen.of(gemini.embed(["a", "poison", "b"]).run());
        // A wait that is longer than the policy allows, for all that come after it.
        let google = Google::after([limited(Period::Minute, 300)]);
        let gemini = builder(&google.url()).retry(fast()).build().unwrap();
        seen.of(gemini.embed(["a"]).run());
        seen.of(gemini.embed(["a"]).run());
    }
}
