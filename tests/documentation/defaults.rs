//! The defaults in the tables of `docs/operating.md`, beside those in the docs of each setting.

use crate::support::{markdown, source};
use crate::{assert_none, read, root};

/// What is said of a method in its docs, in one line.
fn docs(owner: &str, method: &str) -> Option<String> {
    for path in source::files(&root().join("src"), "rs") {
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let mut implemented = "";
        for (number, line) in lines.iter().enumerate() {
            if line.starts_with("impl") {
                implemented = line;
            }
            if line.starts_with(&format!("pub fn {method}("))
                && implemented.split([' ', '<', '{']).any(|word| word == owner)
            {
                let above = lines[..number].iter().rev();
                let mut comment: Vec<&str> =
                    above.map_while(|line| line.strip_prefix("///")).collect();
                comment.reverse();
                return Some(comment.concat());
            }
        }
    }
    None
}

#[test]
fn defaults_are_those_of_the_settings() {
    let text = read("docs/operating.md");
    let mut checked = 0;
    let mut wrong = Vec::new();
    for (line, row) in markdown::parts(&text).1 {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, setting, default, ..] = cells[..] else {
            continue;
        };
        let Some((owner, method)) = markdown::leading_spans(setting)
            .first()
            .and_then(|setting| setting.split_once("::"))
            // A type's, and not the target of a log.
            .filter(|(owner, _)| owner.starts_with(char::is_uppercase))
        else {
            continue;
        };
        checked += 1;
        let place = format!("docs/operating.md:{line}: {owner}::{method}");
        let Some(docs) = docs(owner, method) else {
            wrong.push(format!("{place}: there is no such setting"));
            continue;
        };
        // `Default [`Jitter::Half`].` is said without the link.
        let docs = docs.replace(['[', ']', '`'], "");
        let forms = [format!("Default {default}"), format!("Default: {default}")];
        // All of it, and not the beginning: 3 is neither 30 nor 3.5.
        let said = |form: &String| {
            let behind = docs.split(form.as_str()).skip(1);
            behind.into_iter().any(|rest| match rest.strip_prefix('.') {
                Some(rest) => rest.is_empty() || rest.starts_with(' '),
                None => rest.is_empty() || rest.starts_with([',', ';', ':', ')']),
            })
        };
        if !forms.iter().any(said) {
            wrong.push(format!(
                "{place}: {default} is not the default that its docs tell"
            ));
        }
    }
    assert!(checked > 10, "{checked} settings");
    assert_none("defaults that are others", wrong);
}
