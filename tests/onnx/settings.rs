//! The settings of `OnnxBuilder`.

use chroma_blocking::embed::{Onnx, OnnxBuilder, Pooling};
use chroma_blocking::{EmbeddingFunction, Embeddings, Space};
use serde_json::json;

use crate::{difference, mini_lm, support, text};

/// Returns the settings with which a function is Chroma's default, unless the model cannot be had.
fn builder() -> Option<OnnxBuilder> {
    let folder = support::model::folder()?;
    Some(Onnx::builder("all-MiniLM-L6-v2", folder).max_tokens(256))
}

fn is_same(one: &Embeddings, other: &Embeddings) -> bool {
    one.len() == other.len()
        && one
            .rows()
            .zip(other.rows())
            .all(|(one, other)| difference(one, other) <= 1e-6)
}

#[test]
fn without_settings_a_model_takes_means_and_normalizes() {
    let (Some((mini_lm, _)), Some(builder)) = (mini_lm(), builder()) else {
        return;
    };
    let onnx = builder.build().unwrap();
    let texts = [text(300, 1), text(5, 2)];
    let texts = texts.each_ref().map(String::as_str);
    let expected = mini_lm.embed_documents(&texts).unwrap();
    assert!(is_same(&onnx.embed_documents(&texts).unwrap(), &expected));
    assert_eq!(onnx.dimension(), Some(384));
    assert_eq!(onnx.name(), "sentence_transformer");
    assert_eq!(onnx.config().unwrap()["model_name"], "all-MiniLM-L6-v2");
    assert_eq!(onnx.default_space(), Space::Cosine);
    assert_eq!(mini_lm.name(), "default");
    assert_eq!(mini_lm.config(), Some(json!({})));
    assert_eq!(mini_lm.default_space(), Space::L2);
}

#[test]
fn prefixes_are_put_before_documents_and_queries() {
    let (Some((mini_lm, _)), Some(builder)) = (mini_lm(), builder()) else {
        return;
    };
    let onnx = builder.document_prefix("passage: ").query_prefix("query: ");
    let onnx = onnx.build().unwrap();
    let prefixed = |text| mini_lm.embed_documents(&[text]).unwrap();
    let [document, query] = [prefixed("passage: a river"), prefixed("query: a river")];
    assert!(!is_same(&document, &query));
    assert!(is_same(
        &onnx.embed_documents(&["a river"]).unwrap(),
        &document
    ));
    assert!(is_same(&onnx.embed_queries(&["a river"]).unwrap(), &query));
}

#[test]
fn pooling_takes_the_first_token_or_the_mean() {
    let (Some((mini_lm, _)), Some(builder)) = (mini_lm(), builder()) else {
        return;
    };
    let texts = ["a river", "seven letters in the garden"];
    let cls = builder.pooling(Pooling::Cls).build().unwrap();
    let together = cls.embed_documents(&texts).unwrap();
    assert!(!is_same(
        &together,
        &mini_lm.embed_documents(&texts).unwrap()
    ));
    for (text, row) in texts.iter().zip(together.rows()) {
        let alone = cls.embed_documents(&[text]).unwrap();
        assert!(difference(alone.row(0).unwrap(), row) <= 1e-6);
    }
}

#[test]
fn without_normalization_vectors_have_other_lengths() {
    let (Some((mini_lm, _)), Some(builder)) = (mini_lm(), builder()) else {
        return;
    };
    let onnx = builder.normalize(false).build().unwrap();
    let found = onnx.embed_documents(&["a river"]).unwrap();
    let found = found.row(0).unwrap();
    let length = found.iter().map(|x| x * x).sum::<f32>().sqrt();
    assert!((length - 1.0).abs() > 0.01, "{length}");
    let scaled: Vec<f32> = found.iter().map(|x| x / length).collect();
    let expected = mini_lm.embed_documents(&["a river"]).unwrap();
    assert!(difference(&scaled, expected.row(0).unwrap()) <= 1e-6);
    assert_eq!(onnx.config().unwrap()["normalize_embeddings"], false);
}

#[test]
fn texts_are_cut_at_the_most_tokens() {
    let Some(builder) = builder() else { return };
    let cut = builder.clone().max_tokens(5).build().unwrap();
    let long = cut
        .embed_documents(&["river stone garden window paper"])
        .unwrap();
    let short = cut.embed_documents(&["river stone garden"]).unwrap();
    assert!(is_same(&long, &short));
    let longer = builder.max_tokens(6).build().unwrap();
    let longer = longer
        .embed_documents(&["river stone garden window paper"])
        .unwrap();
    assert!(!is_same(&long, &longer));
}
