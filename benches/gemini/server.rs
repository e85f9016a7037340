//! The stand-in for Google that the tests use, in another process, so that its work is not counted as the
//! client's.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::google::{Google, Rules};

/// The first argument of the other process. The second is its latency in milliseconds.
pub const ARGUMENT: &str = "--google";

/// The other process. It ends when this is dropped, or when this process ends.
pub struct Server {
    child: Child,
    url: String,
}

impl Server {
    pub fn start(latency: Duration) -> Result<Server, Box<dyn Error>> {
        let child = Command::new(std::env::current_exe()?)
            .args([ARGUMENT, &latency.as_millis().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut server = Server {
            child,
            url: String::new(),
        };
        let output = server.child.stdout.take().ok_or("no pipe")?;
        BufReader::new(output).read_line(&mut server.url)?;
        match server.url.pop() {
            Some(_) => Ok(server),
            None => Err("the server ended".into()),
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Stops the server. Fails if it received a wrong request.
    pub fn stop(mut self) -> Result<(), Box<dyn Error>> {
        drop(self.child.stdin.take());
        if self.child.wait()?.success() {
            Ok(())
        } else {
            Err("the server received a wrong request".into())
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Runs the other process: prints its address, and answers until its standard input ends.
pub fn main(latency: &str) -> Result<(), Box<dyn Error>> {
    let google = Google::with(Rules {
        latency: Duration::from_millis(latency.parse()?),
        forget: true,
        ..Rules::default()
    });
    println!("{}", google.url());
    io::stdin().lock().read_to_end(&mut Vec::new())?;
    Ok(())
}
