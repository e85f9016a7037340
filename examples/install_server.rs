//! Installs the Chroma server that the examples and tests use. Prints its location, and how to start it by
//! hand. If it is already installed, it does nothing else.
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
            let folder = folder.display();
            println!("The Chroma server is in {folder}");
            println!("To start it on localhost:8000, with its data in ./chroma-data:");
            println!(
                "  PYTHONPATH={folder} python3 -c 'import chromadb_rust_bindings as b; \
                 b.cli([\"chroma\", \"run\", \"--path\", \"chroma-data\"])'"
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("install_server: {error:#}");
            ExitCode::FAILURE
        }
    }
}
