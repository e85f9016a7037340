//! Reads an `f32` in JSON. Responses with vectors consist almost entirely of floats, so this parser sets the
//! cost of a read.
//!
//! It takes 112 instructions for each float; `fast-float2` takes 208, and `serde_json` 429 (callgrind;
//! `benches/RESULTS.md`).
//!
//! The shortest text of an `f32` has at most nine significant digits. So its digits fit into an integer, and
//! one division of two exact `f64` gives the correctly rounded `f32`, except in one case in 2^29. These
//! cases, and all longer numbers, go to the standard library. The method is from W. D. Clinger, "How to read
//! floating point numbers accurately", 1990.

/// The powers of ten that an `f64` represents exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];
/// Any number of this many digits fits into a `u64`.
const MAX_DIGITS: usize = 19;
/// All integers up to this one are exact in an `f64`.
const MAX_EXACT: u64 = 1 << 53;

/// Reads a number of the most common form: 8 to 15 bytes, one digit before the point, followed by a comma.
/// Returns the value and the position of the comma, or `None` for any other form.
///
/// The end of the number depends on the comma alone. So the processor can start on the next number while it
/// still computes the value of this one.
#[inline(always)]
pub(super) fn read_common(text: &[u8], at: usize) -> Option<(f32, usize)> {
    const DIGIT_AND_POINT: u64 = u16::from_le_bytes(*b"0.") as u64;

    let window: &[u8; 32] = text.get(at.checked_sub(16)?..)?.first_chunk()?;
    let eight = |at: usize| Some(u64::from_le_bytes(*window[at..].first_chunk()?));
    let len = 8 + (first_comma(eight(24)?)? & 7);
    let head = eight(16)?;
    let negative = head as u8 == b'-';
    let head = head >> (8 * u32::from(negative));
    let whole = (head & 0xFFFF) ^ DIGIT_AND_POINT;
    let fraction = len - 2 - usize::from(negative);
    // The 16 bytes before the comma. The masks blank what precedes the fraction.
    let [earlier, later] = LAST[fraction & 15];
    let earlier = (eight(len)? ^ ZEROS) & earlier;
    let later = (eight(len + 8)? ^ ZEROS) & later;
    if whole > 9 || (non_digits(earlier) | non_digits(later)) != 0 {
        return None;
    }
    let digits = whole * TENS[fraction & 15] + join(earlier) * TENS[8] + join(later);
    // The digits, at most 14, are exact. The reciprocal and the product are rounded; their error is less than
    // two units in the last place. The third unit is a margin.
    let value = rounded(digits as i64 as f64 * RECIPROCALS[fraction & 15], 3)?;
    let sign = u32::from(negative) << 31;
    Some((f32::from_bits(value.to_bits() | sign), at + len))
}

/// The powers of ten, as integers.
const TENS: [u64; 16] = {
    let mut tens = [1; 16];
    let mut power = 1;
    while power < tens.len() {
        tens[power] = tens[power - 1] * 10;
        power += 1;
    }
    tens
};

/// The reciprocals of the powers of ten.
const RECIPROCALS: [f64; 16] = [
    1e0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12, 1e-13, 1e-14,
    1e-15,
];

/// For each count, the masks of the last `count` of 16 bytes: one for the first eight bytes, one for the
/// other eight.
const LAST: [[u64; 2]; 16] = {
    let mut masks = [[0; 2]; 16];
    let mut count = 1;
    while count < masks.len() {
        let mask = u128::MAX << (128 - 8 * count);
        masks[count] = [mask as u64, (mask >> 64) as u64];
        count += 1;
    }
    masks
};

/// Returns the index of the first comma among eight bytes.
#[inline]
fn first_comma(eight: u64) -> Option<usize> {
    const COMMAS: u64 = 0x2C2C_2C2C_2C2C_2C2C;

    let zeros = eight ^ COMMAS;
    // Sets the high bit of each zero byte. A borrow corrupts only bytes after the first zero byte.
    let found = zeros.wrapping_sub(0x0101_0101_0101_0101) & !zeros & HIGH;
    (found != 0).then(|| (found.trailing_zeros() / 8) as usize)
}

