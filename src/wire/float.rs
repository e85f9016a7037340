//! The number that answers are made of: an `f32` in JSON, read several times faster than by a parser for any number.
//!
//! An `f32` printed as short as it can be has at most nine significant digits. So its digits fit an integer, and one
//! division of two `f64` that are exact gives its value to the last bit but one in 2^29 cases; the rest is left to the
//! standard library (the idea is W. D. Clinger's, "How to read floating point numbers accurately", 1990).

/// The powers of ten that an `f64` holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];
/// Digits that a `u64` holds, whatever they are.
const MAX_DIGITS: usize = 19;
/// Integers up to this one are exact in an `f64`.
const MAX_EXACT: u64 = 1 << 53;

/// Reads a number of 8 to 15 bytes as most of them are: one digit, a point, digits, and a comma behind. Anything else is
/// `None`.
///
/// The place of the comma alone says where it ends, so that the next number is on its way while the digits of this one
/// are still turned to a value.
#[inline(always)]
pub(super) fn common(text: &[u8], at: usize) -> Option<(f32, usize)> {
    const DIGIT_AND_POINT: u64 = u16::from_le_bytes(*b"0.") as u64;

    let window: &[u8; 32] = text.get(at.checked_sub(16)?..)?.first_chunk()?;
    let eight = |at: usize| {
        let [a, b, c, d, e, f, g, h] = *window[at..].first_chunk()?;
        Some(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
    };
    let len = 8 + (first_comma(eight(24)?)? & 7);
    let head = eight(16)?;
    let negative = head as u8 == b'-';
    let head = head >> (8 * u32::from(negative));
    let whole = (head & 0xFFFF) ^ DIGIT_AND_POINT;
    let fraction = len - 2 - usize::from(negative);
    // The last 16 bytes, in front of which other things stand.
    let [earlier, later] = LAST[fraction & 15];
    let earlier = (eight(len)? ^ ZEROS) & earlier;
    let later = (eight(len + 8)? ^ ZEROS) & later;
    if whole > 9 || (others(earlier) | others(later)) != 0 {
        return None;
    }
    let digits = whole * TENS[fraction & 15] + join(earlier) * TENS[8] + join(later);
    // At most 14 digits are exact, but one over a power of ten is not, nor the product: together they are wrong by less
    // than two in the last bit, and one more is for whoever proves this wrong.
    let value = rounded(digits as i64 as f64 * PARTS[fraction & 15], 3)?;
    let sign = u32::from(negative) << 31;
    Some((f32::from_bits(value.to_bits() | sign), at + len))
}

/// The powers of ten that go with a digit in front of so many.
const TENS: [u64; 16] = {
    let mut tens = [1; 16];
    let mut power = 1;
    while power < tens.len() {
        tens[power] = tens[power - 1] * 10;
        power += 1;
    }
    tens
};

/// One over the powers of ten.
const PARTS: [f64; 16] = [
    1e0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12, 1e-13, 1e-14,
    1e-15,
];

/// Which of 16 bytes are the last so many: a mask of the earlier eight, and of the later eight.
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

/// The place of the first comma among eight bytes.
#[inline]
fn first_comma(eight: u64) -> Option<usize> {
    const COMMAS: u64 = 0x2C2C_2C2C_2C2C_2C2C;

    let zeros = eight ^ COMMAS;
    // The high bit of each byte that is zero; a carry spoils only bytes behind the first of these.
    let found = zeros.wrapping_sub(0x0101_0101_0101_0101) & !zeros & HIGH;
    (found != 0).then(|| (found.trailing_zeros() / 8) as usize)
}

/// Reads the number that `text` starts with: its value, as `str::parse` has it, and how many bytes it takes. `None` when
/// there is no number as JSON writes them. What is too large for an `f32` is infinite.
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
    let value = match all.count <= MAX_DIGITS {
        true => exact(all.value, exponent).map(|value| if negative { -value } else { value }),
        false => None,
    };
    match value {
        Some(value) => Some((value, end)),
        None => Some((std::str::from_utf8(&text[..end]).ok()?.parse().ok()?, end)),
    }
}

