//! Passes bytes to every parser of servers' answers.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chroma_blocking::fuzzing::read_answers(bytes));
