//! The rates and the memory of copies.

fn main() {}
