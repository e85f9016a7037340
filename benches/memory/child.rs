//! A process that makes one call, and the peak of its resident memory. Only on Linux.

use std::error::Error;
use std::process::Command;
use std::{env, fs};

use crate::resident::resident;
use crate::server::{self, Measured};
use crate::shapes::Shape;

/// The variables of the child: the number of a shape, and the address of the server.
const NUMBER: &str = "SHAPE";
const URL: &str = "SHAPE_SERVER";

/// The measurement of a child.
pub struct Peak {
    /// The peak in addition to the memory before the call.
    pub bytes: u64,
    /// `read`, or the start of the error.
    pub outcome: String,
}

/// Returns whether this process is a child.
#[allow(dead_code)] // a test has another way to start a child
pub fn is_child() -> bool {
    env::var_os(NUMBER).is_some()
}

/// Measures the call of one shape, whose answer is `body`. `child` is the command of a child, which must call
/// [`run`].
pub fn measure(
    mut child: Command,
    number: usize,
    shape: &Shape,
    body: &str,
) -> Result<Peak, Box<dyn Error>> {
    let url = server::start(Measured {
        path: shape.call.path(),
        status: shape.status,
        chunked: shape.chunked,
        body: body.to_owned(),
    })?;
    let child = child.env(NUMBER, number.to_string()).env(URL, url);
    let output = child.output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.split_once("PEAK "));
    let Some((bytes, outcome)) = line.and_then(|(_, rest)| rest.split_once(' ')) else {
        let error = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{}: {text}{error}", shape.name).into());
    };
    Ok(Peak {
        bytes: bytes.parse()?,
        outcome: outcome.to_owned(),
    })
}

/// Makes the call, and prints the peak and the outcome.
pub fn run(shapes: &[Shape]) -> Result<(), Box<dyn Error>> {
    let shape = &shapes[env::var(NUMBER)?.parse::<usize>()?];
    let call = shape.call.prepare(&env::var(URL)?)?;
    // Sets the peak to what the process takes now.
    fs::write("/proc/self/clear_refs", "5")?;
    let idle = peak()?;
    let result = call();
    let peak = peak()?.saturating_sub(idle);
    let outcome = match &result {
        Ok(_) => "read".to_owned(),
        Err(error) => error.to_string().chars().take(160).collect(),
    };
    println!("PEAK {peak} {outcome}");
    Ok(())
}

/// Returns the peak of this process's resident memory, in bytes.
fn peak() -> Result<u64, Box<dyn Error>> {
    Ok(resident("VmHWM:").ok_or("no VmHWM")?)
}
