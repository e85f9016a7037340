//! API keys and tokens are in no log line, no error and no `Debug` output.

use std::fmt::Write;
use std::time::Duration;

use crate::support::stand_in::{Answer, StandIn, script};
use crate::support::{COLLECTION, builder, chroma_error, logs};

const TOKEN: &str = "ck-5ecret-t0ken";

#[test]
fn debug_output_errors_and_logs_hide_the_token() {
    let logs = logs();
    let answers = [
        Answer::ok(COLLECTION),
        Answer::new(503, "busy"),
        chroma_error(401),
        Answer::close(),
        Answer::raw("garbage\r\n\r\n"),
        Answer::html(404),
        Answer::new(307, "").header("location", "http://127.0.0.1:1/"),
        Answer::ok("{").announcing(9),
        Answer::hang(),
    ];
    let server = StandIn::start(script(answers));
    let builder = builder(&server.url()).api_key(TOKEN);
    let builder = builder.request_timeout(Duration::from_secs(2));
    let mut shown = format!("{builder:?} {builder:#?}");
    let client = builder.build().unwrap();
    let abc = client.collection("abc");
    let _ = write!(shown, "{client:?} {client:#?} {abc:?}");
    let abc = abc.get().unwrap();
    let _ = write!(shown, "{abc:?} {:?} {:?}", abc.get(), abc.query([1.0]));
    for _ in 0..4 {
        let error = abc.count().unwrap_err();
        let _ = write!(shown, "{error} {error:#} {error:?} {error:#?}");
    }
    assert!(!shown.contains(TOKEN), "{shown}");
    let sent = server.requests();
    assert!(
        sent.len() > 8
            && sent
                .iter()
                .all(|r| r.header("x-chroma-token") == Some(TOKEN))
    );
    logs.assert_free_of(&[TOKEN]);
}

#[cfg(feature = "gemini")]
mod gemini {
    use chroma_blocking::{EmbeddingFunction, Gemini};
    use serde_json::json;

    use super::*;
    use crate::support::fast;
    use crate::support::gemini::{KEY, fault};

    #[test]
    fn debug_output_errors_and_logs_hide_the_api_key() {
        let logs = logs();
        let server = StandIn::start(script([
            fault(503, "UNAVAILABLE", "overloaded", json!([])),
            Answer::close(),
            fault(401, "UNAUTHENTICATED", "no", json!([])),
            Answer::ok("{}"),
            Answer::raw("garbage\r\n\r\n"),
            Answer::new(302, "").header("location", "http://127.0.0.1:1/login"),
        ]));
        let builder = Gemini::builder().api_key(KEY).base_url(server.url());
        let builder = builder.dimension(128).retry(fast());
        let builder = builder.request_timeout(Duration::from_secs(1));
        let mut shown = format!("{builder:?}");
        let gemini = builder.build().unwrap();
        let _ = write!(shown, "{gemini:?} {gemini:#?} {:?}", gemini.config());
        for _ in 0..4 {
            let error = gemini.embed_documents(&["a"]).unwrap_err();
            let _ = write!(shown, "{error} {error:#} {error:?}");
        }
        let broken_key = Gemini::builder().api_key(format!("{KEY}\n")).build();
        let _ = write!(shown, "{:?}", broken_key.unwrap_err());
        assert!(!shown.contains(KEY), "{shown}");
        let received = server.requests();
        assert_eq!(received[0].header("x-goog-api-key"), Some(KEY));
        logs.assert_free_of(&[KEY]);
    }
}
