//! The file of an index of words.
//!
//! A magic number, the version of the format, the header (JSON, with its length before it), the records, the
//! lists, and the XXH3 hash of all of it. Numbers without a fixed size are LEB128.

use std::fs::File;
use std::hash::Hasher;
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use twox_hash::XxHash3_64;

use super::documents::{DocumentState, Documents, Fingerprint, HASH_LEN, NO_DOCUMENT};
use super::postings::{Decoder, Postings, read_number, write_number};
use super::state::State;
use crate::durable::replacement::{Replacement, remove_leftovers};

const MAGIC: &[u8; 8] = b"CHRWORDS";
const VERSION: u32 = 1;
const CHECKSUM: usize = size_of::<u64>();

/// The source of an index, and its size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Header {
    /// The id of the collection.
    pub(super) collection: String,
    /// The settings of the function.
    pub(super) bm25: Value,
    /// When the collection was read, in microseconds since 1970.
    pub(super) looked_at: i64,
    documents: usize,
    terms: usize,
}

impl Header {
    pub(super) fn new(collection: &str, bm25: Value, looked_at: i64) -> Header {
        Header {
            collection: collection.to_owned(),
            bm25,
            looked_at,
            documents: 0,
            terms: 0,
        }
    }
}

/// The content of a path.
#[derive(Debug)]
pub(super) enum Found {
    Nothing,
    Index(Box<Header>, Box<State>),
    /// An index that cannot be used, and why.
    Unusable(String),
    /// Something else, which must not be overwritten.
    OtherFile,
}

/// Reads a file.
pub(super) fn read(path: &Path) -> io::Result<Found> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    };
    // Another file may be too large to be read.
    let mut bytes = Vec::new();
    let start = (&file).take(MAGIC.len() as u64).read_to_end(&mut bytes);
    start?;
    if bytes.is_empty() {
        return Ok(Found::Nothing);
    }
    if bytes != MAGIC {
        return Ok(Found::OtherFile);
    }
    file.read_to_end(&mut bytes)?;
    let rest = &bytes[MAGIC.len()..];
    Ok(match decode(rest, &bytes) {
        Ok((header, state)) => Found::Index(Box::new(header), Box::new(state)),
        Err(why) => Found::Unusable(why),
    })
}

fn decode(after_magic: &[u8], all: &[u8]) -> Result<(Header, State), String> {
    let cut = || "it is cut short".to_owned();
    let (version, rest) = after_magic.split_first_chunk().ok_or_else(cut)?;
    let version = u32::from_le_bytes(*version);
    if version != VERSION {
        return Err(format!("its format has version {version}, not {VERSION}"));
    }
    let (content, checksum) = all.split_last_chunk::<CHECKSUM>().ok_or_else(cut)?;
    if XxHash3_64::oneshot(content) != u64::from_le_bytes(*checksum) {
        return Err("its checksum does not match".to_owned());
    }
    let mut bytes = rest
        .get(..rest.len().saturating_sub(CHECKSUM))
        .ok_or_else(cut)?;
    decode_content(&mut bytes).ok_or_else(|| "its content is malformed".to_owned())
}

fn decode_content(bytes: &mut &[u8]) -> Option<(Header, State)> {
    let length = read_number(bytes)?;
    let header: Header = serde_json::from_slice(take(bytes, length)?).ok()?;
    let documents = read_documents(bytes, header.documents)?;
    let base = read_postings(bytes, header.terms, header.documents)?;
    bytes
        .is_empty()
        .then(|| (header, State::of(documents, base)))
}

fn read_documents(bytes: &mut &[u8], count: usize) -> Option<Documents> {
    let mut documents = Documents::default();
    let mut id = String::new();
    for _ in 0..count {
        let shared = usize::try_from(read_number(bytes)?).ok()?;
        let length = read_number(bytes)?;
        let rest = std::str::from_utf8(take(bytes, length)?).ok()?;
        id.truncate(id.get(..shared)?.len());
        id.push_str(rest);
        let print = read_fingerprint(bytes)?;
        documents.push(&id, print, DocumentState::Base)?;
    }
    documents.index_ids();
    documents.shrink_to_fit();
    Some(documents)
}

