//! Runs the example `advanced_usage` as a user does.

use crate::support::example::{chroma, run};
use crate::support::folder::Folder;
use crate::support::server::is_given;
use chroma_blocking::Client;

/// The output before the last part, which depends on the clock.
const CERTAIN: &str = r##"Collections
  tickets: 6 records, Cosine, function: chroma_blocking_hashing
  answers: 4 records, Ip, function: chroma_blocking_hashing
  customers: 0 records, L2, function: none
Filters
  t1 t4 t5 {"$and":[{"open":{"$eq":true}},{"priority":{"$gte":2}}]}
  t3 t6    {"$and":[{"product":{"$in":["lamp","pump"]}},{"open":{"$ne":true}}]}
  t1 t3 t4 {"$or":[{"product":{"$eq":"lamp"}},{"tags":{"$contains":"urgent"}}]}
  t4       {"$and":[{"open":{"$eq":true}},{"customer":{"$ne":"Ada"}},{"tags":{"$not_contains":"late"}}]}
  t2       {"$and":[{"open":{"$eq":true}},{"#document":{"$contains":"refund"}}]}
  t5       {"$and":[{"open":{"$eq":true}},{"#document":{"$regex":"(?i)refund.*#[0-9]{4}"}}]}
  t1 t2    {"$and":[{"open":{"$eq":true}},{"#id":{"$in":["t1","t2","t3"]}}]}
Queries
  t1: When a lamp flickers, clean its contacts (0.587)
  t2: A refund arrives within five days (0.649)
  t4: A stuck lock opens after a drop of oil (0.662)
  t5: A refund arrives within five days (0.536)
  t1: Ticket { product: "lamp", priority: 2, open: true, tags: ["warranty"], customer: Some("Ada") }
Changes
  t1: customer: Ada, open: false, priority: 2, product: lamp, tags: ["warranty"]
  t2: customer: Bo, open: true, priority: 1, product: lock, tags: ["refund", "late"]
  t5: open: true, priority: 3, product: pump, tags: ["refund"]
  t7: open: true
  3 deleted, 4 left
Threads
  four threads wrote 1000 records, and one sent 20 queries
A large write
  6000 of 6000 written
Pages
  one page: c1000 c1001 c1002
  all pages: 2334 Swiss customers
Errors
  missing collection: create it first
  existing collection: open it instead
  repeated id: nothing was sent: duplicate ids in one call: "t8"; keep one record for each id
  short vector: nothing was sent: the vector of query 0 has 2 floats, not 3; all vectors of a collection have the same length
  no embedding function: nothing was sent: the query is text, but the collection was opened without an embedding function; open it with .embedding_function(...) or pass vectors
  no server: try again later
A deadline
"##;

/// Runs the example with these settings, and checks its output.
fn check(settings: &[(&str, &str)]) {
    let output = run("advanced_usage", &Folder::new(), &[], settings);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    assert!(stderr.ends_with("  6000 written\n"), "{stderr}");

    // The table of metrics: columns that do not depend on the clock are the same in each run.
    let (stdout, metrics) = stdout.split_once("Metrics\n").unwrap();
    let counts = |operation: &str| -> Vec<String> {
        let mut words = metrics
            .lines()
            .map(|line| line.split_whitespace().map(str::to_owned));
        let row = words.find_map(|mut row| (row.next()? == operation).then_some(row));
        row.unwrap().take(3).collect()
    };
    assert_eq!(counts("create_collection"), ["5", "1", "0"], "{metrics}");
    assert_eq!(
        counts("chroma_blocking_hashing"),
        ["5", "0", "0"],
        "{metrics}"
    );
    for line in ["error: get_collection: not_found 1\n", "\nconnections: "] {
        assert!(metrics.contains(line), "{metrics}");
    }

    let (certain, last) = stdout.split_at(CERTAIN.len().min(stdout.len()));
    assert_eq!(certain, CERTAIN);
    // The deadline is too short for any known machine. If the call is faster, there is no line about it.
    let (cut, end) = last.rsplit_once("  2000 pictures in the end\n").unwrap();
    assert_eq!(end, "");
    let digits = |c: char| !c.is_ascii_digit();
    let numbers = cut.split(digits).filter(|number| !number.is_empty());
    let numbers: Vec<usize> = numbers.map(|number| number.parse().unwrap()).collect();
    match numbers[..] {
        [] => assert_eq!(cut, ""),
        [done, left] => {
            assert_eq!(cut, format!("  {done} written, {left} sent again\n"));
            assert_eq!(done + left, 2000);
        }
        _ => panic!("{cut}"),
    }
}

#[test]
fn cleans_up_on_an_existing_server() {
    let (url, _server) = chroma();
    check(&[("CHROMA_HOST", &url)]);
    let client = Client::new(url).unwrap();
    let databases = client.list_databases().run().unwrap();
    let mut left = databases.iter().map(|database| &database.name);
    assert!(!left.any(|name| name.starts_with("advanced-usage")));
}

#[test]
fn starts_a_server_without_settings() {
    // The example may not start a server if the environment names one.
    if !is_given() {
        check(&[]);
    }
}
