//! Bytes for every parser of what servers answer.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chroma_blocking::fuzzing::read_answers(bytes));
