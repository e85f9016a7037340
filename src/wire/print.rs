//! An `f32` as JSON, with a quarter fewer instructions than it takes to find its shortest digits.
//!
//! Nine significant digits tell every `f32` from its neighbours (D. Goldberg, "What every computer scientist should know
//! about floating-point arithmetic", 1991). So a float of the usual size is multiplied by a power of ten that leaves nine
//! or ten digits before the point, rounded, and written. What is not of that size, or is shorter, is left to `zmij`.

/// Digits behind the point, by the exponent of the float: for one of at least 2^-14, and so on up to 1/2. So many that nine
/// are significant.
const DIGITS: [usize; 14] = [13, 12, 12, 12, 12, 11, 11, 11, 10, 10, 10, 9, 9, 9];
/// Ten to the number of digits.
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

/// Appends a finite float. Whoever reads the text gets the same float.
#[inline]
pub(super) fn float(to: &mut Vec<u8>, float: f32) {
    /// The exponent of 2^-14, as an `f32` has it.
    const LEAST: u32 = 127 - 14;
    /// An `f64` of this size has no bits behind the point: to add it rounds, and leaves the integer in the lowest bits.
    const ROUND: f64 = (1_u64 << 52) as f64;

    let exponent = ((float.to_bits() >> 23) & 0xFF).wrapping_sub(LEAST) as usize;
    let (Some(scale), Some(digits)) = (SCALES.get(exponent), DIGITS.get(exponent)) else {
        return shortest(to, float);
    };
    let scaled = (f64::from(float.abs()) * scale + ROUND).to_bits() & ((1 << 52) - 1);
    if scaled % 10_000 == 0 {
        return shortest(to, float);
    }
    // "-0." goes in front of the last of 16 digits.
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

/// A number below 10^8 as eight digits: halves become numbers of four digits, of two, of one, all at once.
#[inline]
fn eight_digits(number: u64) -> [u8; 8] {
    let fours = (number / 10_000) | ((number % 10_000) << 32);
    // One hundredth is 5,243 / 2^19, and one tenth 103 / 2^10, near enough for numbers of so many digits.
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

    fn comes_back(number: f32) {
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
    fn every_float_comes_back() {
        let mut random = Random(0x9E37_79B9_7F4A_7C15);
        for _ in 0..300_000 {
            let bits = random.next() as u32;
            let any = f32::from_bits(bits);
            if any.is_finite() {
                comes_back(any);
            }
            // Of the usual size, and of either sign.
            let usual = (bits & 0x807F_FFFF) | ((127 - 15 + bits % 17) << 23);
            comes_back(f32::from_bits(usual));
        }
    }

    #[test]
    #[ignore = "all 2^31 between -1 and 1 and beyond; with --release some minutes"]
    fn all_floats_come_back() {
        for bits in 0..f32::INFINITY.to_bits() {
            comes_back(f32::from_bits(bits));
        }
    }

    #[test]
    fn the_ends_of_each_range_come_back() {
        for exponent in -16..2 {
            let end = 2.0_f32.powi(exponent);
            let before = f32::from_bits(end.to_bits() - 1);
            let behind = f32::from_bits(end.to_bits() + 1);
            for number in [before, end, behind, -before, -end, -behind] {
                comes_back(number);
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
    fn digits_are_those_of_the_number() {
        let mut random = Random(1);
        let ends = [0, 1, 9, 10, 99, 100, 9_999, 10_000, 10_001, 99_999_999];
        let random = (0..100_000).map(|_| random.next() % 100_000_000);
        for number in ends.into_iter().chain(0..20_000).chain(random) {
            assert_eq!(eight_digits(number), *format!("{number:08}").as_bytes());
        }
    }
}