/// `digits` times ten to the `exponent`, where that can be had without error.
#[inline]
fn exact(digits: u64, exponent: i64) -> Option<f32> {
    if digits > MAX_EXACT {
        return None;
    }
    let power = *POWERS.get(usize::try_from(exponent.unsigned_abs()).ok()?)?;
    // Both are exact, so this is the f64 that is nearest.
    let value = match exponent < 0 {
        true => digits as f64 / power,
        false => digits as f64 * power,
    };
    rounded(value, 0)
}

/// The `f32` that is nearest to a number, of which `value` is the nearest `f64` but for `slack` times its last bit. To
/// round twice is to round right, except where the first time may have hidden on which side of the middle between two
/// floats the number was. A `value` that is not zero is large enough here for an `f32` to have all its bits.
#[inline]
fn rounded(value: f64, slack: u32) -> Option<f32> {
    /// The bits of an `f64` that an `f32` lacks, and what these are in the middle between two of the latter.
    const LOST: u32 = (1 << 29) - 1;
    const MIDDLE: u32 = 1 << 28;

    let from_middle = (value.to_bits() as u32 & LOST).wrapping_sub(MIDDLE);
    (from_middle.wrapping_add(slack) > 2 * slack).then_some(value as f32)
}

/// The digits of a number, and how many they are. The value is wrong beyond [`MAX_DIGITS`].
#[derive(Clone, Copy, Default)]
struct Digits {
    value: u64,
    count: usize,
}

impl Digits {
    /// Reads digits from `at` on, one by one: for few.
    #[inline]
    fn read_slowly(&mut self, text: &[u8], at: usize) {
        for digit in text[at..].iter().map_while(|byte| digit(*byte)) {
            self.value = self.value.wrapping_mul(10).wrapping_add(digit);
            self.count += 1;
        }
    }

