//! Conversions into [`MetadataValue`].

use super::strings::Strings;
use super::value::{MetadataValue, SparseVector};

macro_rules! from {
    ($($kind:ident: $($from:ty),+;)+) => {$($(
        impl From<$from> for MetadataValue {
            fn from(value: $from) -> MetadataValue {
                MetadataValue::$kind(value.into())
            }
        }
    )+)+};
}

from! {
    Bool: bool;
    Int: i64, i32, i16, i8, u32, u16, u8;
    Float: f64, f32;
    String: String, &str, char;
    SparseVector: SparseVector;
    Bools: Vec<bool>;
    Ints: Vec<i64>;
    Floats: Vec<f64>;
    Strings: Strings, Vec<String>, Vec<&str>;
}

macro_rules! from_list {
    ($($kind:ident: $($from:ty),+;)+) => {$($(
        impl From<Vec<$from>> for MetadataValue {
            fn from(values: Vec<$from>) -> MetadataValue {
                MetadataValue::$kind(values.into_iter().map(Into::into).collect())
            }
        }
    )+)+};
}

from_list! {
    Ints: i32, u32;
    Floats: f32;
}

// Their size depends on the platform, so the standard library has no `From` for them: at most 64 bits today.
impl From<isize> for MetadataValue {
    fn from(value: isize) -> MetadataValue {
        MetadataValue::Int(value as i64)
    }
}

impl From<Vec<isize>> for MetadataValue {
    fn from(values: Vec<isize>) -> MetadataValue {
        MetadataValue::Ints(values.into_iter().map(|value| value as i64).collect())
    }
}

/// A value above [`i64::MAX`] becomes [`MetadataValue::TooLarge`], which calls refuse.
impl From<u64> for MetadataValue {
    fn from(value: u64) -> MetadataValue {
        match i64::try_from(value) {
            Ok(value) => MetadataValue::Int(value),
            Err(_) => MetadataValue::TooLarge(value),
        }
    }
}

/// A value above [`i64::MAX`] becomes [`MetadataValue::TooLarge`], which calls refuse.
impl From<usize> for MetadataValue {
    fn from(value: usize) -> MetadataValue {
        (value as u64).into()
    }
}

/// If any value is above [`i64::MAX`], the list becomes [`MetadataValue::TooLarge`], which calls refuse.
impl From<Vec<u64>> for MetadataValue {
    fn from(values: Vec<u64>) -> MetadataValue {
        integers(values)
    }
}

/// If any value is above [`i64::MAX`], the list becomes [`MetadataValue::TooLarge`], which calls refuse.
impl From<Vec<usize>> for MetadataValue {
    fn from(values: Vec<usize>) -> MetadataValue {
        integers(values.into_iter().map(|value| value as u64))
    }
}

fn integers(values: impl IntoIterator<Item = u64>) -> MetadataValue {
    let values = values.into_iter();
    let converted: Result<Vec<i64>, u64> = values
        .map(|value| i64::try_from(value).map_err(|_| value))
        .collect();
    converted.map_or_else(MetadataValue::TooLarge, MetadataValue::Ints)
}

impl<T, const N: usize> From<[T; N]> for MetadataValue
where
    MetadataValue: From<Vec<T>>,
{
    fn from(values: [T; N]) -> MetadataValue {
        Vec::from(values).into()
    }
}

/// `None` becomes [`MetadataValue::Null`].
impl<T> From<Option<T>> for MetadataValue
where
    MetadataValue: From<T>,
{
    fn from(value: Option<T>) -> MetadataValue {
        value.map_or(MetadataValue::Null, Into::into)
    }
}

/// Clones the value, so that maps can be passed by reference.
impl<T: Clone> From<&T> for MetadataValue
where
    MetadataValue: From<T>,
{
    fn from(value: &T) -> MetadataValue {
        value.clone().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_integer_type_becomes_an_int() {
        for value in [
            MetadataValue::from(7_i8),
            7_i16.into(),
            7_i32.into(),
            7_i64.into(),
            7_isize.into(),
            7_u8.into(),
            7_u16.into(),
            7_u32.into(),
            7_u64.into(),
            7_usize.into(),
            (&7_u64).into(),
            Some(7_usize).into(),
        ] {
            assert_eq!(value, MetadataValue::Int(7));
        }
        for list in [
            MetadataValue::from([7, 8]),
            vec![7_i64, 8].into(),
            vec![7_isize, 8].into(),
            vec![7_u32, 8].into(),
            [7_u32, 8].into(),
            vec![7_u64, 8].into(),
            [7_u64, 8].into(),
            vec![7_usize, 8].into(),
            [7_usize, 8].into(),
        ] {
            assert_eq!(list, MetadataValue::Ints(vec![7, 8]));
        }
        let largest = u64::try_from(i64::MAX).unwrap();
        assert_eq!(MetadataValue::from(largest), MetadataValue::Int(i64::MAX));
    }

    #[test]
    fn an_integer_beyond_63_bits_is_kept_as_too_large() {
        let large = 1_u64 << 63;
        for value in [
            MetadataValue::from(large),
            vec![1, large].into(),
            [large, 1].into(),
            Some(large).into(),
        ] {
            assert_eq!(value, MetadataValue::TooLarge(large));
        }
    }

    #[test]
    fn text_and_floats_of_every_type_are_taken() {
        let text = "x".to_owned();
        for value in [
            MetadataValue::from("x"),
            (&text).into(),
            (&"x").into(),
            text.into(),
            'x'.into(),
        ] {
            assert_eq!(value, MetadataValue::String("x".to_owned()));
        }
        let floats = MetadataValue::Floats(vec![0.5, 1.0]);
        assert_eq!(MetadataValue::from([0.5_f32, 1.0]), floats);
        assert_eq!(MetadataValue::from([0.5, 1.0]), floats);
    }
}
