//! Tenants and databases, with names of every kind.

use chroma_blocking::{Error, InvalidInput};

use crate::{client, unique_name};

#[test]
fn a_tenant_may_have_any_name() {
    let unique = unique_name();
    for odd in [
        "",
        " a/b",
        "%2F?x=1#y",
        "\"quoted\\\"",
        "\u{1F980}\n",
        &"x".repeat(400),
    ] {
        let name = format!("{unique}{odd}");
        client().create_tenant(&name).unwrap();
        assert_eq!(client().get_tenant(&name).unwrap().name, name);
        let again = client().create_tenant(&name).unwrap_err();
        assert!(matches!(again, Error::AlreadyExists { .. }), "{again}");
    }
    let none = client().get_tenant("no such tenant").unwrap_err();
    assert!(matches!(none, Error::NotFound { .. }), "{none}");
    for name in ["", "ab"] {
        let refused = client().create_tenant(name).unwrap_err();
        assert!(matches!(
            refused,
            Error::Invalid {
                reason: InvalidInput::Name { .. },
                ..
            }
        ));
    }
}

#[test]
fn a_resource_name_that_is_not_stored_is_an_error() {
    let name = unique_name();
    client().create_tenant(&name).unwrap();
    // A single-node server answers 200 and stores nothing. Early versions answer 405.
    let forgotten = client().update_tenant(&name, "resource").unwrap_err();
    assert!(
        matches!(forgotten, Error::Unsupported { .. }),
        "{forgotten}"
    );
    assert_eq!(client().get_tenant(&name).unwrap().resource_name, None);
}

#[test]
fn databases_separate_collections() {
    let tenant = unique_name();
    client().create_tenant(&tenant).unwrap();
    let client = client().with_tenant(&tenant);
    let (one, two) = ("one_db", "two.db");
    client.create_database(one).unwrap();
    client.create_database(two).unwrap();
    let again = client.create_database(one).unwrap_err();
    assert!(matches!(again, Error::AlreadyExists { .. }), "{again}");

    let database = client.get_database(two).unwrap();
    assert_eq!((database.name.as_str(), database.tenant), (two, tenant));
    let mut names: Vec<_> = client
        .list_databases()
        .run()
        .unwrap()
        .into_iter()
        .map(|d| d.name)
        .collect();
    names.sort();
    assert_eq!(names, [one, two]);
    assert_eq!(client.list_databases().limit(1).run().unwrap().len(), 1);
    assert_eq!(client.list_databases().offset(2).run().unwrap().len(), 0);

    let (first, second) = (client.with_database(one), client.with_database(two));
    first.collection("same-name").create().unwrap();
    assert_eq!(first.count_collections().unwrap(), 1);
    assert_eq!(second.count_collections().unwrap(), 0);
    let absent = second.collection("same-name").get().unwrap_err();
    assert!(matches!(absent, Error::NotFound { .. }), "{absent}");

    client.delete_database(two).unwrap();
    let gone = client.get_database(two).unwrap_err();
    assert!(matches!(gone, Error::NotFound { .. }), "{gone}");
    for name in ["", "a b", "a/b", ".."] {
        let refused = client.create_database(name).unwrap_err();
        assert!(
            matches!(
                refused,
                Error::Invalid {
                    reason: InvalidInput::Name { .. },
                    ..
                }
            ),
            "{refused}"
        );
    }
}
