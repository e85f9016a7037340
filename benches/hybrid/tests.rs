//! Runs the long forms of the tests in `tests/hybrid`.

use std::error::Error;
use std::process::Command;

use crate::table::{Goal, Row};

/// A test, and the variable of its size.
struct Long {
    name: &'static str,
    test: &'static str,
    variable: &'static str,
    size: &'static str,
    what: &'static str,
}

const ALL: [Long; 3] = [
    Long {
        name: "order",
        test: "random_searches::random_searches_give_what_chromas_rules_give",
        variable: "HYBRID_SEARCHES",
        size: "2000",
        what: "2,000 random searches with the results of Chroma's rules: failures",
    },
    Long {
        name: "writers",
        test: "writers::what_is_promised_holds_while_four_programs_write",
        variable: "HYBRID_SECONDS",
        size: "60",
        what: "four writers for a minute, nothing promised is broken: failures",
    },
    Long {
        name: "kills",
        test: "files::a_process_may_be_killed_while_it_writes_its_file",
        variable: "HYBRID_KILLS",
        size: "50",
        what: "50 kills while the file is written, the index is right: failures",
    },
];

pub fn all() -> Result<Vec<Row>, Box<dyn Error>> {
    ALL.iter().map(Long::run).collect()
}

impl Long {
    fn run(&self) -> Result<Row, Box<dyn Error>> {
        eprintln!("running {}={} {}", self.variable, self.size, self.test);
        let mut command = Command::new(env!("CARGO"));
        command.args([
            "test",
            "--quiet",
            "--features",
            "hybrid",
            "--test",
            "hybrid",
            "--",
        ]);
        command.args(["--exact", "--nocapture", self.test]);
        let output = command.env(self.variable, self.size).output()?;
        eprint!("{}", String::from_utf8_lossy(&output.stdout));
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        Ok(Row {
            name: self.name.to_owned(),
            what: self.what.to_owned(),
            value: f64::from(u8::from(!output.status.success())),
            unit: "",
            ratio: None,
            goal: Some(Goal::AtMost(0.0)),
        })
    }
}