    /// Reads digits from `at` on, eight at a time, without a jump that depends on how many the last ones are.
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

/// Eight bytes of the text "0"; a digit is 0 to 9 where it differs from these, and anything else is more.
const ZEROS: u64 = 0x3030_3030_3030_3030;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The high bit of each byte that is more than 9; a carry spoils only bytes behind the first of these.
#[inline]
fn others(digits: u64) -> u64 {
    (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & HIGH
}

/// The value of eight digits, the first one in the lowest byte: neighbours become numbers of two digits, of four, of
/// eight.
#[inline]
fn join(digits: u64) -> u64 {
    let twos = (digits.wrapping_mul((10 << 8) + 1) >> 8) & 0x00FF_00FF_00FF_00FF;
    let fours = (twos.wrapping_mul((100 << 16) + 1) >> 16) & 0x0000_FFFF_0000_FFFF;
    fours.wrapping_mul((10_000 << 32) + 1) >> 32
}

/// The digits that eight bytes of text start with, the first one in the lowest byte: their value, and how many they are.
#[inline]
fn leading(eight: u64) -> (u64, usize) {
    let digits = eight ^ ZEROS;
    let others = others(digits);
    let first = others & others.wrapping_neg();
    let count = others.trailing_zeros() / 8;
    // What is no digit goes, the last digit comes to the highest byte, and below the first there is nothing.
    let digits = (digits & (first >> 7).wrapping_sub(1)).rotate_right(8 * count);
    (join(digits), count as usize)
}

/// The exponent behind an `e`, and how many bytes it takes; one that is too large stays at the limit.
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

    /// What the standard library makes of the same text.
    fn parsed(text: &str) -> Option<(u32, usize)> {
        Some((text.parse::<f32>().ok()?.to_bits(), text.len()))
    }

    fn bits(text: &str) -> Option<(u32, usize)> {
        let read = read(text.as_bytes()).map(|(value, len)| (value.to_bits(), len));
        // Where the shorter way does not give up, it says the same.
        let among = format!("{:16}{text},{:32}", "[", "]");
        if let Some((value, comma)) = common(among.as_bytes(), 16) {
            assert_eq!(Some((value.to_bits(), comma - 16)), read, "{text}");
        }
        read
    }

    #[test]
    fn most_floats_are_read_the_short_way() {
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
        let short = |at: &&usize| common(text.as_bytes(), **at).is_some();
        let short = places.iter().filter(short).count();
        assert!(short > 9_900, "{short} of 10,000");
    }

    /// The float as servers print it, as Rust does, and with an exponent.
    fn agrees(float: f32) {
        for text in [
            serde_json::to_string(&float).unwrap(),
            float.to_string(),
            format!("{float:e}"),
            // As an f64, that is with up to 17 digits.
            serde_json::to_string(&f64::from(float)).unwrap(),
        ] {
            assert_eq!(bits(&text), Some((float.to_bits(), text.len())), "{text}");
        }
    }

    #[test]
    fn random_bit_patterns_are_read_as_they_were_written() {
        let mut random = Random(0x9E37_79B9_7F4A_7C15);
        for _ in 0..300_000 {
            let float = f32::from_bits(random.next() as u32);
            if float.is_finite() {
                agrees(float);
            }
        }
    }

    #[test]
    #[ignore = "all 2^32 of them; with --release about ten minutes"]
    fn all_bit_patterns_are_read_as_they_were_written() {
        let mut threads = Vec::new();
        for part in 0..8_u32 {
            threads.push(std::thread::spawn(move || {
                for low in 0..1 << 29 {
                    let float = f32::from_bits(part << 29 | low);
                    if float.is_finite() {
                        agrees(float);
                    }
                }
            }));
        }
        for thread in threads {
            thread.join().unwrap();
        }
    }

    #[test]
    fn between_two_floats_the_nearer_one_is_taken() {
        let mut random = Random(0x2545_F491_4F6C_DD1D);
        for _ in 0..20_000 {
            let low = f32::from_bits(random.next() as u32 & 0x7FFF_FFFF);
            let high = f32::from_bits(low.to_bits() + 1);
            if !high.is_finite() {
                continue;
            }
            // Exact in an f64, and printed exactly by as many digits as it has; then a bit more, and a bit less.
            let middle = (f64::from(low) + f64::from(high)) / 2.0;
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
            let digits = |random: &mut Random, text: &mut String, most| {
                for _ in 0..=random.below(most) {
                    text.push(char::from(b'0' + random.below(10) as u8));
                }
            };
            match random.below(3) {
                0 => text.push('0'),
                _ => {
                    text.push(char::from(b'1' + random.below(9) as u8));
                    digits(&mut random, &mut text, 12);
                }
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
            // What stands behind it is left alone.
            let len = text.len();
            text.push([',', ']', ' ', '\n', 'x'][random.below(5) as usize]);
            text.push_str("12345678");
            assert_eq!(bits(&text).unwrap().1, len, "{text}");
        }
    }

    #[test]
    fn huge_numbers_end_at_infinity_and_at_zero() {
        for (text, value) in [
            ("1e400", f32::INFINITY),
            ("-1e99999999999999999999999", f32::NEG_INFINITY),
            ("1e-99999999999999999999999", 0.0),
            ("3.4028235e38", f32::MAX),
            ("3.4028236e38", f32::INFINITY),
            ("1e-45", f32::from_bits(1)),
            ("0e999", 0.0),
            ("-0", -0.0),
            ("9007199254740993", 9007199254740992.0),
            ("18446744073709551616", 18446744073709551616.0),
        ] {
            assert_eq!(bits(text), Some((value.to_bits(), text.len())), "{text}");
        }
        let long = format!("0.{}1", "0".repeat(100_000));
        assert_eq!(read(long.as_bytes()), Some((0.0, long.len())));
        let long = "9".repeat(100_000);
        assert_eq!(read(long.as_bytes()), Some((f32::INFINITY, long.len())));
    }

    #[test]
    fn what_json_calls_no_number_is_refused() {
        for text in [
            "", "-", "+1", ".5", "1.", "-.5", "01", "-01", "00", "1e", "1e+", "1.e5", "1.5e-",
            "e5", "NaN", "inf", "Infinity", "x", "null", "\"1\"", " 1", "--1", "\u{0}", "\u{FF11}",
        ] {
            assert_eq!(read(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn the_same_numbers_as_serde_json_accepts() {
        let mut random = Random(7);
        let alphabet = b"0123456789.eE+-0000";
        for _ in 0..300_000 {
            let text: Vec<u8> = (0..=random.below(9))
                .map(|_| alphabet[random.below(alphabet.len() as u64) as usize])
                .collect();
            let ours = read(&text).filter(|(_, len)| *len == text.len());
            let serde = serde_json::from_slice::<serde_json::Number>(&text);
            // A number too large for an f64 is no number to serde_json.
            let valid = serde.is_ok() || ours.is_some_and(|(value, _)| value.is_infinite());
            assert_eq!(ours.is_some(), valid, "{}", String::from_utf8_lossy(&text));
        }
    }
}
