//! [`Google`]: the errors of Google's APIs.

use crate::embed::http::TOO_LARGE;
use std::time::Duration;

use serde_json::Value;

use crate::error::Error;
#[cfg(feature = "opentelemetry")]
use crate::transport::HttpRequest;
use crate::transport::{CHECK_THE_NETWORK, Dialect, Endpoint, ErrorResponse, Operation};
#[cfg(feature = "opentelemetry")]
use opentelemetry::KeyValue;

/// Google's name for an error in the request.
const INVALID_ARGUMENT: &str = "INVALID_ARGUMENT";

/// Returns whether an error may be about some of the texts, or about their size in bytes.
pub(super) fn is_about_texts(error: &Error) -> bool {
    match error {
        Error::Server { status: 413, .. } => true,
        Error::Server { status, name, .. } => *status == 400 && name == INVALID_ARGUMENT,
        _ => false,
    }
}

/// The form of errors of Google's APIs: `{"error":{"code":…,"message":…,"status":…,"details":[…]}}`.
#[derive(Debug)]
pub(super) struct Google;

/// The error object of a response. Every field is read on its own, so that an unexpected one does not hide
/// the others.
struct Fault<'a>(&'a Value);

impl Fault<'_> {
    fn details(&self) -> &[Value] {
        self.0["details"].as_array().map_or(&[][..], Vec::as_slice)
    }

    /// Whether the key is refused. A gateway may drop the details, so the message counts as well.
    fn is_bad_key(&self) -> bool {
        let has_reason = |detail: &Value| detail["reason"] == "API_KEY_INVALID";
        let message = text(&self.0["message"]).to_ascii_lowercase();
        let says = |words: &&str| message.contains(words);
        let about_key = message.starts_with("api key") || message.starts_with("api_key");
        self.details().iter().any(has_reason)
            || about_key
                && ["not valid", "not found", "expired", "invalid"]
                    .iter()
                    .any(says)
    }

    /// Returns the quota that no short wait restores, if the error is about one: a quota of a day or longer,
    /// a quota of zero, or the money of the account. The name is empty if the error has none.
    fn lasting_quota(&self) -> Option<String> {
        let details = self.details().iter();
        let violations = details
            .clone()
            .filter_map(|detail| detail["violations"].as_array())
            .flatten()
            .map(|violation| (&violation["quotaId"], &violation["quotaValue"]));
        // `ErrorInfo` has the same facts under other names.
        let reasons = details
            .map(|detail| &detail["metadata"])
            .map(|metadata| (&metadata["quota_limit"], &metadata["quota_limit_value"]));
        let named = violations
            .chain(reasons)
            .map(|(id, value)| (text(id), is_zero(value)))
            .find(|(id, is_zero)| *is_zero || LONG_PERIODS.iter().any(|period| id.contains(period)))
            .map(|(id, _)| id);
        named.or_else(|| says_no_credit(&text(&self.0["message"])).then(String::new))
    }

    fn retry_delay(&self) -> Option<Duration> {
        let mut details = self.details().iter();
        details.find_map(|detail| duration(detail["retryDelay"].as_str()?))
    }
}

/// The parts of names of quotas that are not restored within minutes.
const LONG_PERIODS: [&str; 3] = ["PerDay", "PerWeek", "PerMonth"];

/// Whether a number, which protobuf writes as a string, is zero.
fn is_zero(value: &Value) -> bool {
    value == "0" || value == 0
}

