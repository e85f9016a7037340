//! Reads lists of floats with one parser, so that callgrind can count its instructions:
//! `floats PARSER ROUNDS`. `run.sh` prints the table.

// The library's own files: they are private there.
#[allow(dead_code)]
#[path = "../../../src/wire/cursor.rs"]
mod cursor;
#[allow(dead_code)]
#[path = "../../../src/wire/float.rs"]
mod float;

use std::error::Error;
use std::hint::black_box;

use cursor::Cursor;

const DIMENSION: usize = 768;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let parser = arguments.next().ok_or("usage: floats PARSER ROUNDS")?;
    let rounds: usize = arguments.next().ok_or("ROUNDS is missing")?.parse()?;
    let read = match parser.as_str() {
        "ours" => ours,
        "fast-float2" => with_fast_float,
        "std" => with_std,
        "serde_json" => with_serde_json,
        other => return Err(format!("unknown parser {other}").into()),
    };
    let vector = unit_vector();
    let json = format!("{{\"embedding\":{}}}", serde_json::to_string(&vector)?);
    assert_eq!(read(json.as_bytes())?, vector);
    for _ in 0..rounds {
        black_box(read(black_box(json.as_bytes()))?);
    }
    Ok(())
}

/// Returns a vector of length 1, as embedding functions do. Its numbers come from Marsaglia's xorshift.
fn unit_vector() -> Vec<f32> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let floats: Vec<f32> = (0..DIMENSION).map(|_| next()).collect();
    let length = floats.iter().map(|float| float * float).sum::<f32>().sqrt();
    floats.iter().map(|float| float / length).collect()
}

fn ours(json: &[u8]) -> Outcome<Vec<f32>> {
    let mut floats = Vec::with_capacity(DIMENSION);
    Cursor::object(json, |at, _| at.floats(&mut floats).map(drop))?;
    Ok(floats)
}

fn with_serde_json(json: &[u8]) -> Outcome<Vec<f32>> {
    Ok(serde_json::from_slice(list(json)?)?)
}

fn with_fast_float(json: &[u8]) -> Outcome<Vec<f32>> {
    let mut rest = &list(json)?[1..];
    let mut floats = Vec::with_capacity(DIMENSION);
    loop {
        let (float, len) = fast_float2::parse_partial(rest)?;
        floats.push(float);
        match rest.get(len) {
            Some(b',') => rest = &rest[len + 1..],
            Some(b']') => return Ok(floats),
            _ => return Err("a comma was expected".into()),
        }
    }
}

fn with_std(json: &[u8]) -> Outcome<Vec<f32>> {
    let list = list(json)?;
    let mut floats = Vec::with_capacity(DIMENSION);
    for text in list[1..list.len() - 1].split(|byte| *byte == b',') {
        floats.push(std::str::from_utf8(text)?.parse()?);
    }
    Ok(floats)
}

/// Returns the list, with its brackets.
fn list(json: &[u8]) -> Outcome<&[u8]> {
    let start = json
        .iter()
        .position(|byte| *byte == b'[')
        .ok_or("no list")?;
    Ok(&json[start..json.len() - 1])
}
