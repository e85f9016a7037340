//! Data of earlier versions of Chroma, backed up and restored with the newest one.

use std::path::Path;
use std::process::Command;

use chroma_blocking::{Collection, LocalServer, Record, Space};

use crate::backup::{back_up, restored};
use crate::servers::{all, one, records};
use crate::support::folder::Folder;

/// Starts the newest server on a data folder of another version.
fn newest(data: &Path) -> LocalServer {
    let builder = LocalServer::builder().install(true).version("1.5.9");
    builder.data(data).start().unwrap()
}

/// Fails unless both have the same records in the same order. Servers normalize the vectors of cosine
/// collections.
#[track_caller]
fn assert_equal(copy: &Collection, source: &[Record], space: Space) {
    let normalized = |mut record: Record| {
        let vector = record.embedding.take().unwrap();
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        (record, vector.into_iter().map(move |x| x / length))
    };
    let copy = all(copy);
    assert_eq!(copy.len(), source.len());
    for (one, other) in copy.iter().zip(source) {
        if space != Space::Cosine {
            assert_eq!(one, other);
            continue;
        }
        let (one, one_vector) = normalized(one.clone());
        let (other, other_vector) = normalized(other.clone());
        assert_eq!(one, other);
        let mut pairs = one_vector.zip(other_vector);
        assert!(pairs.all(|(x, y)| (x - y).abs() < 1e-5), "{}", one.id);
    }
}

/// The records that `tests/data/chroma-0.5/make.py` writes.
fn of_chroma_0_5() -> Vec<Record> {
    let record = |i: usize| {
        let text = format!("text {i} \u{1f980}");
        let record = Record::new(format!("id {i}"))
            .embedding([i as f32, 0.5, -1.0 / (i as f32 + 1.0)])
            .document(if i == 3 { "changed" } else { &text })
            .metadata("number", i as i64)
            .metadata("float", i as f64 / 4.0)
            .metadata("is_even", i % 2 == 0);
        if i < 10 {
            record.uri(format!("https://example.com/{i}"))
        } else {
            record
        }
    };
    let numbers = (0..50).filter(|i| *i != 7);
    let bare = Record::new("bare").embedding([1.0, 2.0, 3.0]);
    numbers.map(record).chain([bare]).collect()
}

#[test]
fn a_data_folder_of_chroma_0_5_is_restored() {
    let folder = Folder::new();
    let data = folder.make("data");
    let unpacked = Command::new("tar")
        .args(["-xzf", "tests/data/chroma-0.5/data.tar.gz", "-C"])
        .arg(&data)
        .status();
    assert!(unpacked.unwrap().success());
    let server = newest(&data);
    let client = server.client().unwrap();
    let spaces = [
        ("plain", Space::L2),
        ("cosine", Space::Cosine),
        ("inner", Space::Ip),
    ];
    for (name, space) in spaces {
        let source = client.collection(name).get().unwrap();
        assert_equal(&source, &of_chroma_0_5(), space);
        let backup = folder.path(name);
        back_up(&source, &backup);
        let copy = restored(&one(), &source, &backup);
        assert_equal(&copy, &all(&source), space);
        assert_eq!(copy.space(), Some(space), "{name}");
        assert_eq!(copy.metadata(), source.metadata(), "{name}");
    }
}

#[test]
fn a_backup_of_chroma_1_0_0_is_restored_with_its_distance_functions() {
    let folder = Folder::new();
    let data = folder.make("data");
    let old = LocalServer::builder().install(true).version("1.0.0");
    let old = old.data(&data).start().unwrap();
    let spaces = [Space::L2, Space::Cosine, Space::Ip];
    let names = spaces.map(|space| {
        let builder = old.client().unwrap().collection(format!("old-{space:?}"));
        let source = builder.space(space).create().unwrap();
        source.add(records(1..60)).unwrap();
        back_up(
            &source,
            &folder.path(&format!("{space:?} of the running server")),
        );
        source.name().to_owned()
    });
    drop(old);
    let server = newest(&data);
    for (name, space) in names.iter().zip(spaces) {
        let source = server.client().unwrap().collection(name).get().unwrap();
        back_up(
            &source,
            &folder.path(&format!("{space:?} of the data folder")),
        );
        for of in ["running server", "data folder"] {
            let backup = folder.path(&format!("{space:?} of the {of}"));
            let copy = restored(&one(), &source, &backup);
            assert_equal(&copy, &records(1..60), space);
            assert_equal(&copy, &all(&source), space);
            assert_eq!(copy.space(), Some(space), "{of}");
        }
    }
}
