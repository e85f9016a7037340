//! `ls`, `count`, `head`, `get` and `query`.

use chroma_blocking::{Client, Record};
use serde_json::{Value, json};

use crate::json::assert_documented;
use crate::program::{run, server, servers, three_records};
use crate::support::server::unique_name;

fn keys(line: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = line
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}

#[test]
fn ls_lists_collections_with_their_records() {
    for url in servers() {
        let collection = three_records(url);
        let name = collection.name();
        let table = run(url, &["ls"]).ok();
        assert!(table.starts_with("COLLECTION "), "{table}");
        let row = table.lines().find(|row| row.starts_with(name)).unwrap();
        let cells: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(cells[1..3], ["3", "32"], "{row}");
        let lines = run(url, &["ls", "--json"]).json();
        let line = lines
            .iter()
            .find(|line| line["collection"] == name)
            .unwrap();
        assert_documented("ls`", line);
        assert_eq!(
            (&line["records"], &line["dimension"]),
            (&json!(3), &json!(32))
        );
        assert_eq!(line["id"], collection.id());
        if url == server("1.5.9") {
            assert_eq!(line["space"], "cosine");
            assert_eq!(line["embedding_function"], "chroma_blocking_hashing");
        }
    }
}

#[test]
fn ls_without_collections_prints_the_titles_alone() {
    let client = Client::new(server("1.5.9")).unwrap();
    let database = unique_name();
    client.create_database(&database).unwrap();
    let listed = run(server("1.5.9"), &["ls", "--database", &database]).ok();
    assert_eq!(listed.lines().count(), 1, "{listed}");
    let listed = run(server("1.5.9"), &["ls", "--json", "--database", &database]).ok();
    assert_eq!(listed, "");
    run(server("1.5.9"), &["ls", "--database", "no-such-database"]).fails(1);
}

#[test]
fn count_prints_the_number_alone() {
    for url in servers() {
        let collection = three_records(url);
        assert_eq!(run(url, &["count", collection.name()]).ok(), "3\n");
        let line = run(url, &["count", collection.name(), "--json"]).json();
        assert_eq!(
            line,
            [json!({ "collection": collection.name(), "records": 3 })]
        );
        let message = run(url, &["count", "no-such-name"]).fails(1);
        assert!(message.contains("no-such-name"), "{message}");
    }
}

#[test]
fn head_prints_the_first_records() {
    for url in servers() {
        let collection = three_records(url);
        let table = run(url, &["head", collection.name(), "-n", "2"]).ok();
        let ids: Vec<&str> = table
            .lines()
            .filter_map(|row| row.split(' ').next())
            .collect();
        assert_eq!(ids, ["ID", "rust", "go"], "{table}");
        assert!(table.contains("Rust has no garbage collector"), "{table}");
        let lines = run(url, &["head", collection.name(), "--json"]).json();
        assert_eq!(lines.len(), 3);
        assert_eq!(
            lines[0],
            json!({ "id": "rust", "document": "Rust has no garbage collector", "metadata": { "year": 2015 } })
        );
        let lines = run(url, &["head", collection.name(), "--json", "--embeddings"]).json();
        assert_eq!(lines[2]["embedding"].as_array().unwrap().len(), 32);
    }
}

