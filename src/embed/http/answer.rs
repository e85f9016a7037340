//! [`Answer`]: where the vectors of a response are, and how they are written.

use base64_simd::STANDARD;

use super::dialect;
use super::received::Received;
use crate::wire::cursor::Cursor;
use crate::wire::read::unread;

/// The form of a provider's responses.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer {
    /// The members that lead to the list of vectors. Empty: the response is the list.
    pub(super) path: &'static [&'static str],
    /// The form of a vector in base64.
    pub(super) packed: Packed,
}

/// The largest number in a vector in base64. Models make far smaller ones.
const LARGEST: f32 = 1e6;

/// The numbers of a vector in base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packed {
    /// 32-bit floats, little-endian.
    Floats,
    /// 8-bit integers.
    Bytes,
}

impl Answer {
    pub(super) const fn at(path: &'static [&'static str]) -> Answer {
        Answer {
            path,
            packed: Packed::Floats,
        }
    }

    /// Reads the vectors of a response.
    ///
    /// # Errors
    /// Describes what is wrong with the response, or what it says is wrong with the request.
    pub(super) fn read(self, response: &[u8], vectors: &mut Received<'_>) -> Result<(), String> {
        let mut at = Cursor::new(response);
        self.find(self.path, &mut at, vectors)
            .and_then(|()| at.end())
            .map_err(|what| unread(response, &what))?;
        vectors.finish(response)
    }

    fn find(
        self,
        path: &[&str],
        at: &mut Cursor<'_>,
        vectors: &mut Received<'_>,
    ) -> Result<(), String> {
        let Some((next, rest)) = path.split_first() else {
            return vectors.list(at, |at, floats| self.vector(at, floats));
        };
        if at.peek() == Some(b'n') {
            // `null`, next to an error
            return at.skip();
        }
        at.members(|at, key| match key {
            key if key == *next => self.find(rest, at, vectors),
            // Some gateways report an error with status 200.
            "error" | "errors" => match at.json()? {
                b"null" | b"[]" | b"{}" | b"\"\"" | b"false" => Ok(()),
                error => Err(format!("it reports an error: {}", dialect::words(error))),
            },
            _ => at.skip(),
        })
    }

    /// Reads a vector to the end of `floats`. Returns its place, if the response tells it.
    fn vector(self, at: &mut Cursor<'_>, floats: &mut Vec<f32>) -> Result<Option<usize>, String> {
        if at.peek() != Some(b'{') {
            return self.numbers(at, floats).map(|()| None);
        }
        let mut place = None;
        at.members(|at, key| match key {
            "embedding" => self.numbers(at, floats),
            "index" => at.value().map(|index| place = Some(index)),
            _ => at.skip(),
        })?;
        Ok(place)
    }

    fn numbers(self, at: &mut Cursor<'_>, floats: &mut Vec<f32>) -> Result<(), String> {
        if at.peek() != Some(b'"') {
            return at.floats(floats).map(drop);
        }
        let before = floats.len();
        let text: String = at.value()?;
        let bytes = STANDARD
            .decode_to_vec(text)
            .map_err(|_| "a vector that is not base64".to_owned())?;
        match self.packed {
            Packed::Bytes => floats.extend(bytes.iter().map(|byte| f32::from(*byte as i8))),
            Packed::Floats if bytes.len() % 4 != 0 => {
                return Err(format!("a vector of {} bytes", bytes.len()));
            }
            Packed::Floats => {
                let words = bytes.chunks_exact(4);
                floats.extend(words.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
            }
        }
        // Other bytes, read as floats, soon make a huge one.
        match floats[before..]
            .iter()
            .find(|x| x.is_nan() || x.abs() > LARGEST)
        {
            None => Ok(()),
            Some(x) => Err(format!(
                "the number {x} in a vector in base64, which seems not to consist of 32-bit floats"
            )),
        }
    }
}