/// Reads the number that `text` starts with. Returns the same value as `str::parse`, and the length in bytes.
/// Returns `None` if it is not a JSON number. A number too large for an `f32` is infinite.
pub(super) fn read(text: &[u8]) -> Option<(f32, usize)> {
    let negative = text.first() == Some(&b'-');
    let first = usize::from(negative);
    let mut whole = Digits::default();
    whole.read_slowly(text, first);
    if whole.count == 0 || (whole.count > 1 && text[first] == b'0') {
        return None;
    }
    let mut end = first + whole.count;
    let mut all = whole;
    if text.get(end) == Some(&b'.') {
        all.read(text, end + 1);
        if all.count == whole.count {
            return None;
        }
        end = first + all.count + 1;
    }
    let fraction = all.count - whole.count;
    let mut exponent = -(fraction as i64);
    if let Some(b'e' | b'E') = text.get(end) {
        let (power, len) = power(&text[end + 1..])?;
        exponent = exponent.saturating_add(power);
        end += 1 + len;
    }
    if all.count <= MAX_DIGITS {
        if let Some(value) = exact(all.value, exponent) {
            return Some((if negative { -value } else { value }, end));
        }
    }
    Some((std::str::from_utf8(&text[..end]).ok()?.parse().ok()?, end))
}

/// Returns `digits` times ten to the power of `exponent`, if the result is certain to be correctly rounded.
#[inline]
fn exact(digits: u64, exponent: i64) -> Option<f32> {
    if digits > MAX_EXACT {
        return None;
    }
    let power = *POWERS.get(usize::try_from(exponent.unsigned_abs()).ok()?)?;
    // Both operands are exact, so the result is the nearest f64.
    let value = if exponent < 0 {
        digits as f64 / power
    } else {
        digits as f64 * power
    };
    rounded(value, 0)
}

/// Rounds a number to the nearest `f32`. `value` is an `f64` within `slack` units in the last place of the
/// number.
///
/// Rounding twice is correct, unless the first rounding hid on which side of the midpoint between two `f32`
/// the number was; then the result is `None`. A `value` other than zero is never subnormal as an `f32` here.
#[inline]
fn rounded(value: f64, slack: u32) -> Option<f32> {
    /// The mantissa bits of an `f64` that an `f32` does not have.
    const LOST: u32 = (1 << 29) - 1;
    /// These bits at the midpoint between two `f32`.
    const MIDDLE: u32 = 1 << 28;

    let from_middle = (value.to_bits() as u32 & LOST).wrapping_sub(MIDDLE);
    (from_middle.wrapping_add(slack) > 2 * slack).then_some(value as f32)
}

/// The digits of a number, and their count. The value overflows beyond [`MAX_DIGITS`].
#[derive(Clone, Copy, Default)]
struct Digits {
    value: u64,
    count: usize,
}

impl Digits {
    /// Reads digits from `at` on, one by one. Good for short runs.
    #[inline]
    fn read_slowly(&mut self, text: &[u8], at: usize) {
        for digit in text[at..].iter().map_while(|byte| digit(*byte)) {
            self.value = self.value.wrapping_mul(10).wrapping_add(digit);
            self.count += 1;
        }
    }

    /// Reads digits from `at` on, eight at a time. Does not branch on how many digits the last group has.
    #[inline]
    fn read(&mut self, text: &[u8], mut at: usize) {
        while let Some(eight) = text.get(at..).and_then(<[u8]>::first_chunk) {
            let (value, count) = leading(u64::from_le_bytes(*eight));
            self.value = self.value.wrapping_mul(TENS[count]).wrapping_add(value);
            self.count += count;
            at += count;
            if count < 8 {
                return;
            }
        }
        self.read_slowly(text, at);
    }
}

#[inline]
fn digit(byte: u8) -> Option<u64> {
    byte.is_ascii_digit().then(|| u64::from(byte - b'0'))
}

