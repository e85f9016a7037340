//! Batch jobs, the files that they read and write, and caches.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use chroma_blocking::{
    Collection, EmbeddingFunction, Embeddings, Record, Result,
    embed::{Cached, EmbeddingError, MemoryCache},
    ingest::{BadRecords, JsonLines, jsonl_records, text_records},
};

use crate::messages::Messages;
use crate::support::folder::Folder;
use crate::support::stand_in::{Answer, StandIn};
use crate::support::{LIMITS, chroma, client, collection, records};

pub fn all(seen: &mut Messages) {
    let folder = Folder::new();
    readers(seen, &folder);
    #[cfg(feature = "csv")]
    csv(seen);
    let server = chroma(LIMITS, |request| {
        if request.path.ends_with("/get") {
            Answer::ok(r#"{"ids":["a"],"documents":["x"]}"#)
        } else {
            Answer::ok("{}")
        }
    });
    let abc = collection(&server);
    jobs(seen, &abc, &folder);
    seen.of(abc.export().to_file("/no/such/folder/export.jsonl"));
    seen.of(abc.export().write_to(Full));
    caches(seen, &server);
    #[cfg(feature = "disk-cache")]
    disk_cache(seen, &folder);
}

struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::other("no space left on device"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Records the errors of all records.
fn unread(seen: &mut Messages, records: impl IntoIterator<Item = Result<Record>>) {
    for record in records {
        seen.of(record);
    }
}

fn readers(seen: &mut Messages, folder: &Folder) {
    seen.of(jsonl_records("/no/such/file.jsonl"));
    seen.of(text_records("/no/such/folder"));
    let lines = concat!(
        "5\n",
        "{\"document\":\"no id\"}\n",
        "{\"id\":\"\"}\n",
        "{\"id\":\"1\",\"embedding\":[\"x\"]}\n",
        "{\"id\":\"1\",\"k\":{\"nested\":1}}\n",
        "{\"id\":\"1\",\"id\":\"2\"}\n",
        "{\"id\":true}\n",
        "{\"id\":\"1\"} {}\n",
        "{\"id\":\n",
        "{\"id\":\"1\",\"k\":NaN}\n",
        "{\"id\":\"1\",\"k\":\"\\ud83d\"}\n",
        "{'id':1}\n",
        "{\"id\":True}\n",
        "{id:1}\n",
        "{\"id\":\"1\",\"metadata\":5}\n",
        "{\"id\":\"1\",}\n",
        "{\"id\":\"1\"} // comment\n",
        "{\"id\":\"a\tb\"}\n",
        "{\"id\":\"it\\'s\"}\n",
    );
    unread(seen, JsonLines::from_reader(lines.as_bytes()));
    let bytes = &b"{\"id\":\"\xff\"}\n"[..];
    unread(seen, JsonLines::from_reader(bytes));
    unread(seen, JsonLines::from_reader(&b"\xFF\xFE{\0\n\0"[..]));
    unread(seen, JsonLines::from_reader(&b"\x1F\x8B\n"[..]));
    let long = JsonLines::from_reader(&b"{\"id\":\"a long one\"}"[..]);
    unread(seen, long.max_line_len(5));
    let texts = folder.0.join("texts");
    fs::create_dir(&texts).unwrap();
    fs::write(texts.join("a.txt"), "too long").unwrap();
    unread(seen, text_records(&texts).unwrap().max_file_size(3));
    fs::write(texts.join("a.txt"), b"\xff").unwrap();
    unread(seen, text_records(&texts).unwrap());
}

#[cfg(feature = "csv")]
fn csv(seen: &mut Messages) {
    use chroma_blocking::ingest::{CsvRows, csv_records};

    seen.of(csv_records("/no/such/file.csv"));
    let rows = |text: &'static str| CsvRows::from_reader(text.as_bytes());
    unread(seen, rows("name\n1\n"));
    unread(seen, rows("id,id\n1,2\n"));
    unread(seen, rows("id,year\n1\n"));
    unread(seen, rows("id,year\n1,x\n").int_columns(["year"]));
    unread(seen, rows("id,year\n1,x\n").float_columns(["year"]));
    unread(seen, rows("id,year\n1,x\n").bool_columns(["year"]));
    unread(seen, rows("id,year\n1,2\n").int_columns(["month"]));
    unread(seen, rows("id,year\n1,2\n").int_columns(["id"]));
    unread(seen, rows("id,year\n1,2015.0\n").int_columns(["year"]));
    unread(seen, rows("id;text\n1;2\n"));
    unread(seen, rows("id,text\n1,\"2\n"));
    unread(seen, rows("id,embedding\n1,2\n"));
    unread(seen, rows("sep=;\nid;text\n1;2\n"));
    unread(seen, rows("id,Text\n1,2\n"));
    unread(seen, rows("id,text\n1,2\n").delimiter(b'"'));
    unread(seen, rows("id,embedding\n1,[1 2]\n"));
    let both = rows("url\n1\n").id_column("url").uri_column("url");
    unread(seen, both);
    let typed = rows("id,k\n1,2\n").int_columns(["k"]).bool_columns(["k"]);
    unread(seen, typed);
    unread(seen, rows("id,text\n1,\"a long text\"\n").max_row_len(8));
}

fn jobs(seen: &mut Messages, abc: &Collection, folder: &Folder) {
    seen.of(abc.ingest([Record::new("a")]).run());
    let broken = || -> Vec<Result<Record, io::Error>> { vec![Err(io::Error::other("unplugged"))] };
    seen.of(abc.ingest(broken()).run());

    let checkpoint = folder.0.join("checkpoint");
    fs::write(&checkpoint, "{}").unwrap();
    seen.of(abc.ingest(records(3)).checkpoint(&checkpoint).run());
    fs::remove_file(&checkpoint).unwrap();
    // The checkpoint of a job that stopped.
    let stops = records(300).into_iter().chain([Record::new("bad")]);
    seen.of(abc.ingest(stops).checkpoint(&checkpoint).run());
    let other = records(301).into_iter().rev();
    seen.of(abc.ingest(other).checkpoint(&checkpoint).run());
    let another_mode = abc.ingest(records(301)).only_new(true);
    seen.of(another_mode.checkpoint(&checkpoint).run());
    files(seen, abc, folder, &checkpoint);
    seen.of(abc.ingest(records(3)).checkpoint(&folder.0).run());
    let nowhere = abc.ingest(records(3));
    seen.of(nowhere.checkpoint("/no/such/folder/checkpoint").run());
    seen.of(abc.ingest(records(3)).replace_documents("doc").run());
    let apart = ["a", "b", "a"].into_iter().enumerate();
    let apart = apart.map(|(n, doc)| {
        let record = Record::new(n.to_string()).embedding([0.0; 3]);
        record.metadata("doc", doc)
    });
    let apart: Vec<Record> = apart.collect();
    seen.of(abc.ingest(apart).replace_documents("doc").run());
    let no_key = abc.ingest(records(3)).replace_documents("doc");
    seen.of(no_key.content_hash("doc").run());
    let only_new = abc.ingest(records(3)).only_new(true);
    seen.of(only_new.replace_documents("doc").run());
    for stage in ["read", "check", "embed"] {
        let record = match stage {
            "read" => Err("it is torn"),
            "check" => Ok(Record::new("")),
            _ => Ok(Record::new("a").document("text")),
        };
        seen.of(abc.ingest([record]).run());
    }
}

/// Files that are in use, and files that are not what they should be.
fn files(seen: &mut Messages, abc: &Collection, folder: &Folder, checkpoint: &Path) {
    let file = folder.0.join("in use");
    let letters = BadRecords::dead_letters(&file);
    let twice = abc.ingest(records(3)).bad_records(letters);
    seen.of(twice.checkpoint(&file).run());
    let mut refused = Vec::new();
    let input = records(1).into_iter().inspect(|_| {
        refused.push(abc.ingest(records(1)).checkpoint(&file).run().unwrap_err());
        refused.push(abc.export().to_file(&file).unwrap_err());
        fs::copy(checkpoint, &file).unwrap();
    });
    seen.of(abc.ingest(input).checkpoint(&file).run());
    for error in &refused {
        seen.add(error);
    }
    let lock = folder.0.join("in use.lock");
    fs::write(lock, "text").unwrap();
    seen.of(abc.ingest(records(1)).checkpoint(&file).run());
    let nowhere = BadRecords::dead_letters("/no/such/folder/bad");
    seen.of(abc.ingest(records(1)).bad_records(nowhere).run());
    if cfg!(unix) {
        seen.of(abc.ingest(records(1)).checkpoint("/dev/null").run());
    }
}

/// An embedding function that returns more floats at each call.
struct Growing(std::sync::atomic::AtomicUsize);

impl EmbeddingFunction for Growing {
    fn name(&self) -> &'static str {
        "growing"
    }

    fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError> {
        let floats = 1 + self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Ok(Embeddings::from_rows(
            documents.iter().map(|_| vec![1.0; floats]),
        )?)
    }
}

/// An embedding function that returns no vectors.
struct Mute;

impl EmbeddingFunction for Mute {
    fn name(&self) -> &'static str {
        "mute"
    }

    fn embed_documents(&self, _: &[&str]) -> Result<Embeddings, EmbeddingError> {
        Ok(Embeddings::default())
    }
}

fn caches(seen: &mut Messages, server: &StandIn) {
    let text = |id: &str| Record::new(id).document(id);
    let with = |function: Box<dyn EmbeddingFunction>| {
        let cached = Cached::new(function, MemoryCache::new(1 << 20));
        client(server)
            .collection("abc")
            .embedding_function(cached)
            .get()
            .unwrap()
    };
    let growing = with(Box::new(Growing(0.into())));
    growing.upsert([text("a")]).unwrap();
    seen.of(growing.upsert([text("a"), text("b")]));
    seen.of(with(Box::new(Mute)).upsert([text("a")]));
}

#[cfg(feature = "disk-cache")]
fn disk_cache(seen: &mut Messages, folder: &Folder) {
    use chroma_blocking::embed::{DiskCache, EmbeddingCache};

    let path = folder.0.join("vectors");
    let cache = DiskCache::open(&path).unwrap();
    cache.put_many(&[(b"key", &[1.0])]).unwrap();
    seen.of(DiskCache::open(&path));
    drop(cache);
    fs::write(&path, "something else").unwrap();
    seen.of(DiskCache::open(&path));
}
