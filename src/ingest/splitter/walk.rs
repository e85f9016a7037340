//! [`Walk`]: finds where the chunks of a text start and end.

use std::ops::Range;

/// The state of splitting one text. All positions are byte offsets at character boundaries.
pub(super) struct Walk {
    size: usize,
    overlap: usize,
    /// Where the next chunk may start.
    start: usize,
    /// Everything before this position is in a chunk or is white space.
    covered: usize,
}

impl Walk {
    /// Starts with chunks of at most `size` characters that repeat at most `overlap`.
    pub(super) fn new(size: usize, overlap: usize) -> Walk {
        Walk {
            size,
            overlap,
            start: 0,
            covered: 0,
        }
    }

    /// Returns the next chunk.
    pub(super) fn next(&mut self, text: &str) -> Option<Range<usize>> {
        let Walk { size, overlap, .. } = *self;
        self.covered = skip_space(text, self.covered);
        if self.covered == text.len() {
            return None;
        }
        let mut start = skip_space(text, self.start);
        let mut limit = skip_chars(text, start, size);
        if limit <= self.covered {
            // The white space is so long that nothing new would fit after the repeated part.
            start = self.covered;
            limit = skip_chars(text, start, size);
        }
        let end = if limit == text.len() {
            start + text[start..].trim_end().len()
        } else {
            best_end(text, start..limit, self.covered)
        };
        self.covered = end;
        self.start = match overlap {
            0 => end,
            _ => overlap_start(text, start..end, overlap),
        };
        Some(start..end)
    }
}

/// Returns the position after some characters, or the end of the text.
fn skip_chars(text: &str, start: usize, characters: usize) -> usize {
    let mut places = text[start..].char_indices().skip(characters);
    places.next().map_or(text.len(), |(place, _)| start + place)
}

fn skip_space(text: &str, start: usize) -> usize {
    text.len() - text[start..].trim_start().len()
}

/// Returns the best end of a chunk within `range`, which starts with the chunk. The end is after `covered`.
fn best_end(text: &str, range: Range<usize>, covered: usize) -> usize {
    // At least half of the possible new text, so that no chunk is mostly repetition.
    let preferred = covered + (range.end - covered) / 2;
    let mut best = None;
    for gap in gaps(text, range.start, range.end) {
        if gap.end > covered {
            // The last gap of the best kind. An early gap counts as a gap between words: better than none.
            let kind = if gap.end < preferred {
                Kind::Word
            } else {
                gap.kind
            };
            best = best.max(Some((kind, gap.end)));
        }
    }
    best.map_or(range.end, |(_, end)| end)
}

/// Returns where the chunk after `chunk` starts, at most `overlap` characters before its end.
///
/// Prefers the first start of a sentence there, then the first start of a word, then the earliest position.
fn overlap_start(text: &str, chunk: Range<usize>, overlap: usize) -> usize {
    let mut last = text[chunk.clone()].char_indices().rev();
    let earliest = last
        .nth(overlap - 1)
        .map_or(chunk.start, |(place, _)| chunk.start + place);
    let is_within = |gap: &Gap| gap.start >= earliest && gap.start < chunk.end;
    let mut word = None;
    for gap in gaps(text, chunk.start, chunk.end).filter(is_within) {
        if gap.kind >= Kind::Sentence {
            return gap.start;
        }
        word = word.or(Some(gap.start));
    }
    match word {
        Some(word) => word,
        // Each chunk must start after the previous one.
        None if earliest == chunk.start => chunk.end,
        None => earliest,
    }
}

/// The kinds of gaps, from the worst to the best place for a cut.
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
    /// The end of the text before it.
    end: usize,
    /// The start of the text after it. The same as `end` without white space between.
    start: usize,
    kind: Kind,
}

/// Returns the gaps after `from` that start at `limit` or before.
fn gaps(text: &str, from: usize, limit: usize) -> impl Iterator<Item = Gap> {
    let mut chars = text[from..].char_indices().peekable();
    // Whether the characters so far end a sentence. Closing quotes and brackets may follow the end.
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
            // Chinese and Japanese sentences are not separated by spaces.
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
