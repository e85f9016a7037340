//! Tests of [`Secrets`], with texts as servers, proxies and their logs write them.

use super::*;
use crate::transport::secret;

fn secrets() -> Secrets {
    let header = |name, value| (HeaderName::from_static(name), value);
    let headers = [
        header(
            "authorization",
            secret("token", "Bearer t0ken-t0ken").unwrap(),
        ),
        header("x-key", secret("key", "short").unwrap()),
        header("x-other", HeaderValue::from_static("no secret")),
    ];
    Secrets::new(&headers, &["pa$$word".to_owned()])
}

#[test]
fn secrets_are_hidden_in_texts() {
    let text = "t0ken-t0ken, Bearer t0ken-t0ken, short, no secret, pa$$word";
    assert_eq!(
        secrets().clean(text.to_owned()),
        "<hidden>, <hidden>, <hidden>, no secret, <hidden>"
    );
    assert_eq!(format!("{:?}", secrets()), "<hidden>");
}

#[test]
fn secrets_are_hidden_in_every_form_of_json() {
    let key = r#"a/b"c\d<-key"#;
    let header = (
        HeaderName::from_static("x-key"),
        secret("key", key).unwrap(),
    );
    let secrets = Secrets::new(&[header], &[]);
    for answer in [
        key.to_owned(),
        serde_json::json!({ "error": key }).to_string(),
        serde_json::json!({ key: [7] }).to_string(),
        serde_json::json!([key]).to_string().replace('/', r"\/"),
        // As Go writes it.
        serde_json::json!([key]).to_string().replace('<', r"\u003c"),
    ] {
        let hidden = secrets.clean_body(answer.as_bytes(), false);
        let hidden = String::from_utf8(hidden).unwrap();
        assert!(
            hidden.contains(HIDDEN) && !hidden.contains("-key"),
            "{hidden}"
        );
        let message = secrets.clean_message_about(answer.as_bytes(), answer.clone());
        assert!(!message.contains("-key"), "{message}");
    }
}

#[test]
fn secrets_are_hidden_in_urls() {
    let location = "http://login/?next=%2F&password=pa%24%24word".to_owned();
    assert_eq!(
        secrets().clean(location),
        "http://login/?next=%2F&password=<hidden>"
    );
}

