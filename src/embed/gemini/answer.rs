//! What Gemini answers: vectors, or Google's form of an error.

use std::time::Duration;

use serde_json::Value;

use crate::error::Error;
use crate::transport::{Dialect, Operation, Refusal};
#[cfg(feature = "opentelemetry")]
use crate::transport::{Endpoint, Outgoing};
use crate::wire::cursor::Cursor;
use crate::wire::read::{shown, unread};
#[cfg(feature = "opentelemetry")]
use opentelemetry::KeyValue;

/// Reads the vectors of these texts, one behind the other, and gives them unit length where they have not. The texts are
/// named by their indices where a vector is wrong.
pub(super) fn read(
    answer: &[u8],
    texts: &[usize],
    dimension: usize,
    unit: bool,
) -> Result<Vec<f32>, String> {
    let mut floats = Vec::with_capacity(texts.len() * dimension);
    let mut lengths = None;
    Cursor::object(answer, |at, key| match key {
        "embeddings" => {
            lengths = Some(at.list(|at| {
                let mut length = 0;
                at.members(|at, key| match key {
                    "values" => at.floats(&mut floats).map(|found| length = found),
                    _ => at.skip(),
                })?;
                Ok(length)
            })?);
            Ok(())
        }
        _ => at.skip(),
    })
    .map_err(|what| unread(answer, &what))?;
    let lengths = lengths.ok_or_else(|| unread(answer, "no embeddings"))?;
    if lengths.len() != texts.len() {
        let (found, texts) = (lengths.len(), texts.len());
        return Err(format!("{found} vectors for {texts} texts"));
    }
    let mut both = texts.iter().zip(&lengths);
    if let Some((text, found)) = both.find(|(_, length)| **length != dimension) {
        return Err(format!(
            "the vector of text {text} has {found} floats, not {dimension}"
        ));
    }
    if floats.len() != texts.len() * dimension {
        return Err(unread(answer, "a key that is there twice"));
    }
    for (text, vector) in texts.iter().zip(floats.chunks_exact_mut(dimension)) {
        let square: f64 = vector.iter().map(|x| f64::from(*x).powi(2)).sum();
        if !square.is_finite() || square == 0.0 {
            return Err(format!(
                "the vector of text {text} has no direction (its length is {})",
                square.sqrt()
            ));
        }
        if !unit {
            let length = square.sqrt();
            for x in vector {
                *x = (f64::from(*x) / length) as f32;
            }
        }
    }
    Ok(floats)
}

/// Whether an error may be about some of the texts, or about their being so many bytes.
pub(super) fn refuses_texts(error: &Error) -> bool {
    match error {
        Error::Server { status: 413, .. } => true,
        Error::Server { status, name, .. } => *status == 400 && name == "INVALID_ARGUMENT",
        _ => false,
    }
}

/// How Google's APIs say no: `{"error":{"code":…,"message":…,"status":…,"details":[…]}}`.
#[derive(Debug)]
pub(super) struct Google;

