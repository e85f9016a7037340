//! [`with_options`]: messages of the library name its setters; this adds the options of the command.

use std::error::Error;

use clap::Command;

/// Setters as messages name them, and the options that call them.
const SETTERS: [(&str, &str); 11] = [
    (".allow_losses(", "allow-losses"),
    (".allow_same_function(", "allow-same-function"),
    (".base(", "base"),
    (".embedding_function(", "function"),
    (".name(", "as"),
    (".old_name(", "old-name"),
    (".restart_with(", "restart"),
    (".skip_without_document(", "skip-without-document"),
    ("concurrency is ", "concurrency"),
    ("if_exists", "if-exists"),
    ("max_rate is ", "max-rate"),
];

/// Returns the message of an error. If the library names setters in it, adds the options of the command.
pub(crate) fn with_options(error: &(dyn Error + 'static), command: Option<&Command>) -> String {
    let mut message = format!("{error:#}");
    if !error.is::<chroma_blocking::Error>() {
        return message;
    }
    let has = |option| {
        command.is_some_and(|command| {
            command
                .get_arguments()
                .any(|one| one.get_long() == Some(option))
        })
    };
    let named = SETTERS
        .iter()
        .filter(|(setter, option)| message.contains(setter) && has(option));
    let mut options: Vec<String> = named.map(|(_, option)| format!("--{option}")).collect();
    if message.contains("Client::repair_swap") {
        options.push("the same command again".to_owned());
    }
    if !options.is_empty() {
        message.push_str("; in chroma_client: ");
        message.push_str(&options.join(", "));
    }
    message
}