#[test]
fn a_secret_may_have_letters_beyond_ascii() {
    let secrets = Secrets::new(&[], &["schlüssel".to_owned()]);
    assert_eq!(secrets.clean("a schlüssel".to_owned()), "a <hidden>");
    let body = secrets.clean_body(br#"["schl\u00fcssel"]"#, false);
    assert_eq!(body, br#"["<hidden>"]"#);
}

#[test]
fn secrets_are_hidden_among_bytes_that_are_not_utf_8() {
    let body = secrets().clean_body(b"\xFF pa$$word, pa$$word \xFE", false);
    assert_eq!(body, b"\xFF <hidden>, <hidden> \xFE");
}

#[test]
fn a_body_without_secrets_stays_as_it_is() {
    let body = br#"{ "error" : "NotFoundError" }"#.to_vec();
    assert_eq!(secrets().clean_body(&body, false), body);
}

#[test]
fn a_cause_keeps_its_type_unless_it_repeats_a_secret() {
    let harmless = io::Error::from(io::ErrorKind::ConnectionReset);
    let cause = secrets().clean_cause(harmless.into());
    let kind = cause.downcast_ref().map(io::Error::kind);
    assert_eq!(kind, Some(io::ErrorKind::ConnectionReset));
    let telling = io::Error::other("407 for pa$$word");
    let cause = secrets().clean_cause(telling.into());
    assert_eq!(format!("{cause}"), "407 for <hidden>");
    assert!(!format!("{cause:?}").contains("pa$$word"));
}

#[test]
fn long_messages_are_cut() {
    let text = "ä".repeat(100_000);
    let is_cut = |text: &str| text.len() <= MAX_MESSAGE + 10 && text.contains("ä…");
    assert!(is_cut(&secrets().clean(text.clone())));
    let body = secrets().clean_body(serde_json::json!([text]).to_string().as_bytes(), false);
    assert!(is_cut(&String::from_utf8(body).unwrap()));
}

#[test]
fn an_answer_with_a_part_of_a_secret_is_not_quoted() {
    let about = |answer: &str| secrets().clean_message_about(answer.as_bytes(), answer.to_owned());
    for answer in ["a t0ken-t0ken z", "cut here: t0ken-t", "pa$$wo"] {
        let message = about(answer);
        assert!(
            message.contains("secret") && !message.contains("t0ken"),
            "{message}"
        );
    }
    assert_eq!(about("t0ken"), "t0ken");
}

#[test]
fn a_secret_that_a_quote_cuts_in_two_is_not_shown() {
    #[derive(Debug, serde::Deserialize)]
    struct Count {
        #[serde(rename = "count")]
        _count: u64,
    }
    let numbers = "1,".repeat(4_000);
    let (before, after) = ("x".repeat(170), "y".repeat(300));
    let answer = format!(r#"{{"numbers":[{numbers}1],"count":"{before}t0ken-t0ken{after}"}}"#);
    let message = crate::wire::read::json::<Count>(answer.as_bytes()).unwrap_err();
    assert!(message.contains("t0ken"), "{message}");
    let message = secrets().clean_message_about(answer.as_bytes(), message);
    assert!(!message.contains("t0ken"), "{message}");
}

/// A token with characters that encoders treat differently, among other bytes.
const TOKEN: &str = "Qm-7+x/Kp=9_z~W.e?3>t:4";

fn of_token() -> Secrets {
    Secrets::new(&[], &[TOKEN.to_owned()])
}

/// The token in every encoding that servers, proxies and their logs use.
fn echoes(token: &str) -> Vec<String> {
    use base64_simd::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
    use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
    const FEW: &AsciiSet = &CONTROLS.add(b'+').add(b'?');
    const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');
    let percent = |set| utf8_percent_encode(token, set).to_string();
    let each = |form: &dyn Fn(u32) -> String| -> String {
        token.chars().map(|c| form(u32::from(c))).collect()
    };
    let hex: Vec<String> = token.bytes().map(|byte| format!("{byte:02x}")).collect();
    let hex = hex.concat();
    let mut all = vec![
        token.to_owned(),
        token.to_uppercase(),
        percent(NON_ALPHANUMERIC),
        percent(NON_ALPHANUMERIC).to_lowercase(),
        percent(RESERVED),
        percent(FEW),
        percent(NON_ALPHANUMERIC).replace('%', "%25"),
        each(&|c| format!("%{c:02X}")),
        each(&|c| format!("\\u{c:04x}")),
        each(&|c| format!("\\\\u{c:04X}")),
        each(&|c| format!("\\x{c:02x}")),
        each(&|c| format!("\\u{{{c:x}}}")),
        each(&|c| format!("&#{c};")),
        each(&|c| format!("&#x{c:X};")),
        token.replace('/', "\\/"),
        token.replace('>', "&gt;"),
        token.replace('>', "&amp;gt;"),
        token.replace('>', "\\u003e"),
        hex.to_uppercase(),
        hex,
    ];
    for around in ["", "u:", "me:", "user:"] {
        let text = format!("{around}{token}{around}");
        all.extend([
            STANDARD.encode_to_string(&text),
            STANDARD_NO_PAD.encode_to_string(&text),
            URL_SAFE.encode_to_string(&text),
            URL_SAFE_NO_PAD.encode_to_string(&text),
        ]);
        all.push(all[all.len() - 4].replace('/', "%2F").replace('+', "%2B"));
    }
    all
}

/// Whether a text shows eight characters in a row of an echo.
fn shows(text: &str, echo: &str) -> bool {
    echo.as_bytes()
        .windows(8)
        .any(|part| text.as_bytes().windows(8).any(|window| window == part))
}

#[test]
fn secure_07_a_secret_is_hidden_in_every_encoding() {
    for echo in echoes(TOKEN) {
        let shown = of_token().clean(format!("the key {echo} is unknown"));
        assert!(!shows(&shown, &echo), "{echo}: {shown}");
        assert!(
            shown.starts_with("the key ") && shown.ends_with(" is unknown"),
            "{shown}"
        );
        let body = format!(r#"{{"error":"E","message":{:?}}}"#, format!("x {echo} x"));
        for body in [body, format!("<p>{echo}</p>")] {
            let shown = of_token().clean_body(body.as_bytes(), false);
            let shown = String::from_utf8_lossy(&shown).into_owned();
            assert!(!shows(&shown, &echo), "{echo}: {shown}");
        }
    }
}

#[test]
fn secure_07_a_secret_across_any_cut_is_hidden_also_among_bad_bytes() {
    for echo in echoes(TOKEN) {
        for before in (150..200).step_by(7) {
            let mut body = vec![b'x'; before];
            body[7] = 0xFF;
            body.extend_from_slice(b" key ");
            body.extend_from_slice(echo.as_bytes());
            body.extend_from_slice(&[b'y'; 300]);
            let shown = crate::wire::read::shown(&of_token().clean_body(&body, false));
            assert!(!shows(&shown, &echo), "{echo} after {before}: {shown}");
        }
    }
}

#[test]
fn secure_07_a_secret_at_the_end_of_a_body_that_was_cut_off_is_hidden() {
    let token = "0123456789abcdefghijklmnopqrstuvw";
    let secrets = Secrets::new(&[], &[token.to_owned()]);
    for kept in AT_CUT..token.len() {
        let body = format!("bad key {}", &token[..kept]).into_bytes();
        assert_eq!(secrets.clean_body(&body, true), b"bad key <hidden>");
    }
    // Half of it is hidden wherever it stands, since the server may have cut its message.
    assert_eq!(
        secrets.clean(format!("bad key {}...", &token[..17])),
        "bad key <hidden>..."
    );
    // Servers show a few characters, so that the user recognizes the key.
    let masked = "bad key 01234***vw";
    assert_eq!(secrets.clean(masked.to_owned()), masked);
}

#[test]
fn secure_07_more_than_half_of_a_secret_is_hidden_wherever_it_begins() {
    for token in [TOKEN, &TOKEN[1..], "0123456789", "abcdefg"] {
        let secrets = Secrets::new(&[], &[token.to_owned()]);
        let count = token.len();
        let least = MIN_SECRET.max(count / 2 + 1);
        for start in 0..=count - least {
            for end in start + least..=count {
                let part = &token[start..end];
                for before in ["", "*****", "...", "k_", "\\n", "%7E"] {
                    let text = format!("no key {before}{part}, really");
                    let shown = secrets.clean(text);
                    let expected = format!("no key {before}<hidden>, really");
                    assert_eq!(shown, expected, "{part}");
                }
            }
        }
    }
    let count = TOKEN.len();
    for start in 0..=count / 2 {
        // In base64, the characters at the ends also depend on others. Later echoes have more around the token.
        let most = start + count.div_ceil(2) + 3;
        for echo in echoes(&TOKEN[start..most.min(count)]).into_iter().take(25) {
            let shown = of_token().clean(format!("no key {echo}, really"));
            assert!(
                shown.contains(HIDDEN) && !shows(&shown, &echo),
                "{echo}: {shown}"
            );
        }
    }
}

#[test]
fn secure_07_base64_in_lines_is_hidden_as_a_whole() {
    let token = TOKEN.repeat(9);
    let secrets = Secrets::new(&[], std::slice::from_ref(&token));
    for around in ["", "u:", "me:"] {
        let encoded = base64_simd::STANDARD.encode_to_string(format!("{around}{token}"));
        for line_break in ["\n", "\r\n"] {
            let lines: Vec<_> = encoded
                .as_bytes()
                .chunks(76)
                .map(String::from_utf8_lossy)
                .collect();
            let shown = secrets.clean(format!("sent {}", lines.join(line_break)));
            assert!(shown.len() < 30 && shown.contains(HIDDEN), "{shown}");
        }
    }
}

#[test]
fn secure_07_a_short_secret_is_hidden_where_it_is_a_word() {
    let secrets = |short: &str| Secrets::new(&[], &[short.to_owned()]);
    for (text, shown) in [
        ("login me:abc failed", "login me:<hidden> failed"),
        ("abc", "<hidden>"),
        ("?p=abc&x=\"abc\"", "?p=<hidden>&x=\"<hidden>\""),
        ("?p=%20abc%20&x=\\nabc", "?p=%20<hidden>%20&x=\\n<hidden>"),
        ("%61%62%63, \\u0061bc", "<hidden>, <hidden>"),
        ("YWJj, 616263", "<hidden>, <hidden>"),
        ("abcd, xabc, alphabc1", "abcd, xabc, alphabc1"),
    ] {
        assert_eq!(secrets("abc").clean(text.to_owned()), shown);
    }
    assert_eq!(secrets("7").clean("7 of 17".to_owned()), "<hidden> of 17");
    assert_eq!(secrets("").clean("nothing".to_owned()), "nothing");
}

#[test]
fn secure_07_letters_beyond_ascii_are_hidden_in_other_character_sets() {
    let secrets = Secrets::new(&[], &["schlüssel😀ñ".to_owned()]);
    for echo in [
        "schlüssel😀ñ".as_bytes(),
        b"schl\xFCssel",
        "schlÃ¼ssel".as_bytes(),
        b"schl%C3%BCssel%F0%9F%98%80%c3%b1",
        br"schl\u00fcssel\ud83d\ude00\u00f1",
        b"schl&#252;ssel&#128512;&#xf1;",
    ] {
        let body = [b"x ", echo, b"!"].concat();
        let shown = secrets.clean_body(&body, false);
        assert!(
            shown.starts_with(b"x <hidden>"),
            "{}",
            String::from_utf8_lossy(&shown)
        );
        assert!(!shows(&String::from_utf8_lossy(&shown), "schlüssel"));
    }
}

#[test]
fn secure_07_a_quote_from_the_middle_of_a_large_answer_shows_no_part_of_a_secret() {
    let token = "0123456789abcdefghijklmnopqrstuvw";
    let secrets = Secrets::new(&[], &[token.to_owned()]);
    let mut answer = vec![b'1'; MAX_SEARCHED];
    answer.extend_from_slice(token.as_bytes());
    for from in 1..24 {
        let message = format!("invalid type: string \"a…{}\"", &token[from..]);
        let shown = secrets.clean_message_about(&answer, message);
        assert!(shown.contains("contains a secret"), "{shown}");
    }
}

#[test]
fn secure_06_the_words_of_a_server_are_escaped_before_they_are_cut() {
    let evil = "\u{1b}[2J\u{9b}31m\u{202e}\r\nforged";
    let escaped = r"\u001b[2J\u009b31m\u202e\r\nforged";
    assert_eq!(secrets().clean(evil.to_owned()), escaped);
    let body = serde_json::json!({ "error": evil, "message": evil.repeat(1_000) });
    let body = secrets().clean_body(body.to_string().as_bytes(), false);
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["error"], escaped);
    let message = body["message"].as_str().unwrap();
    assert!(message.len() <= MAX_MESSAGE + 3, "{}", message.len());
    assert!(!message.contains(is_unprintable));
    let whole = escaped.repeat(1_000);
    assert!(whole.starts_with(message.strip_suffix('…').unwrap()));
    let cause = secrets().clean_cause(io::Error::other(evil).into());
    assert_eq!(cause.to_string(), escaped);
}

/// With a search whose steps grow with the text, this would take minutes.
#[test]
fn secure_07_the_search_is_linear_in_the_text() {
    let secrets = Secrets::new(&[], &["%\\&a-secret".to_owned(), TOKEN.to_owned()]);
    for part in [
        "\\", "&", "&amp;", "%25", "%", "\\u{", "\\u0", "Qm-7+x/K", "Q",
    ] {
        let text = part.repeat((1 << 13) / part.len());
        let body = secrets.clean_body(text.as_bytes(), true);
        assert!(body.len() > text.len() - 10, "{part}");
    }
}