/// Eight times the character "0". XOR with it maps digits to 0–9, and all other bytes to more.
const ZEROS: u64 = 0x3030_3030_3030_3030;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Returns the high bit of each byte that is more than 9. A carry corrupts only bytes after the first of
/// these.
#[inline]
fn non_digits(digits: u64) -> u64 {
    (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & HIGH
}

/// Returns the value of eight digits, the first one in the lowest byte. Each step joins neighbours: to
/// numbers of two digits, of four, of eight.
#[inline]
fn join(digits: u64) -> u64 {
    let twos = (digits.wrapping_mul((10 << 8) + 1) >> 8) & 0x00FF_00FF_00FF_00FF;
    let fours = (twos.wrapping_mul((100 << 16) + 1) >> 16) & 0x0000_FFFF_0000_FFFF;
    fours.wrapping_mul((10_000 << 32) + 1) >> 32
}

/// Returns the value and the count of the digits that eight bytes of text start with. The first byte is the
/// lowest.
#[inline]
fn leading(eight: u64) -> (u64, usize) {
    let digits = eight ^ ZEROS;
    let non_digits = non_digits(digits);
    let first = non_digits & non_digits.wrapping_neg();
    let count = non_digits.trailing_zeros() / 8;
    // Blanks the bytes after the digits, and moves the last digit to the highest byte. The bytes below are
    // zero.
    let digits = (digits & (first >> 7).wrapping_sub(1)).rotate_right(8 * count);
    (join(digits), count as usize)
}

/// Reads the exponent after an `e`. Returns its value, which saturates, and its length in bytes.
#[cold]
fn power(text: &[u8]) -> Option<(i64, usize)> {
    let (negative, sign) = match text.first() {
        Some(b'-') => (true, 1),
        Some(b'+') => (false, 1),
        _ => (false, 0),
    };
    let mut value = 0_i64;
    let mut end = sign;
    for digit in text[sign..].iter().map_while(|byte| digit(*byte)) {
        value = value.saturating_mul(10).saturating_add(digit as i64);
        end += 1;
    }
    (end > sign).then_some((if negative { -value } else { value }, end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::random::Random;

    /// Returns what the standard library reads.
    fn parsed(text: &str) -> Option<(u32, usize)> {
        Some((text.parse::<f32>().ok()?.to_bits(), text.len()))
    }

    fn bits(text: &str) -> Option<(u32, usize)> {
        let read = read(text.as_bytes()).map(|(value, len)| (value.to_bits(), len));
        // `read_common` must agree, unless it returns `None`.
        let list = format!("{:16}{text},{:32}", "[", "]");
        if let Some((value, comma)) = read_common(list.as_bytes(), 16) {
            assert_eq!(Some((value.to_bits(), comma - 16)), read, "{text}");
        }
        read
    }

    #[test]
    fn read_common_handles_most_floats() {
        let mut random = Random(3);
        let mut text = format!("{:16}", "[");
        let mut places = Vec::new();
        for _ in 0..10_000 {
            places.push(text.len());
            let part = (random.below(2_000_001) as f32 - 1e6) / 1e7 * 1.000_123;
            text.push_str(&serde_json::to_string(&part).unwrap());
            text.push(',');
        }
        text.push_str(&"0".repeat(32));
        let is_common = |at: &&usize| read_common(text.as_bytes(), **at).is_some();
        let common = places.iter().filter(is_common).count();
        assert!(common > 9_900, "{common} of 10,000");
    }

    /// Checks the float as servers print it, as Rust prints it, and with an exponent.
    fn assert_round_trip(float: f32) {
        for text in [
            serde_json::to_string(&float).unwrap(),
            float.to_string(),
            format!("{float:e}"),
            // With up to 17 digits.
            serde_json::to_string(&f64::from(float)).unwrap(),
        ] {
            assert_eq!(bits(&text), Some((float.to_bits(), text.len())), "{text}");
        }
    }

    #[test]
    fn random_floats_round_trip() {
        let mut random = Random(0x9E37_79B9_7F4A_7C15);
        for _ in 0..300_000 {
            let float = f32::from_bits(random.next() as u32);
            if float.is_finite() {
                assert_round_trip(float);
            }
        }
    }

    #[test]
    #[ignore = "all 2^32 floats; takes about ten minutes with --release"]
    fn all_floats_round_trip() {
        let mut threads = Vec::new();
        for part in 0..8_u32 {
            threads.push(std::thread::spawn(move || {
                for low in 0..1 << 29 {
                    let float = f32::from_bits(part << 29 | low);
                    if float.is_finite() {
                        assert_round_trip(float);
                    }
                }
            }));
        }
        for thread in threads {
            thread.join().unwrap();
        }
    }

    #[test]
    fn numbers_near_a_midpoint_round_to_the_nearer_float() {
        let mut random = Random(0x2545_F491_4F6C_DD1D);
        for _ in 0..20_000 {
            let low = f32::from_bits(random.next() as u32 & 0x7FFF_FFFF);
            let high = f32::from_bits(low.to_bits() + 1);
            if !high.is_finite() {
                continue;
            }
            // The midpoint is exact in an f64, and printed with all its digits; then slightly more and
            // slightly less.
            let middle = f64::midpoint(f64::from(low), f64::from(high));
            for text in [
                format!("{middle}"),
                format!("{middle:.60}"),
                format!("{middle:.200}1"),
                format!("{middle:e}"),
                format!("{:e}", f64::from_bits(middle.to_bits() + 1)),
                format!("{:e}", f64::from_bits(middle.to_bits() - 1)),
            ] {
                assert_eq!(bits(&text), parsed(&text), "{text}");
            }
        }
    }

    #[test]
    fn numbers_of_any_length_are_read() {
        let mut random = Random(1);
        let mut text = String::new();
        for _ in 0..100_000 {
            text.clear();
            if random.below(2) == 0 {
                text.push('-');
            }
            let digits = |random: &mut Random, text: &mut String, max| {
                for _ in 0..=random.below(max) {
                    text.push(char::from(b'0' + random.below(10) as u8));
                }
            };
            if random.once_in(3) {
                text.push('0');
            } else {
                text.push(char::from(b'1' + random.below(9) as u8));
                digits(&mut random, &mut text, 12);
            }
            if random.below(4) > 0 {
                text.push('.');
                digits(&mut random, &mut text, 24);
            }
            if random.below(3) == 0 {
                text.push_str(["e", "E", "e-", "E+"][random.below(4) as usize]);
                digits(&mut random, &mut text, 2);
            }
            assert_eq!(bits(&text), parsed(&text), "{text}");
            // The bytes after the number are not read.
            let len = text.len();
            text.push([',', ']', ' ', '\n', 'x'][random.below(5) as usize]);
            text.push_str("12345678");
            assert_eq!(bits(&text).unwrap().1, len, "{text}");
        }
    }

    #[test]
    fn extreme_exponents_saturate() {
        for (text, value) in [
            ("1e400", f32::INFINITY),
            ("-1e99999999999999999999999", f32::NEG_INFINITY),
            ("1e-99999999999999999999999", 0.0),
            ("3.4028235e38", f32::MAX),
            ("3.4028236e38", f32::INFINITY),
            ("1e-45", f32::from_bits(1)),
            ("0e999", 0.0),
            ("-0", -0.0),
            ("9007199254740993", 9_007_199_254_740_992.0),
            ("18446744073709551616", 18_446_744_073_709_551_616.0),
        ] {
            assert_eq!(bits(text), Some((value.to_bits(), text.len())), "{text}");
        }
        let long = format!("0.{}1", "0".repeat(100_000));
        assert_eq!(read(long.as_bytes()), Some((0.0, long.len())));
        let long = "9".repeat(100_000);
        assert_eq!(read(long.as_bytes()), Some((f32::INFINITY, long.len())));
    }

    #[test]
    fn invalid_numbers_are_refused() {
        for text in [
            "", "-", "+1", ".5", "1.", "-.5", "01", "-01", "00", "1e", "1e+", "1.e5", "1.5e-",
            "e5", "NaN", "inf", "Infinity", "x", "null", "\"1\"", " 1", "--1", "\u{0}", "\u{FF11}",
        ] {
            assert_eq!(read(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn accepts_the_same_numbers_as_serde_json() {
        let mut random = Random(7);
        let alphabet = b"0123456789.eE+-0000";
        for _ in 0..300_000 {
            let text: Vec<u8> = (0..=random.below(9))
                .map(|_| alphabet[random.below(alphabet.len() as u64) as usize])
                .collect();
            let ours = read(&text).filter(|(_, len)| *len == text.len());
            let serde = serde_json::from_slice::<serde_json::Number>(&text);
            // serde_json refuses a number that is too large for an f64.
            let valid = serde.is_ok() || ours.is_some_and(|(value, _)| value.is_infinite());
            assert_eq!(ours.is_some(), valid, "{}", String::from_utf8_lossy(&text));
        }
    }
}
