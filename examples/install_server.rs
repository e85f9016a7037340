//! Installs the Chroma server that the examples and tests start, and says where it is. A second time it does nothing.
//!
//! ```text
//! cargo run --example install_server
//! ```

use std::process::ExitCode;

use chroma_blocking::LocalServer;

fn main() -> ExitCode {
    let installed = LocalServer::builder()
        .on_install(|plan| eprintln!("{plan}"))
        .install_only();
    match installed {
        Ok(folder) => {
            println!("The Chroma server is in {}", folder.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("install_server: {error}");
            ExitCode::FAILURE
        }
    }
}
