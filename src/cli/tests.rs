//! Tests that the commands in the documents and in the help are commands of the program.

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use super::{AFTER_HELP, Arguments, INTRODUCTION};

const DOCUMENTS: [(&str, &str); 4] = [
    ("README.md", include_str!("../../README.md")),
    (
        "docs/from-python.md",
        include_str!("../../docs/from-python.md"),
    ),
    ("docs/moving.md", include_str!("../../docs/moving.md")),
    ("docs/operating.md", include_str!("../../docs/operating.md")),
];

/// Returns the commands in a line of a shell script, without their quotes.
fn split(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let (mut word, mut quote) = (None::<String>, None);
    for c in line.chars().chain(['\n']) {
        match (quote, c) {
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some(open), c) if open == c => quote = None,
            (None, '#') if word.is_none() => break,
            (None, ' ' | '\n' | '|' | '>' | ';' | '&' | '(' | ')') => {
                commands.last_mut().unwrap().extend(word.take());
                if !" \n".contains(c) {
                    commands.push(Vec::new());
                }
            }
            _ => word.get_or_insert_default().push(c),
        }
    }
    commands
}

/// Returns the arguments of each call of the program in lines of shell.
fn calls(lines: &str) -> Vec<Vec<String>> {
    let joined = lines.replace("\\\n", " ");
    let commands = joined.lines().flat_map(split);
    let calls = commands.filter_map(|words| {
        let start = words.iter().position(|word| word == "chroma_client")?;
        Some(
            words[start..]
                .iter()
                .filter(|word| *word != "--")
                .cloned()
                .collect(),
        )
    });
    calls.collect()
}

/// Returns the blocks of shell, and the inline code that begins with the name of the program.
fn shell(document: &str) -> String {
    let mut text = String::new();
    for (number, part) in document.split("```").enumerate() {
        if number % 2 == 1 {
            text += part.strip_prefix("sh\n").unwrap_or_default();
        } else {
            let code = part.split('`').skip(1).step_by(2);
            for code in code.filter(|code| code.starts_with("chroma_client ")) {
                text.extend(["\n", &code.replace('\n', " "), "\n"]);
            }
        }
    }
    text
}

fn check(place: &str, lines: &str, wrong: &mut Vec<String>) -> usize {
    let calls = calls(lines);
    for call in &calls {
        match Arguments::try_parse_from(call) {
            Err(error) if error.kind() == ErrorKind::DisplayHelp => {}
            Err(error) => wrong.push(format!("{place}: {}: {error}", call.join(" "))),
            Ok(_) => {}
        }
    }
    calls.len()
}

#[test]
fn commands_in_documents_and_help_are_valid() {
    let mut wrong = Vec::new();
    for (name, text) in DOCUMENTS {
        let count = check(name, &shell(text), &mut wrong);
        assert!(
            count > 0 || name != "docs/moving.md",
            "{name} has no command"
        );
    }
    // Commands are indented. A description follows after two spaces.
    let examples = INTRODUCTION
        .lines()
        .filter_map(|line| line.strip_prefix("  "));
    let examples: Vec<_> = examples
        .filter_map(|line| line.split("  ").next())
        .collect();
    check("the introduction", &examples.join("\n"), &mut wrong);
    check(
        "--help",
        AFTER_HELP.split("Example:").nth(1).unwrap(),
        &mut wrong,
    );
    for command in Arguments::command().get_subcommands() {
        let name = command.get_name();
        let help = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        let (_, examples) = help.split_once("Example").unwrap_or_default();
        let count = check(name, examples, &mut wrong);
        assert!(count > 0, "the help of {name} has no example");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn lines_are_split_as_a_shell_does() {
    let text = "```sh\nA='1 2' chroma_client get notes \\\n  --where '{\"a\":1}' | jq . # chroma_client no\n```\n`chroma_client ls`";
    let expected = [
        vec!["chroma_client", "get", "notes", "--where", "{\"a\":1}"],
        vec!["chroma_client", "ls"],
    ];
    assert_eq!(calls(&shell(text)), expected);
}

/// All users of a machine can list the arguments of its processes.
#[test]
fn secure_15_no_option_takes_a_secret() {
    let program = Arguments::command();
    let commands = program.get_subcommands().chain([&program]);
    let mut names = Vec::new();
    for command in commands {
        names.extend(
            command
                .get_arguments()
                .map(|argument| argument.get_id().as_str().to_owned()),
        );
    }
    assert!(names.len() > 50, "{names:?}");
    let is_secret = |name: &&String| {
        ["key", "token", "password", "secret"]
            .iter()
            .any(|word| name.contains(word))
    };
    assert_eq!(names.iter().find(is_secret), None);
}

/// Messages of the library name setters. The help says that options have the same names.
#[test]
fn options_have_the_names_of_setters() {
    for line in [
        "copy a --to b --if-exists mirror --name c --allow-losses --max-rate 1",
        "import a --collection b --embedding-function c --concurrency 1 --restart-with",
        "reembed a --name b --old-name c --allow-same-function --skip-without-document",
        "restore a --name b=c",
    ] {
        let words = ["chroma_client"].into_iter().chain(line.split(' '));
        let parsed = Arguments::try_parse_from(words);
        assert!(parsed.is_ok(), "{line}: {}", parsed.err().unwrap());
    }
}