impl Dialect for Google {
    fn error(&self, refusal: Refusal) -> Error {
        let Refusal {
            call,
            status,
            retry_after,
            body,
        } = refusal;
        // Field by field: one that is odd does not hide the others.
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        let fault = &answer.get(0).unwrap_or(&answer)["error"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let message = match text(&fault["message"]) {
            none if none.is_empty() => shown(&body),
            message => message,
        };
        let details = fault["details"].as_array().map_or(&[][..], Vec::as_slice);
        let bad_key = details.iter().any(|d| d["reason"] == "API_KEY_INVALID");
        let per_day = (details.iter())
            .filter_map(|detail| detail["violations"].as_array())
            .flatten()
            .map(|violation| text(&violation["quotaId"]))
            .find(|quota| quota.contains("PerDay"));
        let retry_after = details
            .iter()
            .find_map(|detail| duration(detail["retryDelay"].as_str()?))
            .or(retry_after);
        match status {
            401 | 403 => Error::Unauthorized {
                call,
                status,
                message,
            },
            400 if bad_key => Error::Unauthorized {
                call,
                status,
                message,
            },
            404 => Error::NotFound { call, message },
            429 => match per_day {
                Some(quota) => Error::QuotaExhausted {
                    call,
                    quota,
                    message,
                },
                None => Error::RateLimited {
                    call,
                    retry_after,
                    message,
                },
            },
            _ => Error::Server {
                call,
                status,
                name: text(&fault["status"]),
                retry_after,
                message,
            },
        }
    }

    #[cfg(feature = "opentelemetry")]
    fn span(&self, out: Outgoing<'_>, _: &Endpoint) -> (String, Vec<KeyValue>) {
        let model = out.subject.unwrap_or_default();
        let attributes = vec![
            KeyValue::new("gen_ai.operation.name", "embeddings"),
            KeyValue::new("gen_ai.provider.name", "gcp.gemini"),
            KeyValue::new("gen_ai.request.model", model.to_owned()),
        ];
        (format!("embeddings {model}"), attributes)
    }

    fn subject_is(&self, _: &Operation) -> &'static str {
        "model"
    }

    fn unreachable_hint(&self) -> &'static str {
        "is the network up? A proxy is taken from HTTPS_PROXY"
    }
}

