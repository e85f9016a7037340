//! [`TextSplitter`]: long texts in pieces.

use std::ops::Range;

use crate::model::record::Record;

/// Cuts long texts into pieces that an embedding function takes, and that say one thing each.
///
/// A piece has at most so many characters (`char`s, not bytes; about four of them are a token of English text). It ends
/// behind a paragraph, or else behind a sentence, a line or a word, whichever comes first in this list and is not too far
/// from the end; a word that is too long is cut anywhere between two characters. Between two pieces and around them white
/// space is left out, and nothing else.
///
/// ```
/// use chroma_blocking::ingest::TextSplitter;
///
/// let text = "Gouda is a cheese. It is Dutch.\n\nEdam is another one, round and red.";
/// let pieces: Vec<&str> = TextSplitter::new(40).split(text).collect();
/// assert_eq!(pieces, ["Gouda is a cheese. It is Dutch.", "Edam is another one, round and red."]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextSplitter {
    size: usize,
    overlap: usize,
}

impl TextSplitter {
    /// Pieces of at most this many characters, and of no overlap. 0 is taken for 1.
    pub fn new(size: usize) -> TextSplitter {
        TextSplitter {
            size: size.max(1),
            overlap: 0,
        }
    }

    /// Each piece starts with the end of the one before: at most this many characters, of whole sentences where one fits,
    /// else of whole words. What is said across a cut is in one piece then. More than half of a piece is taken for that.
    #[must_use]
    pub fn overlap(mut self, characters: usize) -> TextSplitter {
        self.overlap = characters.min(self.size / 2);
        self
    }

    /// The pieces of a text, in order. A text of nothing but white space has none.
    pub fn split<'a>(&self, text: &'a str) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut walk = Walk::new(*self);
        std::iter::from_fn(move || Some(&text[walk.next(text)?]))
    }

    /// A record for each piece of its document. The ids have a number behind that of the record, `id#0`, `id#1` …, also
    /// where there is one piece only, and the metadata has that number as `chunk`, beside what the record has. The address
    /// is the record's; the vector, which is that of the whole text, is left out.
    ///
    /// A record without a document comes as it is, and of a document of nothing but white space nothing comes.
    ///
    /// ```
    /// use chroma_blocking::Record;
    /// use chroma_blocking::ingest::TextSplitter;
    ///
    /// let cheeses = Record::new("cheeses").document("Gouda is Dutch. So is Edam.").metadata("year", 2015);
    /// let pieces: Vec<Record> = TextSplitter::new(20).records(cheeses).collect();
    /// let first = Record::new("cheeses#0").document("Gouda is Dutch.").metadata("year", 2015);
    /// assert_eq!(pieces[0], first.metadata("chunk", 0));
    /// assert_eq!(pieces[1].id, "cheeses#1");
    /// ```
    pub fn records(&self, mut record: Record) -> impl Iterator<Item = Record> + use<> {
        let mut walk = Walk::new(*self);
        let document = record.document.take();
        let mut whole = match &document {
            Some(_) => None,
            None => Some(record.clone()),
        };
        record.embedding = None;
        let mut chunk = 0;
        std::iter::from_fn(move || {
            let Some(text) = &document else {
                return whole.take();
            };
            let piece = &text[walk.next(text)?];
            let mut next = record.clone();
            next.id = format!("{}#{chunk}", record.id);
            next.document = Some(piece.to_owned());
            next.metadata.insert("chunk", chunk);
            chunk += 1;
            Some(next)
        })
    }

    /// The [pieces](TextSplitter::records) of all records that a reader gives. An error comes in its place.
    ///
    /// ```
    /// use chroma_blocking::ingest::{JsonLines, TextSplitter};
    ///
    /// let lines = r#"{"id": "cheeses", "document": "Gouda is Dutch. So is Edam."}"#;
    /// let pieces = TextSplitter::new(20).split_records(JsonLines::from_reader(lines.as_bytes()));
    /// assert_eq!(pieces.count(), 2);
    /// ```
    pub fn split_records<I, E>(
        &self,
        records: I,
    ) -> impl Iterator<Item = Result<Record, E>> + use<I, E>
    where
        I: IntoIterator<Item = Result<Record, E>>,
    {
        let splitter = *self;
        records.into_iter().flat_map(move |item| {
            let (record, error) = match item {
                Ok(record) => (Some(record), None),
                Err(error) => (None, Some(Err(error))),
            };
            let pieces = record.map(|record| splitter.records(record).map(Ok));
            pieces.into_iter().flatten().chain(error)
        })
    }
}

