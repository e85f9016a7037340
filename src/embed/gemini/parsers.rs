//! The parsers of Google's responses, for the fuzz tests.

use std::sync::OnceLock;

use super::answer;
use super::fault::Google;
use crate::embed::http::Received;
use crate::error::Call;
use crate::fuzzing::{Parser, anything};
use crate::transport::error_of;

pub(in crate::embed) const PARSERS: &[Parser] = &[
    ("embed", |response| {
        // The shape of the recorded response
        let dimension = 4;
        let read = |has_unit_length| {
            let expected = OnceLock::from(dimension);
            let mut vectors = Received::new(&[0, 1], &expected);
            answer::read(response, &mut vectors, has_unit_length)?;
            Ok::<_, String>(vectors.into_floats())
        };
        let (whole, unit) = (read(true)?, read(false)?);
        Ok(Box::new(move || {
            assert_eq!((whole.len(), unit.len()), (2 * dimension, 2 * dimension));
            assert!(whole.iter().all(|x| x.is_finite()));
            for vector in unit.chunks(dimension) {
                let square: f64 = vector.iter().map(|x| f64::from(*x).powi(2)).sum();
                assert!((square - 1.0).abs() < 1e-6, "{square}");
            }
        }))
    }),
    ("google_error", |answer| {
        for status in [400, 401, 403, 404, 413, 429, 500, 503, 504] {
            let call = Call::new("embed", None);
            let _ = error_of(&Google, call, (status, answer), &[]).to_string();
        }
        Ok(anything(()))
    }),
];