/// A protobuf duration: `31s`, `0.5s`, `31.247891s`.
fn duration(text: &str) -> Option<Duration> {
    let seconds = text.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Call;

    #[test]
    fn shortened_vectors_get_unit_length() {
        let answer = br#"{"embeddings":[{"values":[3.0,4.0]},{"values":[0.0,-2.0]}]}"#;
        assert_eq!(
            read(answer, &[0, 1], 2, false).unwrap(),
            [0.6, 0.8, 0.0, -1.0]
        );
        assert_eq!(
            read(answer, &[0, 1], 2, true).unwrap(),
            [3.0, 4.0, 0.0, -2.0]
        );
    }

    #[test]
    fn a_wrong_answer_is_never_data() {
        for bad in [
            r#"{"embeddings":[{"values":[1.0,2.0]}]}"#,
            r#"{"embeddings":[{"values":[1.0,2.0]},{"values":[1.0]}]}"#,
            r#"{"embeddings":[{"values":[1.0,2.0]},{"values":[]}]}"#,
            r#"{"embeddings":[{"values":[1.0,2.0]},{}]}"#,
            r#"{"embeddings":[{"values":[1.0,2.0]},{"values":[0.0,0.0]}]}"#,
            r#"{"embeddings":[{"values":[1.0,2.0]},{"values":[1e39,0.0]}]}"#,
            r#"{"embedding":{"values":[1.0,2.0]}}"#,
            r#"{"embeddings":[{"values":[1.0,2.0]},{"values":[1.0,2.0],"values":[1.0,2.0]}]}"#,
            r#"{"embeddings":[{"values":[1.0,2.0]},{"values":[null,2.0]}]}"#,
            "",
        ] {
            assert!(read(bad.as_bytes(), &[0, 1], 2, false).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_wrong_vector_is_named_by_its_text() {
        for second in ["0.0,-0.0", "1.0"] {
            let answer =
                format!(r#"{{"embeddings":[{{"values":[3,4]}},{{"values":[{second}]}}]}}"#);
            let error = read(answer.as_bytes(), &[3, 217], 2, false).unwrap_err();
            assert!(error.starts_with("the vector of text 217 has "), "{error}");
        }
    }

    fn error(status: u16, body: &str) -> Error {
        Google.error(Refusal {
            call: Box::new(Call::new("embed", None)),
            status,
            retry_after: None,
            body: body.into(),
        })
    }

    #[test]
    fn googles_errors_are_understood() {
        let limited = error(
            429,
            r#"{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED","details":[
                {"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[]},
                {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"31.5s"}]}}"#,
        );
        assert!(matches!(
            limited,
            Error::RateLimited { retry_after: Some(wait), .. } if wait == Duration::from_millis(31_500)
        ));
        let key = r#"{"error":{"code":400,"message":"API key not valid","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}"#;
        assert!(matches!(
            error(400, key),
            Error::Unauthorized { status: 400, .. }
        ));
        assert!(matches!(error(403, "{}"), Error::Unauthorized { .. }));
        assert!(matches!(error(404, "{}"), Error::NotFound { .. }));
        let overloaded =
            r#"{"error":{"message":"The model is overloaded","status":"UNAVAILABLE"}}"#;
        let overloaded = error(503, overloaded);
        assert!(overloaded.is_retryable());
        assert_eq!(
            overloaded.to_string(),
            "embed: HTTP 503 UNAVAILABLE: The model is overloaded"
        );
        assert!(
            error(502, "<html>bad gateway")
                .to_string()
                .contains("bad gateway")
        );
    }

    #[test]
    fn one_odd_field_hides_no_other() {
        let odd = |error: &str| format!(r#"[{{"error":{error}}}]"#);
        let limited = error(
            429,
            &odd(
                r#"{"code":"429","message":7,"status":null,"details":[null,3,{"violations":{}},
                {"reason":[],"violations":[1,{"quotaId":2}]},{"retryDelay":5},{"retryDelay":"2s"}]}"#,
            ),
        );
        assert!(
            limited.to_string().contains("retryDelay"),
            "as it came: {limited}"
        );
        assert_eq!(limited.asked_wait(), Some(Duration::from_secs(2)));
        let key =
            odd(r#"{"message":"no","details":[{"retryDelay":1,"reason":"API_KEY_INVALID"}]}"#);
        assert!(matches!(error(400, &key), Error::Unauthorized { .. }));
        let named = error(
            500,
            &odd(r#"{"status":"INTERNAL","message":"oops","details":"none"}"#),
        );
        assert_eq!(named.to_string(), "embed: HTTP 500 INTERNAL: oops");
    }

    #[test]
    fn a_quota_of_the_day_is_told_from_one_of_the_minute() {
        let limited = |quotas: &[&str]| {
            let violation = |quota| serde_json::json!({ "quotaId": quota, "quotaValue": "1000" });
            let violations: Vec<_> = quotas.iter().map(violation).collect();
            let details = serde_json::json!([{ "violations": violations }, { "retryDelay": "3s" }]);
            let fault = serde_json::json!({ "error": { "message": "quota", "details": details } });
            error(429, &fault.to_string())
        };
        let minute = limited(&["EmbedContentRequestsPerMinutePerUser-FreeTier"]);
        assert!(minute.is_retryable(), "{minute}");
        let day = limited(&["PerMinute", "EmbedContentRequestsPerDayPerUser-FreeTier"]);
        assert!(!day.is_retryable());
        assert_eq!(day.status(), Some(429));
        assert_eq!(
            day.to_string(),
            "embed: the quota EmbedContentRequestsPerDayPerUser-FreeTier is used up: quota"
        );
    }

    #[test]
    fn what_may_be_about_the_texts_is_known() {
        let invalid = r#"{"error":{"message":"bad","status":"INVALID_ARGUMENT"}}"#;
        let location = r#"{"error":{"message":"bad","status":"FAILED_PRECONDITION"}}"#;
        let key = r#"{"error":{"message":"bad","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}"#;
        assert!(refuses_texts(&error(400, invalid)));
        assert!(refuses_texts(&error(413, "<html>")));
        for (status, body) in [(400, location), (400, key), (400, "{}"), (500, invalid)] {
            assert!(!refuses_texts(&error(status, body)), "{status} {body}");
        }
    }

    #[test]
    fn durations_as_protobuf_writes_them() {
        assert_eq!(duration("31s"), Some(Duration::from_secs(31)));
        assert_eq!(duration("0.5s"), Some(Duration::from_millis(500)));
        for bad in ["", "s", "5", "-1s", "NaNs", "1e99s"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }
}