fn read_fingerprint(bytes: &mut &[u8]) -> Option<Fingerprint> {
    let length = u32::try_from(read_number(bytes)?).ok()?;
    // A record without words may have no document.
    if length == 0 && *take(bytes, 1)?.first()? == 0 {
        return Some(Fingerprint {
            hash: NO_DOCUMENT,
            length,
        });
    }
    let mut hash = [0; 8];
    hash[..HASH_LEN].copy_from_slice(take(bytes, HASH_LEN as u64)?);
    let hash = u64::from_le_bytes(hash);
    Some(Fingerprint { hash, length })
}

fn read_postings(bytes: &mut &[u8], terms: usize, documents: usize) -> Option<Postings> {
    let mut postings = Postings::default();
    let mut next: u32 = 0;
    for _ in 0..terms {
        let term = next.checked_add(u32::try_from(read_number(bytes)?).ok()?)?;
        let length = read_number(bytes)?;
        let list = take(bytes, length)?;
        let mut decoder = Decoder::new(list);
        let fits = decoder
            .by_ref()
            .all(|posting| (posting.document as usize) < documents);
        if !fits || !decoder.is_finished() || list.is_empty() {
            return None;
        }
        postings.push_encoded(term, list);
        next = term.checked_add(1)?;
    }
    postings.shrink_to_fit();
    Some(postings)
}

fn take<'a>(bytes: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    *bytes = rest;
    Some(taken)
}

/// Replaces the file. The changes of the state must have been [merged](State::merge).
pub(super) fn write(path: &Path, header: &Header, state: &State) -> io::Result<()> {
    remove_leftovers(path);
    let replacement = Replacement::create(path)?;
    let mut writer = HashingWriter {
        file: replacement.file(),
        hasher: XxHash3_64::new(),
    };
    writer.write(&header_bytes(header, state)?)?;
    let mut bytes = Vec::new();
    for position in 0..state.documents.positions_len() as u32 {
        document_bytes(&state.documents, position, &mut bytes);
        writer.write_if_large(&mut bytes)?;
    }
    let mut next = 0;
    for (term, list) in state.base.lists() {
        write_number(u64::from(term - next), &mut bytes);
        write_number(list.len() as u64, &mut bytes);
        bytes.extend_from_slice(list);
        next = term.wrapping_add(1);
        writer.write_if_large(&mut bytes)?;
    }
    writer.write(&bytes)?;
    let checksum = writer.hasher.finish();
    writer.write(&checksum.to_le_bytes())?;
    replacement.commit()
}

/// Writes to a file, and hashes what it writes.
struct HashingWriter<'a> {
    file: &'a File,
    hasher: XxHash3_64,
}

impl HashingWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.write(bytes);
        self.file.write_all(bytes)
    }

    /// Writes the bytes and clears them, if they are many.
    fn write_if_large(&mut self, bytes: &mut Vec<u8>) -> io::Result<()> {
        if bytes.len() > 1 << 16 {
            self.write(bytes)?;
            bytes.clear();
        }
        Ok(())
    }
}

fn header_bytes(header: &Header, state: &State) -> io::Result<Vec<u8>> {
    let header = Header {
        documents: state.documents.positions_len(),
        terms: state.base.terms().len(),
        ..header.clone()
    };
    let json = serde_json::to_vec(&header)?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    write_number(json.len() as u64, &mut bytes);
    bytes.extend(json);
    Ok(bytes)
}

/// Appends a record: how many bytes its id shares with the one before, the rest of the id, the number of words,
/// and the hash.
fn document_bytes(documents: &Documents, position: u32, bytes: &mut Vec<u8>) {
    let id = documents.id(position);
    let before = match position.checked_sub(1) {
        Some(before) => documents.id(before),
        None => "",
    };
    let shared = shared_len(before, id);
    write_number(shared as u64, bytes);
    write_number((id.len() - shared) as u64, bytes);
    bytes.extend_from_slice(&id.as_bytes()[shared..]);
    let Fingerprint { hash, length } = documents.fingerprint(position);
    write_number(u64::from(length), bytes);
    if length == 0 {
        bytes.push(u8::from(hash != NO_DOCUMENT));
    }
    if hash != NO_DOCUMENT {
        bytes.extend_from_slice(&hash.to_le_bytes()[..HASH_LEN]);
    }
}

