//! Plants a canary for each secret, lets servers, providers and proxies repeat it in every form, and searches
//! everything that the crate prints, logs, counts, traces and writes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod calls;
mod files;
mod gemini;
mod hostile;
mod observers;
#[cfg(unix)]
mod programs;
mod proxies;
mod search;
mod secrets;
mod servers;
mod settings;
#[path = "../support/mod.rs"]
mod support;
mod transfers;

use std::sync::atomic::Ordering::Relaxed;

use search::{Found, SEARCH, Search};
use secrets::{ALL, Form};
use support::folder::Folder;

/// Whether all combinations are tried. By default, each value occurs with some of the others.
fn is_full() -> bool {
    std::env::var_os("CANARY_FULL").is_some_and(|value| !value.is_empty())
}

/// Returns the findings, grouped by secret, form and place.
fn summary(found: &[Found]) -> Vec<String> {
    let mut groups = std::collections::BTreeMap::<_, Vec<&Found>>::new();
    for one in found {
        let key = (one.secret, format!("{:?}", one.form), one.place.as_str());
        groups.entry(key).or_default().push(one);
    }
    let line = |((secret, form, place), all): ((_, _, _), Vec<&Found>)| {
        let Found { case, excerpt, .. } = all[0];
        format!(
            "{} times {secret} as {form} in: {place}\n    first: {case}\n    {excerpt:?}",
            all.len()
        )
    };
    groups.into_iter().map(line).collect()
}

#[test]
fn canary_no_secret_is_in_any_output() {
    observers::install();
    let folder = Folder::new();
    servers::run(&folder.0);
    servers::cuts();
    servers::fields();
    gemini::run(&folder.0);
    proxies::run();
    settings::run();
    #[cfg(unix)]
    programs::run(&folder);
    files::look_into(&folder.0);

    calls::assert_complete();
    for (number, seen) in observers::EXCEPTIONS_SEEN.iter().enumerate() {
        assert!(seen.load(Relaxed), "exception {number} is none any more");
    }
    let kinds = SEARCH.kinds();
    for (kind, count) in &kinds {
        println!("{count:>9}  {kind}");
    }
    let found = SEARCH.found();
    println!(
        "searched {} places for {} secrets in {} forms: {} found",
        SEARCH.places(),
        ALL.len(),
        Form::ALL.len(),
        found.len()
    );
    assert!(found.is_empty(), "{}", summary(&found).join("\n"));
}

/// The search itself: each secret is found in each form, whole, in part and between other bytes.
#[test]
fn canary_a_planted_secret_is_found() {
    let search = Search::of(&ALL);
    for secret in ALL {
        for form in Form::ALL {
            for written in secret.written(form) {
                let shown = format!("{secret:?} {written}");
                for text in [written.clone(), format!("\u{fffd}a {written} z")] {
                    assert!(search.holds(&text), "{shown}");
                }
            }
            let middle: String = secret.value.chars().skip(3).take(9).collect();
            if middle.chars().count() == 9 && !form.is_base64() {
                assert!(
                    search.holds(format!("<{}>", form.write(&middle))),
                    "{middle}"
                );
            }
        }
        let short: String = secret.value.chars().take(8).collect();
        let is_whole = short.len() == secret.value.len();
        assert_eq!(
            search.holds(&short),
            is_whole || secret.value.len() < 9,
            "{short}"
        );
    }
    assert!(!search.holds("<hidden> Bearer Basic vogel: dm9nZWw6 ck- AIzaSy"));
    search.look(
        "error {}",
        format!("cannot read {}", secrets::API_KEY.value),
    );
    assert_eq!((search.places(), search.found().len()), (1, 1));
}