/// A way through a text. All places are bytes, between two characters.
struct Walk {
    splitter: TextSplitter,
    /// Where the next piece may start.
    start: usize,
    /// What is in front of here has been in a piece, or is white space.
    covered: usize,
}

impl Walk {
    fn new(splitter: TextSplitter) -> Walk {
        Walk {
            splitter,
            start: 0,
            covered: 0,
        }
    }

    /// The next piece, if there is one.
    fn next(&mut self, text: &str) -> Option<Range<usize>> {
        let TextSplitter { size, overlap } = self.splitter;
        self.covered = behind_space(text, self.covered);
        if self.covered == text.len() {
            return None;
        }
        let mut start = behind_space(text, self.start);
        let mut limit = after(text, start, size);
        if limit <= self.covered {
            // The white space between is so long that nothing new would fit behind what is repeated.
            start = self.covered;
            limit = after(text, start, size);
        }
        let end = match limit == text.len() {
            true => start + text[start..].trim_end().len(),
            false => cut(text, start, self.covered, limit),
        };
        self.covered = end;
        self.start = match overlap {
            0 => end,
            _ => repeated(text, start, end, overlap),
        };
        Some(start..end)
    }
}

/// The place behind so many characters, or the end of the text.
fn after(text: &str, start: usize, characters: usize) -> usize {
    let mut places = text[start..].char_indices().skip(characters);
    places.next().map_or(text.len(), |(place, _)| start + place)
}

fn behind_space(text: &str, start: usize) -> usize {
    text.len() - text[start..].trim_start().len()
}

/// Where a piece ends that starts at `start`, and goes at least beyond `covered` and at most to `limit`.
fn cut(text: &str, start: usize, covered: usize, limit: usize) -> usize {
    // So that no piece has little that is new: at least half of what it may have.
    let least = covered + (limit - covered) / 2;
    let mut best = None;
    for gap in gaps(text, start, limit) {
        if gap.end > covered {
            // The last one of the best kind, but for words, which are better than nothing wherever they end.
            let kind = match gap.end < least {
                true => Kind::Word,
                false => gap.kind,
            };
            best = best.max(Some((kind, gap.end)));
        }
    }
    best.map_or(limit, |(_, end)| end)
}

/// Where the next piece starts: at the first sentence in the last so many characters of this one, or else at the first word,
/// or else, where that is all one word, so many characters before the end.
fn repeated(text: &str, start: usize, end: usize, overlap: usize) -> usize {
    let mut last = text[start..end].char_indices().rev();
    let from = last
        .nth(overlap - 1)
        .map_or(start, |(place, _)| start + place);
    let within = |gap: &Gap| gap.start >= from && gap.start < end;
    let mut word = None;
    for gap in gaps(text, start, end).filter(within) {
        if gap.kind >= Kind::Sentence {
            return gap.start;
        }
        word = word.or(Some(gap.start));
    }
    match word {
        Some(word) => word,
        // Never as far back as this piece.
        None if from == start => end,
        None => from,
    }
}

/// What stands between two words, the best place for a cut last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Word,
    Line,
    Sentence,
    Paragraph,
}

/// A place where a text may be cut.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Gap {
    /// Where the text in front ends.
    end: usize,
    /// Where the text behind starts; the same place where there is no white space.
    start: usize,
    kind: Kind,
}

