//! [`TextSplitter`]: splits long texts into chunks.
//!
//! Written here because `text-splitter` 0.33 adds 36 crates to the build and drops white space between its
//! chunks.

mod walk;

use super::consumed::SplitItems;
use crate::model::record::Record;
use walk::Walk;

/// Splits long texts into chunks that an embedding function accepts.
///
/// A chunk has a maximum number of characters (`char`s rather than bytes; a token of English text has about
/// four). The splitter prefers to end a chunk after a paragraph, then after a sentence, a line and a word, as
/// long as the chunk gets at least half full. A word that is too long is split between any two characters.
/// The white space around chunks is dropped, and nothing else.
///
/// To write the chunks of a folder, and to delete the old chunks of texts that have become shorter, give each
/// chunk the id of its document:
///
/// ```no_run
/// # use chroma_blocking::{Client, Hashing};
/// # use chroma_blocking::ingest::{TextSplitter, text_records};
/// # let docs = Client::from_env()?.collection("docs");
/// # let docs = docs.embedding_function(Hashing::default()).get_or_create()?;
/// let splitter = TextSplitter::new(1_000).document_key("source_id");
/// let chunks = splitter.split_records(text_records("docs")?);
/// docs.ingest(chunks).replace_documents("source_id").run()?;
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
///
/// Without [`replace_documents`](crate::ingest::Ingest::replace_documents), those old chunks stay in the
/// collection, and queries find them.
///
/// To split a single text:
///
/// ```
/// use chroma_blocking::ingest::TextSplitter;
///
/// let text = "Gouda is a cheese. It is Dutch.\n\nEdam is round and red.";
/// let chunks: Vec<&str> = TextSplitter::new(40).split(text).collect();
/// assert_eq!(
///     chunks,
///     ["Gouda is a cheese. It is Dutch.", "Edam is round and red."]
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextSplitter {
    size: usize,
    overlap: usize,
    document_key: Option<String>,
}

impl TextSplitter {
    /// Creates a splitter for chunks of at most `size` characters that do not overlap. A size of 0 is treated
    /// as 1.
    pub fn new(size: usize) -> TextSplitter {
        TextSplitter {
            size: size.max(1),
            overlap: 0,
            document_key: None,
        }
    }

    /// Sets the maximum number of characters that a chunk repeats from the end of the chunk before it.
    /// Default: 0.
    ///
    /// The repeated part consists of whole sentences if one fits, and of whole words otherwise. It keeps a
    /// statement that spans two chunks in one piece. Values above half the chunk size are treated as half the
    /// chunk size.
    #[must_use]
    pub fn overlap(mut self, characters: usize) -> TextSplitter {
        self.overlap = characters.min(self.size / 2);
        self
    }

    /// Sets a metadata key under which each record of a chunk holds the id of the record that was split.
    /// Default: none.
    ///
    /// [`replace_documents`](crate::ingest::Ingest::replace_documents) needs it. With a key, a document that
    /// contains only white space gives one record with an empty document, so that such a job deletes the
    /// document's old chunks. A value that the record has under this key is replaced.
    #[must_use]
    pub fn document_key(mut self, metadata_key: impl Into<String>) -> TextSplitter {
        self.document_key = Some(metadata_key.into());
        self
    }

