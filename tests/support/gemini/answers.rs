//! The answers of the stand-in for Google: errors, and vectors that are functions of their texts.

use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::stand_in::Answer;

/// A vector in JSON, float by float.
pub type Row = Vec<&'static str>;

/// Returns the text from which the vector of a text with a title is made.
pub fn titled(title: &str, text: &str) -> String {
    format!("{title}\n{text}")
}

/// Returns the vector of a text, which no other text has. Its length is not 1, so that a test can see whether
/// the client normalizes it. (Google's vectors of 3,072 dimensions have unit length.)
pub fn vector_of(text: &str, dimension: usize) -> Vec<f32> {
    floats_of(text, dimension).map(|float| float.0).collect()
}

/// Returns the vector of a text in JSON.
pub fn row_of(text: &str, dimension: usize) -> Row {
    floats_of(text, dimension)
        .map(|float| float.1.as_str())
        .collect()
}

fn floats_of(text: &str, dimension: usize) -> impl Iterator<Item = &'static (f32, String)> {
    let seed = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let mut state = text.bytes().fold(0xcbf2_9ce4_8422_2325, seed);
    (0..dimension).map(move |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        &floats()[(state >> 52) as usize]
    })
}

/// All floats of the vectors with their digits. Formatting them for each answer would take most of the time
/// of a benchmark.
fn floats() -> &'static [(f32, String)] {
    static FLOATS: OnceLock<Vec<(f32, String)>> = OnceLock::new();
    FLOATS.get_or_init(|| {
        let float = |i| (mixed(i) >> 40) as f32 / (1 << 23) as f32 - 1.0;
        let all = (0..1 << 12).map(float);
        all.map(|x| (x, serde_json::to_string(&x).unwrap()))
            .collect()
    })
}

/// Returns pseudo-random bits.
pub fn mixed(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Returns an answer with these vectors.
pub fn vectors(rows: &[Row], pretty: bool) -> Answer {
    let (line, float_line) = if pretty {
        ("\n    ", "\n        ")
    } else {
        ("", "")
    };
    let floats: usize = rows.iter().map(Vec::len).sum();
    let mut body = String::with_capacity(floats * (14 + float_line.len()) + 64);
    body += "{\"embeddings\":[";
    for (index, row) in rows.iter().enumerate() {
        body += if index > 0 { "," } else { "" };
        body += line;
        body += "{\"values\":[";
        for (index, float) in row.iter().enumerate() {
            body += if index > 0 { "," } else { "" };
            body += float_line;
            body += float;
        }
        body += line;
        body += "]}";
    }
    body += "]}";
    Answer::ok(body)
}

/// A defect of an answer.
#[derive(Debug, Clone, Copy)]
pub enum Wrong {
    /// A vector too few, or too many.
    Fewer,
    More,
    /// A float too few, too many, or no float at all.
    Short,
    Long,
    Empty,
    /// A value that is not a float.
    Float(&'static str),
    /// Nothing but zeros.
    Zeros,
}

impl Wrong {
    /// Applies the defect to the last vector or to the list.
    pub fn spoil(self, rows: &mut Vec<Row>) {
        let last = rows.len() - 1;
        match self {
            Wrong::Fewer => rows.truncate(last),
            Wrong::More => rows.push(rows[last].clone()),
            Wrong::Short => drop(rows[last].pop()),
            Wrong::Long => rows[last].push("0.5"),
            Wrong::Empty => rows[last].clear(),
            Wrong::Float(float) => rows[last][0] = float,
            Wrong::Zeros => rows[last].fill("0.0"),
        }
    }
}

/// The period of a quota.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Period {
    Minute,
    Day,
}

/// Returns an error 429: the quota of items per period is exceeded, with the wait until the next attempt.
pub fn over_quota(period: Period, limit: usize, model: &str, wait: Duration) -> Answer {
    let id = format!("EmbedContentRequestsPer{period:?}PerUserPerProjectPerModel-FreeTier");
    let details = json!([
        { "@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{
            "quotaMetric": "generativelanguage.googleapis.com/embed_content_free_tier_requests",
            "quotaId": id,
            "quotaDimensions": { "model": model, "location": "global" },
            "quotaValue": limit.to_string() }] },
        { "@type": "type.googleapis.com/google.rpc.Help", "links": [{
            "description": "Learn more about Gemini API quotas",
            "url": "https://ai.google.dev/gemini-api/docs/rate-limits" }] },
        { "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": format!("{}s", wait.as_secs_f64()) }
    ]);
    let message = "You exceeded your current quota, please check your plan and billing details.";
    fault(429, "RESOURCE_EXHAUSTED", message, details)
}

/// Returns the error for an invalid key.
pub fn bad_key() -> Answer {
    let details = json!([{
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "API_KEY_INVALID", "domain": "googleapis.com",
        "metadata": { "service": "generativelanguage.googleapis.com" }
    }]);
    let message = "API key not valid. Please pass a valid API key.";
    fault(400, "INVALID_ARGUMENT", message, details)
}

/// Returns the error 500.
pub fn internal() -> Answer {
    fault(500, "INTERNAL", "An internal error.", json!([]))
}

/// Returns the error 503.
pub fn overloaded() -> Answer {
    let message = "The model is overloaded. Please try again later.";
    fault(503, "UNAVAILABLE", message, json!([]))
}

/// Returns an error in Google's format.
#[allow(clippy::needless_pass_by_value, reason = "callers write json!(…)")]
pub fn fault(status: u16, name: &str, message: &str, details: Value) -> Answer {
    let error = json!({ "code": status, "message": message, "status": name, "details": details });
    let body = json!({ "error": error }).to_string();
    Answer::new(status, body).header("content-type", "application/json")
}