/// The gaps from a place on which end at `limit` or before.
fn gaps(text: &str, from: usize, limit: usize) -> impl Iterator<Item = Gap> {
    let mut chars = text[from..].char_indices().peekable();
    // Whether a sentence has ended, and nothing has come since but what closes it.
    let mut ended = false;
    std::iter::from_fn(move || {
        loop {
            let (place, char) = chars.next()?;
            let end = from + place;
            if end > limit {
                return None;
            }
            if char.is_whitespace() {
                let mut breaks = usize::from(char == '\n');
                while let Some((_, space)) = chars.next_if(|(_, next)| next.is_whitespace()) {
                    breaks += usize::from(space == '\n');
                }
                let start = chars.peek().map_or(text.len(), |(place, _)| from + place);
                let kind = match breaks {
                    2.. => Kind::Paragraph,
                    _ if ended => Kind::Sentence,
                    1 => Kind::Line,
                    _ => Kind::Word,
                };
                ended = false;
                return Some(Gap { end, start, kind });
            }
            ended = match char {
                '.' | '!' | '?' | '…' | '。' | '！' | '？' => true,
                '"' | '\'' | '”' | '’' | '»' | ')' | ']' | '」' | '』' | '）' => ended,
                _ => false,
            };
            // Chinese and Japanese have no space between sentences.
            let wide = matches!(char, '。' | '！' | '？' | '」' | '』' | '）');
            let end = end + char.len_utf8();
            let more =
                |(_, next): &(usize, char)| next.is_whitespace() || "。！？」』）".contains(*next);
            if ended && wide && end <= limit && !chars.peek().is_some_and(more) {
                let kind = Kind::Sentence;
                return Some(Gap {
                    end,
                    start: end,
                    kind,
                });
            }
        }
    })
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
        // A paragraph, though a sentence ends later.
        assert_eq!(
            split(35, 0, text),
            [
                "First one. Second one.",
                "Third one. Fourth",
                "one without an end"
            ]
        );
        // A paragraph too far from the end is no place for a cut.
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
    fn pieces_start_with_the_end_of_the_one_before() {
        assert_eq!(
            split(24, 10, "One is here. Two is. Three is there."),
            ["One is here. Two is.", "Two is. Three is there."]
        );
        assert_eq!(
            split(10, 5, "one two three four"),
            ["one two", "two three", "three four"]
        );
        assert_eq!(split(6, 2, "abcdefghij"), ["abcdef", "efghij"]);
        // A quarter of the text again, at most.
        assert_eq!(split(8, 100, "aaaa bbbb cccc"), ["aaaa", "bbbb", "cccc"]);
    }

    #[test]
    fn records_of_pieces_have_what_the_record_has() {
        let record = Record::new("a")
            .document("one two")
            .metadata("k", 1)
            .metadata("chunk", "x")
            .uri("u")
            .embedding([1.0]);
        let splitter = TextSplitter::new(3);
        let pieces: Vec<_> = splitter.records(record.clone()).collect();
        let expected = |n: i64, text: &str| {
            Record::new(format!("a#{n}"))
                .document(text)
                .metadata("k", 1)
                .metadata("chunk", n)
                .uri("u")
        };
        assert_eq!(pieces, [expected(0, "one"), expected(1, "two")]);

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
        ];
        let items: Vec<_> = splitter.split_records(items).collect();
        let c = Record::new("c#0").document("x y").metadata("chunk", 0);
        assert_eq!(items, [Ok(vector), Err("bad"), Ok(c)]);
    }

    /// A text of words, sentences, white space of all kinds, and words without end.
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
    fn whatever_the_text_and_the_sizes() {
        let mut random = Random(0x5EED);
        let mut many = 0;
        for case in 0..20_000 {
            let text = text(&mut random);
            let size = random.place(40);
            let overlap = random.place(40);
            let pieces = split(size, overlap, &text);
            let mut covered = 0;
            let mut before = 0;
            for piece in &pieces {
                let case = format!("{case}: {size} {overlap} {text:?} {pieces:?}");
                // The place of the piece in the text, which a piece of the text has.
                let start = piece.as_ptr() as usize - text.as_ptr() as usize;
                let end = start + piece.len();
                assert!(!piece.is_empty() && piece.trim() == *piece, "{case}");
                assert!(piece.chars().count() <= size.max(1), "{case}");
                assert!(end > covered && (start > before || before == 0), "{case}");
                // White space alone is left out, and what is there twice is not too much.
                match text.get(covered..start) {
                    Some(between) => assert!(between.trim().is_empty(), "{case}"),
                    None => {
                        let repeated = text[start..covered].chars().count();
                        assert!(repeated <= overlap.min(size / 2), "{case}");
                        many += 1;
                    }
                }
                (before, covered) = (start, end);
            }
            assert!(text[covered..].trim().is_empty(), "{case}: {text:?}");
        }
        assert!(many > 10_000, "{many} overlaps");
    }

    #[test]
    fn a_text_without_any_place_to_cut_takes_no_longer() {
        // Were all of the text looked at for each piece, this would take hours.
        for unit in ["x", " x                    ", "x\n", "。"] {
            let text = unit.repeat(2_000_000 / unit.len());
            assert!(split(20, 10, &text).len() > 1_000);
        }
    }
}