/// Returns the length of the longest common start, in bytes.
fn shared_len(left: &str, right: &str) -> usize {
    let mut pairs = left.char_indices().zip(right.chars());
    let different = pairs.find(|((_, left), right)| left != right);
    different.map_or(left.len().min(right.len()), |((index, _), _)| index)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::state::ReadRecord;
    use super::*;
    use crate::durable::tests::Folder;
    use crate::embed::Bm25;

    fn state(texts: &[Option<&str>]) -> State {
        let tokenizer = Bm25::default().tokenizer();
        let mut state = State::default();
        for (index, text) in texts.iter().enumerate() {
            let record = ReadRecord::new(format!("id {index}"), *text, &tokenizer);
            assert!(state.put(&record).unwrap());
        }
        state.merge(None);
        state
    }

    fn header() -> Header {
        Header::new("a collection", serde_json::json!({ "k": 1.2 }), 17)
    }

    /// Returns the whole content of a state.
    fn content(state: &State) -> Vec<String> {
        let documents = state.documents.positions().map(|position| {
            let print = state.documents.fingerprint(position);
            format!("{} {print:?}", state.documents.id(position))
        });
        let lists = state.base.terms().iter().map(|term| {
            let list: Vec<_> = state.base.of(*term).collect();
            format!("{term} {list:?}")
        });
        documents.chain(lists).collect()
    }

    #[test]
    fn a_file_is_read_back() {
        let folder = Folder::new();
        let path = folder.0.join("words");
        for texts in [
            &[][..],
            &[
                Some("red red apples"),
                None,
                Some(""),
                Some("the"),
                Some("green apples"),
            ],
        ] {
            let state = state(texts);
            write(&path, &header(), &state).unwrap();
            let Found::Index(read_header, read_state) = read(&path).unwrap() else {
                panic!("{:?}", read(&path));
            };
            assert_eq!(read_header.collection, "a collection");
            assert_eq!(read_header.looked_at, 17);
            assert_eq!(content(&read_state), content(&state));
            assert_eq!(
                read_state.documents.with_text(),
                texts.iter().flatten().count()
            );
        }
    }

    #[test]
    fn ids_share_their_start_with_the_one_before() {
        for (before, id, shared) in [
            ("", "a", 0),
            ("note-1", "note-12", 6),
            ("note-12", "note-1", 6),
            ("aä", "aö", 1),
            ("x", "y", 0),
        ] {
            assert_eq!(shared_len(before, id), shared, "{before} {id}");
        }
    }

    #[test]
    fn every_damaged_byte_and_every_cut_is_found() {
        let folder = Folder::new();
        let path = folder.0.join("words");
        write(&path, &header(), &state(&[Some("red apples"), None])).unwrap();
        let whole = fs::read(&path).unwrap();
        for index in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[index] ^= 0x10;
            fs::write(&path, &damaged).unwrap();
            match read(&path).unwrap() {
                Found::OtherFile if index < MAGIC.len() => {}
                Found::Unusable(_) if index >= MAGIC.len() => {}
                found => panic!("byte {index}: {found:?}"),
            }
            fs::write(&path, &whole[..index]).unwrap();
            match read(&path).unwrap() {
                Found::Nothing if index == 0 => {}
                Found::OtherFile if index < MAGIC.len() => {}
                Found::Unusable(_) if index >= MAGIC.len() => {}
                found => panic!("cut at {index}: {found:?}"),
            }
        }
    }

    /// A file with a right checksum and any content at all.
    #[test]
    fn a_malformed_content_is_never_used_and_never_a_panic() {
        let folder = Folder::new();
        let path = folder.0.join("words");
        write(
            &path,
            &header(),
            &state(&[Some("red apples"), Some("red"), None]),
        )
        .unwrap();
        let whole = fs::read(&path).unwrap();
        let content = &whole[..whole.len() - CHECKSUM];
        for index in MAGIC.len()..content.len() {
            for bits in [0x01, 0x80, 0xff] {
                let mut changed = content.to_vec();
                changed[index] ^= bits;
                changed.extend(XxHash3_64::oneshot(&changed).to_le_bytes());
                fs::write(&path, &changed).unwrap();
                if let Found::Index(_, state) = read(&path).unwrap() {
                    let mut found = Vec::new();
                    for term in state.base.terms() {
                        state.postings(*term, &mut found);
                    }
                }
            }
        }
    }
}
