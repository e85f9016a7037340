//! Another client of Chroma: a program that gets a command per line, and prints its result.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use chroma_blocking::serde_json::{self, Map, Value, json};

use crate::Outcome;
use crate::cases::Made;
use crate::providers::Providers;
use crate::support::{other_client, server};

pub struct Other {
    program: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Other {
    pub fn python(providers: &Providers) -> Other {
        Other::start("PYTHON_CLIENT", "tests/clients/client.py", providers)
    }

    pub fn javascript(providers: &Providers) -> Other {
        Other::start("JAVASCRIPT_CLIENT", "target/clients/client.mjs", providers)
    }

    /// Runs a script with the command of the shell in a variable.
    fn start(variable: &str, script: &str, providers: &Providers) -> Other {
        let mut program = other_client(variable, script)
            .args([server::client().url(), &providers.at("")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Other {
            commands: program.stdin.take(),
            answers: BufReader::new(program.stdout.take().unwrap()),
            program,
        }
    }

    /// Makes a collection with one of the client's functions.
    pub fn make(&mut self, collection: &str, made: &Made, documents: &[(&str, &str)]) -> Outcome {
        let mut command = with_function("make", collection, made);
        command["documents"] = by_id(documents).into();
        self.call(&command).map(drop)
    }

    /// Opens a collection by its name, and adds documents.
    pub fn write(&mut self, collection: &str, documents: &[(&str, &str)]) -> Outcome {
        let documents = by_id(documents);
        let command = json!({ "call": "write", "collection": collection, "documents": documents });
        self.call(&command).map(drop)
    }

    /// Opens a collection by its name, and returns the id of the document that is nearest to a text.
    pub fn query(&mut self, collection: &str, text: &str) -> Outcome<String> {
        let command = json!({ "call": "query", "collection": collection, "text": text });
        let id = self.call(&command)?;
        Ok(id.as_str().unwrap_or_default().to_owned())
    }

    /// Like [`query`](Other::query), but opens the collection with one of the client's functions.
    pub fn query_with(&mut self, collection: &str, made: &Made, text: &str) -> Outcome<String> {
        let mut command = with_function("query_with", collection, made);
        command["text"] = text.into();
        let id = self.call(&command)?;
        Ok(id.as_str().unwrap_or_default().to_owned())
    }

    fn call(&mut self, command: &Value) -> Outcome<Value> {
        writeln!(self.commands.as_mut().unwrap(), "{command}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the client has ended at {command}");
        let mut answer: Value = serde_json::from_str(&line).unwrap();
        match answer["error"].as_str() {
            Some(error) => Err(format!("{} in the other client: {error}", command["call"]).into()),
            None => Ok(answer["done"].take()),
        }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // The program ends with its input.
        drop(self.commands.take());
        let _ = self.program.wait();
    }
}

fn with_function(call: &str, collection: &str, made: &Made) -> Value {
    let mut command = json!({
        "call": call,
        "collection": collection,
        "function": made.function,
        "arguments": made.arguments,
    });
    if let Some(module) = made.module {
        command["module"] = module.into();
    }
    command
}

fn by_id(documents: &[(&str, &str)]) -> Map<String, Value> {
    let documents = documents.iter();
    documents
        .map(|(id, text)| ((*id).to_owned(), Value::from(*text)))
        .collect()
}
