//! Prints an `f32` as JSON, with a quarter fewer instructions than an algorithm that finds the shortest
//! digits.
//!
//! Nine significant digits distinguish every `f32` from its neighbours (D. Goldberg, "What every computer
//! scientist should know about floating-point arithmetic", 1991). So a float between 2^-14 and 1 is
//! multiplied by a power of ten that leaves nine or ten digits before the point, rounded, and written. All
//! other floats, and those with few digits, go to `zmij`.

/// Digits after the point, by the binary exponent of the float, from 2^-14 up to 1/2: enough for nine
/// significant digits.
const DIGITS: [usize; 14] = [13, 12, 12, 12, 12, 11, 11, 11, 10, 10, 10, 9, 9, 9];
/// Ten to the power of each of [`DIGITS`].
const SCALES: [f64; 14] = {
    let mut scales = [1.0; 14];
    let mut index = 0;
    while index < scales.len() {
        let mut digits = 0;
        while digits < DIGITS[index] {
            scales[index] *= 10.0;
            digits += 1;
        }
        index += 1;
    }
    scales
};

/// Appends a finite float. Parsing the text returns the same float.
#[inline]
pub(super) fn float(to: &mut Vec<u8>, float: f32) {
    /// The biased exponent of 2^-14 in an `f32`.
    const LEAST: u32 = 127 - 14;
    /// At 2^52 an `f64` has no fractional bits. Adding it rounds, and leaves the integer in the mantissa.
    const ROUND: f64 = (1_u64 << 52) as f64;

    let exponent = ((float.to_bits() >> 23) & 0xFF).wrapping_sub(LEAST) as usize;
    let (Some(scale), Some(digits)) = (SCALES.get(exponent), DIGITS.get(exponent)) else {
        return shortest(to, float);
    };
    let scaled = (f64::from(float.abs()) * scale + ROUND).to_bits() & ((1 << 52) - 1);
    if scaled % 10_000 == 0 {
        return shortest(to, float);
    }
    // 16 digits with leading zeros; "-0." replaces the zeros before the digits after the point.
    let mut text = [0; 24];
    text[8..16].copy_from_slice(&eight_digits(scaled / 100_000_000));
    text[16..].copy_from_slice(&eight_digits(scaled % 100_000_000));
    let point = 24 - 1 - digits.min(&16);
    text[point - 2..=point].copy_from_slice(b"-0.");
    let start = point - 1 - usize::from(float.is_sign_negative());
    to.extend_from_slice(&text[start..]);
}

#[inline(never)]
fn shortest(to: &mut Vec<u8>, float: f32) {
    to.extend_from_slice(zmij::Buffer::new().format_finite(float).as_bytes());
}

/// Prints a number below 10^8 as eight digits. It is split into two numbers of four digits, these into four
/// of two, and these into eight digits; each step handles all parts in one multiplication.
#[inline]
fn eight_digits(number: u64) -> [u8; 8] {
    let fours = (number / 10_000) | ((number % 10_000) << 32);
    // 5,243 / 2^19 approximates 1/100, and 103 / 2^10 approximates 1/10, exactly enough for four and two
    // digits.
    let hundredths = ((fours * 5_243) >> 19) & 0x0000_007F_0000_007F;
    let twos = hundredths | ((fours - hundredths * 100) << 16);
    let tenths = ((twos * 103) >> 10) & 0x000F_000F_000F_000F;
    let ones = tenths | ((twos - tenths * 10) << 8);
    (ones | 0x3030_3030_3030_3030).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::random::Random;

    fn printed(number: f32) -> String {
        let mut to = Vec::new();
        float(&mut to, number);
        String::from_utf8(to).unwrap()
    }

    fn assert_round_trip(number: f32) {
        let text = printed(number);
        let back: f32 = text.parse().unwrap();
        assert_eq!(back.to_bits(), number.to_bits(), "{text}");
        let json: serde_json::Number = serde_json::from_str(&text).unwrap();
        assert!(
            json.as_f64().unwrap().is_finite() && text.len() < 20,
            "{text}"
        );
    }

    #[test]
    fn random_floats_round_trip() {
        let mut random = Random(0x9E37_79B9_7F4A_7C15);
        for _ in 0..300_000 {
            let bits = random.next() as u32;
            let any = f32::from_bits(bits);
            if any.is_finite() {
                assert_round_trip(any);
            }
            // Of the size that the fast path handles, with either sign.
            let usual = (bits & 0x807F_FFFF) | ((127 - 15 + bits % 17) << 23);
            assert_round_trip(f32::from_bits(usual));
        }
    }

    #[test]
    #[ignore = "all 2^31 floats; takes some minutes with --release"]
    fn all_floats_round_trip() {
        for bits in 0..f32::INFINITY.to_bits() {
            assert_round_trip(f32::from_bits(bits));
        }
    }

    #[test]
    fn powers_of_two_and_their_neighbours_round_trip() {
        for exponent in -16..2 {
            let end = 2.0_f32.powi(exponent);
            let before = f32::from_bits(end.to_bits() - 1);
            let after = f32::from_bits(end.to_bits() + 1);
            for number in [before, end, after, -before, -end, -after] {
                assert_round_trip(number);
            }
        }
    }

    #[test]
    fn short_floats_stay_short() {
        for (number, text) in [
            (0.5, "0.5"),
            (-0.25, "-0.25"),
            (0.1, "0.1000000015"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (1e-7, "1e-7"),
            (0.123_456_7, "0.1234567016"),
            (-0.012_345_678, "-0.01234567817"),
        ] {
            assert_eq!(printed(number), text);
        }
        assert_eq!(printed(f32::MAX).parse(), Ok(f32::MAX));
    }

    #[test]
    fn eight_digits_agree_with_the_standard_library() {
        let mut random = Random(1);
        let ends = [0, 1, 9, 10, 99, 100, 9_999, 10_000, 10_001, 99_999_999];
        let random = (0..100_000).map(|_| random.next() % 100_000_000);
        for number in ends.into_iter().chain(0..20_000).chain(random) {
            assert_eq!(eight_digits(number), *format!("{number:08}").as_bytes());
        }
    }
}
