//! Passes bytes to every parser of users' JSON: filters, metadata, schemas, configurations.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chroma_blocking::fuzzing::read_values(bytes));