/// Whether a message says that the account has no money left, or that the quota is zero. Google has no field
/// for this.
fn says_no_credit(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    let has_zero_limit = message
        .split("limit: 0")
        .skip(1)
        .any(|rest| !rest.starts_with(|c: char| c.is_ascii_digit() || c == '.'));
    let says = |words: &str| message.contains(words);
    has_zero_limit
        || says("credit") && (says("depleted") || says("exhausted") || says("insufficient"))
        || says("spending cap")
        || says("spend cap")
        || says("spending limit")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl Dialect for Google {
    fn error(&self, mut response: ErrorResponse<'_>) -> Error {
        let answer: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        let fault = Fault(&answer.get(0).unwrap_or(&answer)["error"]);
        let message = match fault.0["message"].as_str() {
            None | Some("") => response.shown(),
            Some(message) => response.clean(message),
        };
        let quota = fault.lasting_quota().map(|quota| response.clean(&quota));
        let name = match fault.0["status"].as_str() {
            // The client looks for it later. A secret may be the same word.
            Some(INVALID_ARGUMENT) => INVALID_ARGUMENT.to_owned(),
            other => response.clean(other.unwrap_or_default()),
        };
        response.retry_after = fault.retry_delay().or(response.retry_after);
        let is_bad_key = |status| status == 400 && fault.is_bad_key();
        match (response.status, quota) {
            (status, _) if matches!(status, 401 | 403) || is_bad_key(status) => {
                Error::Unauthorized {
                    call: response.call,
                    status,
                    message,
                }
            }
            (429, Some(quota)) => Error::QuotaExhausted {
                call: response.call,
                quota,
                message,
            },
            _ => response.into_error(name, message),
        }
    }

    #[cfg(feature = "opentelemetry")]
    fn span(&self, out: HttpRequest<'_>, _: &Endpoint) -> (String, Vec<KeyValue>) {
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

    fn too_large_hint(&self) -> &'static str {
        TOO_LARGE
    }

    fn unreachable_hint(&self, _: &Endpoint) -> String {
        CHECK_THE_NETWORK.to_owned()
    }
}

/// Reads a duration in the JSON form of protobuf: `31s`, `0.5s`, `31.247891s`.
fn duration(text: &str) -> Option<Duration> {
    let seconds = text.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Call;
    use crate::transport::error_of;

    fn error(status: u16, body: &str) -> Error {
        error_without(&[], status, body)
    }

    fn error_without(secrets: &[String], status: u16, body: &str) -> Error {
        error_of(
            &Google,
            Call::new("embed", None),
            (status, body.as_bytes()),
            secrets,
        )
    }

    #[test]
    fn errors_of_google_are_recognized() {
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
    fn secure_07_a_secret_that_is_a_word_of_the_response_changes_no_kind() {
        let words = "messaging message error status details reason API_KEY_INVALID violations quotaId PerDay \
            quotaValue 0 1 400 429 true INVALID_ARGUMENT retryDelay credits depleted expired api key limit";
        let words: Vec<_> = words.split(' ').map(str::to_owned).collect();
        let fault = |more: &str| format!(r#"{{"error":{{"code":400,"message":"m"{more}}}}}"#);
        let details = |details: &str| fault(&format!(r#","details":[{details}]"#));
        for (status, body) in [
            (400, details(r#"{"reason":"API_KEY_INVALID"}"#)),
            (400, r#"{"error":{"message":"API key expired"}}"#.to_owned()),
            (400, fault(r#","status":"INVALID_ARGUMENT""#)),
            (429, details(&violation("PerDay", "1"))),
            (429, details(&violation("PerMinute", "0"))),
            (429, details(&violation("PerMinute", "1"))),
            (
                429,
                r#"{"error":{"message":"credits are depleted"}}"#.to_owned(),
            ),
            (
                429,
                r#"{"error":{"message":"Quota exceeded, limit: 0"}}"#.to_owned(),
            ),
            (503, fault("")),
        ] {
            let facts = |error: &Error| (error.kind(), is_about_texts(error), error.asked_wait());
            let (usual, found) = (error(status, &body), error_without(&words, status, &body));
            assert_eq!(facts(&found), facts(&usual), "{body}: {found}");
        }
    }

    #[test]
    fn secure_07_an_error_shows_no_secret_of_any_part_of_the_response() {
        let secret = "AIza-of-the-client";
        let message = r#"{"error":{"message":"no KEY","status":"KEY","details":[]}}"#;
        let fields = r#"[{"error":{"KEY":"KEY","details":[{"KEY":["KEY"]}]}}]"#;
        let quota = r#"{"error":{"message":"no KEY","details":[{"violations":[{"quotaId":"PerDayKEY"}]}]}}"#;
        for body in [message, fields, quota, "<p>KEY</p>"] {
            for status in [400, 401, 404, 413, 429, 500] {
                let body = body.replace("KEY", secret);
                let shown = error_without(&[secret.to_owned()], status, &body).to_string();
                assert!(
                    shown.contains("<hidden>") && !shown.contains("AIza"),
                    "{shown}"
                );
            }
        }
    }

    #[test]
    fn an_unexpected_field_does_not_hide_the_others() {
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
            "the whole body: {limited}"
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
    fn a_quota_per_day_is_distinguished_from_one_per_minute() {
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
            "embed: the quota EmbedContentRequestsPerDayPerUser-FreeTier is zero or used up: quota"
        );
    }

    fn limited(message: &str, details: &str) -> Error {
        let fault = format!(r#"{{"error":{{"message":"{message}","details":[{details}]}}}}"#);
        error(429, &fault)
    }

    fn violation(id: &str, value: &str) -> String {
        let violation = format!(r#"{{"quotaId":"{id}","quotaValue":{value}}}"#);
        format!(r#"{{"violations":[{violation}]}},{{"retryDelay":"3s"}}"#)
    }

    fn info(id: &str, value: &str) -> String {
        let metadata = format!(r#"{{"quota_limit":"{id}","quota_limit_value":"{value}"}}"#);
        format!(r#"{{"reason":"RATE_LIMIT_EXCEEDED","metadata":{metadata}}}"#)
    }

    #[test]
    fn field_08_a_quota_that_no_wait_restores_is_exhausted() {
        for (message, details, name) in [
            (
                "m",
                violation("PerMinute-FreeTier", r#""0""#),
                "PerMinute-FreeTier",
            ),
            ("m", violation("PerMinute", "0"), "PerMinute"),
            ("m", violation("PerDay", r#""1000""#), "PerDay"),
            ("m", violation("PerMonth", r#""1000""#), "PerMonth"),
            ("m", info("RequestsPerMinute", "0"), "RequestsPerMinute"),
            ("m", info("RequestsPerDay", "50"), "RequestsPerDay"),
            (
                "Your prepayment credits are depleted. Please go to AI Studio.",
                String::new(),
                "",
            ),
            (
                "Your project has exceeded its monthly spending cap.",
                String::new(),
                "",
            ),
            (
                "Quota exceeded for metric: x, limit: 0, model: y",
                String::new(),
                "",
            ),
            ("Quota exceeded for metric: x, limit: 0", String::new(), ""),
        ] {
            let found = limited(message, &details);
            assert!(
                matches!(&found, Error::QuotaExhausted { quota, .. } if quota == name),
                "{message} {details}: {found}"
            );
            assert!(
                !found.is_retryable() && found.to_string().contains(message),
                "{found}"
            );
        }
    }

    #[test]
    fn field_08_a_quota_that_a_wait_restores_is_a_rate_limit() {
        for (message, details) in [
            ("m", violation("PerMinute", r#""100""#)),
            ("m", info("PerMinute", "10")),
            (
                "Quota exceeded for metric: x, limit: 05, model: y",
                String::new(),
            ),
            ("Quota exceeded for metric: x, limit: 100", String::new()),
            (
                "Resource has been exhausted (e.g. check quota).",
                String::new(),
            ),
            (
                "You exceeded your current quota, please check your plan and billing details.",
                String::new(),
            ),
        ] {
            let found = limited(message, &details);
            assert!(matches!(found, Error::RateLimited { .. }), "{found}");
        }
    }

    #[test]
    fn field_08_a_bad_key_is_recognized_by_its_message_and_not_taken_for_a_bad_text() {
        for message in [
            "API key not valid. Please pass a valid API key.",
            "API key expired. Please renew the API key.",
            "API Key not found. Please pass a valid API key.",
        ] {
            let fault =
                format!(r#"{{"error":{{"message":"{message}","status":"INVALID_ARGUMENT"}}}}"#);
            let found = error(400, &fault);
            assert!(matches!(found, Error::Unauthorized { .. }), "{found}");
            assert!(!is_about_texts(&found));
        }
        let text = r#"{"error":{"message":"The text about an API key not valid","status":"INVALID_ARGUMENT"}}"#;
        assert!(is_about_texts(&error(400, text)));
    }

    #[test]
    fn errors_about_texts_are_recognized() {
        let invalid = r#"{"error":{"message":"bad","status":"INVALID_ARGUMENT"}}"#;
        let location = r#"{"error":{"message":"bad","status":"FAILED_PRECONDITION"}}"#;
        let key = r#"{"error":{"message":"bad","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}"#;
        assert!(is_about_texts(&error(400, invalid)));
        assert!(is_about_texts(&error(413, "<html>")));
        for (status, body) in [(400, location), (400, key), (400, "{}"), (500, invalid)] {
            assert!(!is_about_texts(&error(status, body)), "{status} {body}");
        }
    }

    #[test]
    fn protobuf_durations_are_read() {
        assert_eq!(duration("31s"), Some(Duration::from_secs(31)));
        assert_eq!(duration("0.5s"), Some(Duration::from_millis(500)));
        for bad in ["", "s", "5", "-1s", "NaNs", "1e99s"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }
}
