//! Runs the long forms of the tests in `tests/hybrid`, and reads what they print.

use std::error::Error;
use std::process::Command;

use crate::table::{Goal, Row};

/// A test, the variable of its size, and the line that it prints.
struct Long {
    name: &'static str,
    test: &'static str,
    variable: &'static str,
    size: &'static str,
    /// The line with the number of failures, after this.
    line: &'static str,
    what: &'static str,
}

const ALL: [Long; 3] = [
    Long {
        name: "order",
        test: "random_searches::random_searches_give_what_chromas_rules_give",
        variable: "HYBRID_SEARCHES",
        size: "2000",
        line: "searches with another result than Chroma's rules: ",
        what: "of 2,000 random searches, those with another result than Chroma's rules",
    },
    Long {
        name: "writers",
        test: "writers::what_is_promised_holds_while_four_programs_write",
        variable: "HYBRID_SECONDS",
        size: "60",
        line: "promised writes that were not seen: ",
        what: "promised writes that were not seen, while four programs write for a minute",
    },
    Long {
        name: "kills",
        test: "files::a_process_may_be_killed_while_it_writes_its_file",
        variable: "HYBRID_KILLS",
        size: "50",
        line: "indexes that were wrong after a kill: ",
        what: "of 50 kills while the file is written, those with a wrong index after it",
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
        let printed = String::from_utf8_lossy(&output.stdout);
        eprint!("{printed}");
        let found = printed.lines().find_map(|line| line.split_once(self.line));
        let failures = match found {
            Some((_, number)) if output.status.success() => number.trim().parse()?,
            _ => return Err(String::from_utf8_lossy(&output.stderr).into()),
        };
        Ok(Row {
            name: self.name.to_owned(),
            what: self.what.to_owned(),
            value: failures,
            unit: "",
            ratio: None,
            goal: Some(Goal::AtMost(0.0)),
        })
    }
}
