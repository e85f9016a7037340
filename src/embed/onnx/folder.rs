//! Where the model of Chroma's default function is.

use std::path::{Path, PathBuf};

use crate::environment::Environment;
use crate::error::InvalidInput;

/// The variable that names the folder of the model.
pub(super) const VARIABLE: &str = "CHROMA_ONNX_MODEL";

/// Returns the folder of the model of Chroma's default function, and the setting that names it.
///
/// # Errors
/// [`InvalidInput::Setting`] if there is none. It says which three ways there are.
pub(super) fn find(environment: &Environment<'_>) -> Result<(&'static str, PathBuf), InvalidInput> {
    match environment.get_shown(VARIABLE)? {
        Some(folder) => Ok((VARIABLE, PathBuf::from(folder))),
        None => Ok((VARIABLE, Path::new("").to_owned())),
    }
}