    /// Returns the chunks of a text, in order. A text that contains only white space has none.
    pub fn split<'a>(&self, text: &'a str) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut walk = Walk::new(self.size, self.overlap);
        std::iter::from_fn(move || Some(&text[walk.next(text)?]))
    }

    /// Returns one record for each chunk of a record's document.
    ///
    /// Each id is the record's id with the number of the chunk: `id#0`, `id#1` and so on, even if there is
    /// only one chunk. The metadata is the record's, with that number added as `chunk`. The URI is the
    /// record's. The vector is dropped, because it belongs to the whole text. With a
    /// [`document_key`](TextSplitter::document_key), the metadata also holds the record's id.
    ///
    /// A record without a document is returned unchanged, apart from that key. So is a record with a vector
    /// whose document contains only white space. Any other document that contains only white space gives no
    /// records; with a [`document_key`](TextSplitter::document_key), it gives one with an empty document.
    ///
    /// ```
    /// use chroma_blocking::Record;
    /// use chroma_blocking::ingest::TextSplitter;
    ///
    /// let cheeses = Record::new("cheeses")
    ///     .document("Gouda is Dutch. So is Edam.")
    ///     .metadata("year", 2015);
    /// let chunks: Vec<_> = TextSplitter::new(20).records(cheeses).collect();
    /// let first = Record::new("cheeses#0")
    ///     .document("Gouda is Dutch.")
    ///     .metadata("year", 2015)
    ///     .metadata("chunk", 0);
    /// assert_eq!(chunks[0], first);
    /// assert_eq!(chunks[1].id, "cheeses#1");
    /// ```
    pub fn records(&self, mut record: Record) -> impl Iterator<Item = Record> + use<> {
        let mut walk = Walk::new(self.size, self.overlap);
        let key = self.document_key.clone();
        let is_blank = record.document.as_deref().is_none_or(is_blank);
        // There is nothing to split, but the vector is to be written.
        let mut whole = (is_blank && (record.document.is_none() || record.embedding.is_some()))
            .then(|| record.clone());
        let document = record.document.take().filter(|_| whole.is_none());
        if let (Some(key), Some(whole)) = (&key, &mut whole) {
            whole.metadata.insert(key.as_str(), record.id.as_str());
        }
        record.embedding = None;
        let mut chunk = 0;
        std::iter::from_fn(move || {
            let Some(text) = &document else {
                return whole.take();
            };
            let piece = match walk.next(text) {
                Some(range) => &text[range],
                None if key.is_some() && chunk == 0 => "",
                None => return None,
            };
            let mut next = record.clone();
            next.id = format!("{}#{chunk}", record.id);
            next.document = Some(piece.to_owned());
            next.metadata.insert("chunk", chunk);
            if let Some(key) = &key {
                next.metadata.insert(key.as_str(), record.id.as_str());
            }
            chunk += 1;
            Some(next)
        })
    }

    /// Splits all records of a reader as [`records`](TextSplitter::records) does. Errors are passed on in
    /// their place, and records with empty documents as they are, so that a job
    /// [counts](crate::ingest::Ingest#empty-documents) them.
    ///
    /// ```
    /// use chroma_blocking::ingest::{JsonLines, TextSplitter};
    ///
    /// let line = r#"{"id": "1", "text": "Gouda is Dutch. So is Edam."}"#;
    /// let records = JsonLines::from_reader(line.as_bytes());
    /// let chunks = TextSplitter::new(20).split_records(records);
    /// assert_eq!(chunks.count(), 2);
    /// ```
    pub fn split_records<I, E>(
        &self,
        records: I,
    ) -> impl Iterator<Item = Result<Record, E>> + use<I, E>
    where
        I: IntoIterator<Item = Result<Record, E>>,
    {
        let splitter = self.clone();
        SplitItems::new(records.into_iter()).flat_map(move |item| {
            let (record, whole) = match item {
                // With a key, it becomes a chunk without text.
                Ok(record)
                    if splitter.document_key.is_none()
                        && record.document.as_deref().is_some_and(is_blank) =>
                {
                    (None, Some(Ok(record)))
                }
                Ok(record) => (Some(record), None),
                Err(error) => (None, Some(Err(error))),
            };
            let chunks = record.map(|record| splitter.records(record).map(Ok));
            chunks.into_iter().flatten().chain(whole)
        })
    }
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::random::Random;

    fn split(size: usize, overlap: usize, text: &str) -> Vec<&str> {
        TextSplitter::new(size)
            .overlap(overlap)
            .split(text)
            .collect()
    }

    #[test]
    fn cuts_at_the_best_place() {
        let text = "First one. Second one.\n\nThird one. Fourth\none without an end";
        assert_eq!(split(100, 0, text), [text]);
        // After a paragraph, although a sentence ends later.
        assert_eq!(
            split(35, 0, text),
            [
                "First one. Second one.",
                "Third one. Fourth",
                "one without an end"
            ]
        );
        // Not after a paragraph that would leave the chunk less than half full.
        assert_eq!(
            split(25, 0, "One.\n\nTwo three four. Five six"),
            ["One.\n\nTwo three four.", "Five six"]
        );
        assert_eq!(split(12, 0, "one two three"), ["one two", "three"]);
        assert_eq!(split(4, 0, "abcdefghij k"), ["abcd", "efgh", "ij k"]);
        assert_eq!(
            split(12, 0, "(\"Said so!\") Then"),
            ["(\"Said so!\")", "Then"]
        );
        assert_eq!(split(9, 0, "3.14 is pi. Yes"), ["3.14 is", "pi. Yes"]);
        assert_eq!(
            split(8, 0, "猫がいる。「犬も。」鳥"),
            ["猫がいる。", "「犬も。」鳥"]
        );
        assert_eq!(
            split(7, 0, "猫がいる。「犬も。」鳥"),
            ["猫がいる。", "「犬も。」鳥"]
        );
        assert_eq!(split(5, 0, "\n \t\n"), [""; 0]);
        assert_eq!(split(0, 9, "é \u{1F980}"), ["é", "\u{1F980}"]);
    }

    #[test]
    fn chunks_repeat_the_end_of_the_previous_chunk() {
        assert_eq!(
            split(24, 10, "One is here. Two is. Three is there."),
            ["One is here. Two is.", "Two is. Three is there."]
        );
        assert_eq!(
            split(10, 5, "one two three four"),
            ["one two", "two three", "three four"]
        );
        assert_eq!(split(6, 2, "abcdefghij"), ["abcdef", "efghij"]);
        // An overlap of 100 is reduced to half of 8 characters, into which no word fits.
        assert_eq!(split(8, 100, "aaaa bbbb cccc"), ["aaaa", "bbbb", "cccc"]);
    }

    #[test]
    fn chunks_keep_the_metadata_and_the_uri_of_their_record() {
        let record = Record::new("a")
            .document("one two")
            .metadata("k", 1)
            .metadata("chunk", "x")
            .uri("u")
            .embedding([1.0]);
        let splitter = TextSplitter::new(3);
        let chunks: Vec<_> = splitter.records(record.clone()).collect();
        let expected = |n: i64, text: &str| {
            Record::new(format!("a#{n}"))
                .document(text)
                .metadata("k", 1)
                .metadata("chunk", n)
                .uri("u")
        };
        assert_eq!(chunks, [expected(0, "one"), expected(1, "two")]);

        let mut vector = record;
        vector.document = None;
        assert_eq!(
            splitter.records(vector.clone()).collect::<Vec<_>>(),
            [vector.clone()]
        );
        assert_eq!(
            splitter.records(Record::new("b").document(" \n")).count(),
            0
        );

        let items = [
            Ok(vector.clone()),
            Err("bad"),
            Ok(Record::new("c").document("x y")),
            Ok(Record::new("d").document(" ")),
        ];
        let items: Vec<_> = splitter.split_records(items).collect();
        let c = Record::new("c#0").document("x y").metadata("chunk", 0);
        let d = Record::new("d").document(" ");
        assert_eq!(items, [Ok(vector), Err("bad"), Ok(c), Ok(d)]);
    }

    /// Generates a text of words, sentences, all kinds of white space, and very long words.
    fn text(random: &mut Random) -> String {
        const PARTS: [&str; 24] = [
            "a",
            "word",
            "naïve",
            "\u{1F980}",
            "猫",
            "。",
            "」",
            ".",
            "!",
            "\"",
            ")",
            " ",
            " ",
            " ",
            "\n",
            "\n\n",
            "\r\n",
            "\t",
            "\u{a0}",
            "\u{3000}",
            "e\u{301}",
            "averyveryverylongword",
            "\0",
            "                    ",
        ];
        let few = random.below(3) == 0;
        let parts = 1 + random.place(60);
        (0..parts)
            .map(|_| PARTS[random.place(if few { 12 } else { PARTS.len() })])
            .collect()
    }

    #[test]
    fn random_texts_and_sizes_lose_no_text() {
        let mut random = Random(0x5EED);
        let mut many = 0;
        for case in 0..20_000 {
            let text = text(&mut random);
            let size = random.place(40);
            let overlap = random.place(40);
            let chunks = split(size, overlap, &text);
            let mut covered = 0;
            let mut before = 0;
            for chunk in &chunks {
                let case = format!("{case}: {size} {overlap} {text:?} {chunks:?}");
                // A chunk is a slice of the text, so its address gives its position.
                let start = chunk.as_ptr() as usize - text.as_ptr() as usize;
                let end = start + chunk.len();
                assert!(!chunk.is_empty() && chunk.trim() == *chunk, "{case}");
                assert!(chunk.chars().count() <= size.max(1), "{case}");
                assert!(end > covered && (start > before || before == 0), "{case}");
                // Only white space is dropped, and the repeated part is short enough.
                if let Some(between) = text.get(covered..start) {
                    assert!(between.trim().is_empty(), "{case}");
                } else {
                    let repeated = text[start..covered].chars().count();
                    assert!(repeated <= overlap.min(size / 2), "{case}");
                    many += 1;
                }
                (before, covered) = (start, end);
            }
            assert!(text[covered..].trim().is_empty(), "{case}: {text:?}");
        }
        assert!(many > 10_000, "{many} overlaps");
    }

    #[test]
    fn long_texts_are_split_in_linear_time() {
        // In quadratic time this would take hours.
        for unit in ["x", " x                    ", "x\n", "。"] {
            let text = unit.repeat(2_000_000 / unit.len());
            assert!(split(20, 10, &text).len() > 1_000);
        }
    }
}
