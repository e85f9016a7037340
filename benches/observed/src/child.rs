//! [`Child`]: the process of a client.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

pub struct Child {
    program: PathBuf,
    variant: &'static str,
    url: String,
}

impl Child {
    pub fn new(folder: &Path, build: &str, variant: &'static str, url: &str) -> Child {
        Child {
            program: folder.join(format!("query-{build}")),
            variant,
            url: url.to_owned(),
        }
    }

    /// Returns the CPU time per query, in µs.
    pub fn cpu(&self, queries: u64) -> Result<f64, Box<dyn Error>> {
        let (nanos, _) = self.run(Command::new(&self.program), queries)?;
        Ok(nanos.trim().parse::<f64>()? / 1e3)
    }

    /// Returns the instructions per query, without those of the kernel. Returns `None` without valgrind.
    pub fn instructions(&self, queries: u64) -> Result<Option<f64>, Box<dyn Error>> {
        if Command::new("valgrind").arg("--version").output().is_err() {
            return Ok(None);
        }
        let mut valgrind = Command::new("valgrind");
        valgrind
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg("--zero-before=query::measured")
            .arg(&self.program)
            // Otherwise the cost of glibc's allocator depends on the layout of the heap, and varies by 3 %.
            .env("GLIBC_TUNABLES", "glibc.malloc.tcache_count=65535");
        let (_, words) = self.run(valgrind, queries)?;
        let count = words
            .lines()
            .find_map(|line| line.split_once("Collected : "));
        let (_, count) = count.ok_or("callgrind printed no count")?;
        Ok(Some(count.trim().parse::<f64>()? / queries as f64))
    }

    /// Returns the standard output and the standard error.
    fn run(&self, mut command: Command, queries: u64) -> Result<(String, String), Box<dyn Error>> {
        let queries = queries.to_string();
        let output = command.args([self.variant, &self.url, &queries]).output()?;
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            Ok((String::from_utf8(output.stdout)?, words))
        } else {
            Err(format!("{}: {words}", self.program.display()).into())
        }
    }
}