#[test]
fn get_selects_by_id_and_by_filter() {
    for url in servers() {
        let collection = three_records(url);
        let name = collection.name();
        let ids = |arguments: &[&str]| {
            let all = [&["get", name, "--json"], arguments].concat();
            let lines = run(url, &all).json();
            let ids = lines
                .iter()
                .map(|line| line["id"].as_str().unwrap().to_owned());
            ids.collect::<Vec<_>>()
        };
        assert_eq!(ids(&[]), ["rust", "go", "chroma"]);
        assert_eq!(ids(&["chroma", "rust"]).len(), 2);
        assert_eq!(
            ids(&["--where", r#"{"year":{"$gt":2010}}"#]),
            ["rust", "chroma"]
        );
        assert_eq!(
            ids(&["--where", r#"{"year":{"$gt":2010}}"#, "--limit", "1"]),
            ["rust"]
        );
        assert_eq!(ids(&["--offset", "1", "--limit", "1"]), ["go"]);
        assert_eq!(ids(&["--limit", "0"]).len(), 0);
        assert_eq!(ids(&["go", "rust", "--where", r#"{"year":2009}"#]), ["go"]);
        // Prints the records that exist before the error.
        let ran = run(url, &["get", name, "go", "gone", "--json"]);
        assert_eq!(ran.out.lines().count(), 1);
        assert!(ran.fails(1).contains("\"gone\""));
    }
}

#[test]
fn get_reads_more_than_a_page() {
    let url = server("1.5.9");
    let client = Client::new(url).unwrap();
    let many = client.collection(unique_name()).create().unwrap();
    let record = |i: usize| Record::new(format!("{i}")).embedding([i as f32]);
    many.add((0..2_500).map(record).collect::<Vec<_>>())
        .unwrap();
    let lines = run(url, &["get", many.name(), "--json"]).json();
    assert_eq!(lines.len(), 2_500);
    assert!(
        lines
            .iter()
            .enumerate()
            .all(|(i, line)| line["id"].as_str() == Some(&i.to_string()))
    );
    let table = run(
        url,
        &["get", many.name(), "--limit", "1500", "--offset", "500"],
    )
    .ok();
    assert_eq!(table.lines().count(), 1_501);
    assert_eq!(table.matches("ID").count(), 1);
}

#[test]
fn query_uses_the_function_of_the_collection() {
    let url = server("1.5.9");
    let collection = three_records(url);
    let query = |more: &[&str]| {
        let all = [
            &["query", collection.name(), "Rust garbage collector"],
            more,
        ]
        .concat();
        run(url, &all)
    };
    let table = query(&["-n", "1"]).ok();
    let (titles, row) = table.split_once('\n').unwrap();
    assert!(titles.starts_with("DISTANCE "), "{table}");
    assert!(
        row.contains("  rust") && row.contains(r#"{"year":2015}"#),
        "{row}"
    );
    let lines = query(&["--json", "--where", r#"{"year":{"$lt":2010}}"#]).json();
    assert_eq!(lines.len(), 1);
    assert_eq!(keys(&lines[0]), ["distance", "document", "id", "metadata"]);
    assert_eq!(lines[0]["id"], "go");
}

#[test]
fn a_function_that_cannot_be_made_is_an_error_that_names_the_variable() {
    let url = server("1.5.9");
    let stored = |name: &str, config: Value| {
        let client = Client::new(url).unwrap();
        let opened = client
            .collection(unique_name())
            .embedding_function(Stored(name.to_owned(), config));
        opened.create().unwrap()
    };
    let config =
        json!({ "model_name": "text-embedding-3-small", "api_key_env_var": "OPENAI_API_KEY" });
    let openai = stored("openai", config);
    let message = run(url, &["query", openai.name(), "x"]).fails(1);
    assert!(message.contains("set OPENAI_API_KEY"), "{message}");
    let torch = stored("text2vec", json!({ "model_name": "m" }));
    let message = run(url, &["query", torch.name(), "x"]).fails(1);
    assert!(message.contains("torch"), "{message}");
    // The oldest server does not return the function.
    let old = three_records(server("1.0.0"));
    let query = ["query", old.name(), "goroutines", "-n", "1", "--json"];
    let message = run(server("1.0.0"), &query).fails(1);
    assert!(message.contains("function"), "{message}");
    let given = [&query[..], &["--function", "hashing", "--dimension", "32"]].concat();
    assert_eq!(run(server("1.0.0"), &given).json()[0]["id"], "go");
    let report = run(url, &["doctor", "--json"]);
    assert_eq!(report.code, Some(1));
    for collection in [openai, torch] {
        let mut lines = report
            .out
            .lines()
            .filter(|line| line.contains(collection.name()));
        assert!(
            lines.next().unwrap().contains(r#""status":"failure""#),
            "{}",
            report.out
        );
        Client::new(url)
            .unwrap()
            .delete_collection(collection.name())
            .unwrap();
    }
}

/// A function that stores any name and settings.
struct Stored(String, Value);

impl chroma_blocking::EmbeddingFunction for Stored {
    fn name(&self) -> &str {
        &self.0
    }

    fn embed_documents(
        &self,
        _: &[&str],
    ) -> Result<chroma_blocking::Embeddings, chroma_blocking::embed::EmbeddingError> {
        Err("is only stored".into())
    }

    fn config(&self) -> Option<Value> {
        Some(self.1.clone())
    }
}
