//! Arguments, help, completions and exit codes.

use crate::program::{command, run};
use crate::support::stand_in::{Answer, StandIn};
use crate::support::{chroma_error, closed_port, scripted};

const COMMANDS: [&str; 16] = [
    "ls",
    "count",
    "head",
    "get",
    "query",
    "import",
    "export",
    "copy",
    "reembed",
    "backup",
    "restore",
    "rm",
    "serve",
    "doctor",
    "demo",
    "completions",
];

#[test]
fn without_arguments_the_five_most_useful_commands_are_printed() {
    let shown = run("", &[]).ok();
    let named = shown
        .lines()
        .filter_map(|line| line.strip_prefix("  chroma_client "));
    let named: Vec<&str> = named.filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(named.len(), 5, "{shown}");
    for name in named {
        assert!(COMMANDS.contains(&name), "{name}");
    }
}

#[test]
fn the_help_of_each_command_has_an_example() {
    let all = run("", &["--help"]).ok();
    for name in COMMANDS {
        assert!(all.contains(&format!("\n  {name} ")), "{name}: {all}");
        let help = run("", &[name, "--help"]).ok();
        let example = help.split("Example").nth(1).unwrap_or_default();
        assert!(example.contains(&format!("chroma_client {name}")), "{help}");
    }
}

#[test]
fn completions_know_all_commands() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = run("", &["completions", shell]).ok();
        for name in COMMANDS {
            assert!(script.contains(name), "{shell}: {name}");
        }
    }
}

#[test]
fn wrong_arguments_end_with_2_and_name_what_is_wrong() {
    // No server is asked.
    let server = scripted([]);
    for (arguments, named) in [
        (&["frobnicate"][..], "frobnicate"),
        (&["count"], "<NAME>"),
        (&["count", "a/b"], "a/b"),
        (&["head", "notes", "-n", "many"], "many"),
        (&["get", "notes", "--where", "{\"year\":"], "--where"),
        (
            &["get", "notes", "--where", r#"{"a":{"$gt":1,"$lt":2}}"#],
            "$lt",
        ),
        (
            &["get", "notes", "--where", r#"{"a":{"$near":1}}"#],
            "$near",
        ),
        (&["ls", "--host", "ftp://db"], "ftp://db"),
        (&["serve", "--port", "70000"], "70000"),
        (&["completions", "cmd"], "cmd"),
    ] {
        let message = run(&server.url(), arguments).fails(2);
        assert!(message.contains(named), "{message}");
    }
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn variables_and_options_name_the_server() {
    let server = StandIn::start(|request| {
        let is_list = request.path.contains("/collections");
        Answer::ok(if is_list {
            "[]"
        } else {
            r#"{"id":"1","name":"d1","tenant":"t1"}"#
        })
    });
    let authority = server.url().trim_start_matches("http://").to_owned();
    for host in [server.url(), authority] {
        let options = ["ls", "--host", &host, "--tenant", "t1", "--database", "d1"];
        for mut command in [
            command(&host, &options[..1]),
            command("nowhere:1", &options[..3]),
        ] {
            assert!(command.output().unwrap().status.success(), "{command:?}");
        }
        run("", &options).ok();
    }
    let paths: Vec<String> = server
        .requests()
        .into_iter()
        .map(|request| request.path)
        .collect();
    assert!(
        paths[0].contains("/tenants/default_tenant/databases/default_database/"),
        "{paths:?}"
    );
    assert!(
        paths
            .iter()
            .any(|path| path.contains("/tenants/t1/databases/d1/")),
        "{paths:?}"
    );
}

#[test]
fn a_server_that_is_down_is_worth_another_try() {
    let (_reserved, address) = closed_port();
    let url = format!("http://{address}");
    for arguments in [&["ls"][..], &["count", "notes"], &["doctor"]] {
        let ran = run(&url, arguments);
        let shown = format!("{}{}", ran.out, ran.err);
        assert!(
            shown.contains("cannot connect") && shown.contains(&url),
            "{shown}"
        );
        ran.fails(75);
    }
    let busy = StandIn::start(|_| chroma_error(503));
    run(&busy.url(), &["ls"]).fails(75);
}

#[test]
fn no_secret_is_printed() {
    const KEY: &str = "ck-S3CRETS3CRETS3CRET";
    // Servers repeat what they got.
    let server = StandIn::start(|request| {
        let head = format!("{:?}", request.headers).replace('"', "'");
        Answer::new(
            401,
            format!(r#"{{"error":"Unauthorized","message":"{head}"}}"#),
        )
    });
    let mut shown = String::new();
    for arguments in [
        &["ls", "-vv"][..],
        &["count", "notes", "-vv", "--json"],
        &["rm", "notes", "--yes", "-vv"],
        &["doctor", "-vv"],
    ] {
        let mut command = command(&server.url(), arguments);
        command.env("CHROMA_API_KEY", KEY).env("RUST_LOG", "trace");
        command.env("HTTPS_PROXY", format!("http://me:{KEY}@127.0.0.1:9"));
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        shown += &String::from_utf8(output.stdout).unwrap();
        shown += &String::from_utf8(output.stderr).unwrap();
    }
    let with_password = format!("http://me:{KEY}@127.0.0.1:9");
    shown += &run(&with_password, &["ls"]).fails(2);
    shown += &run("", &["ls", "--host", &with_password]).fails(2);
    assert!(
        server
            .requests()
            .iter()
            .any(|request| format!("{:?}", request.headers).contains(KEY))
    );
    assert!(
        shown.contains("chroma_blocking") && shown.contains("HTTPS_PROXY"),
        "{shown}"
    );
    assert!(!shown.contains("S3CRET"), "{shown}");
}
