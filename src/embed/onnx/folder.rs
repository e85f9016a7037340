//! Where the model of Chroma's default function is.

use std::path::{Path, PathBuf};

use crate::embed::model_identity::DEFAULT_MODEL;
use crate::environment::Environment;
use crate::error::InvalidInput;

/// The variable that names the folder of the model.
pub(super) const VARIABLE: &str = "CHROMA_ONNX_MODEL";
/// The folder that Chroma's Python client uses, below the user's home folder.
const OF_PYTHON: &str = ".cache/chroma/onnx_models/all-MiniLM-L6-v2/onnx";
/// The variable that names the user's home folder, as for Python's `Path.home()`.
pub(super) const HOME: &str = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
/// The files of the model. If one is missing, Chroma's Python client downloads all of them.
pub(super) const FILES: [&str; 6] = [
    "config.json",
    "model.onnx",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
];

/// The ways to get the model, the easiest one first.
const WAYS: &str = "call Onnx::download() once (83 MB), set CHROMA_ONNX_MODEL, or pass the folder to \
                    Onnx::mini_lm_from";

/// Returns the folder of the model of Chroma's default function, and the setting that names it.
///
/// # Errors
/// [`InvalidInput::Setting`] if the model is missing. It says which three ways there are.
pub(super) fn find(environment: &Environment<'_>) -> Result<(&'static str, PathBuf), InvalidInput> {
    if let Some(value) = environment.get_shown(VARIABLE)? {
        return Ok((VARIABLE, value.into()));
    }
    let none = |why: String| {
        let why = format!("it is not on this machine ({VARIABLE} is not set, and {why}); {WAYS}");
        InvalidInput::setting("model", DEFAULT_MODEL, why)
    };
    let Some(folder) = of_python(environment) else {
        return Err(none(format!("{HOME} is not an absolute path")));
    };
    let missing = missing(&folder);
    if missing.is_empty() {
        return Ok(("the folder of Chroma's Python client", folder));
    }
    let folder = folder.display();
    Err(none(if missing.len() == FILES.len() {
        format!("{folder} has none")
    } else {
        let missing = missing.join(", ");
        format!("{folder} lacks {missing}, since a download was interrupted")
    }))
}

/// Returns the folder that Chroma's Python client uses. `None` if the user has no home folder.
pub(super) fn of_python(environment: &Environment<'_>) -> Option<PathBuf> {
    let home = environment.path(HOME).filter(|home| home.is_absolute())?;
    Some(home.join(OF_PYTHON))
}

/// Returns the files of the model that are not in a folder.
pub(super) fn missing(folder: &Path) -> Vec<&'static str> {
    let is_missing = |name: &&str| !folder.join(name).is_file();
    FILES.into_iter().filter(is_missing).collect()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::fs;

    use super::*;
    use crate::durable::tests::Folder;

    fn find_with(
        model: Option<&Path>,
        home: Option<&Path>,
    ) -> Result<(&'static str, PathBuf), String> {
        let lookup = |name: &str| -> Option<OsString> {
            let value = match name {
                VARIABLE => model,
                HOME => home,
                // Python does not read it either.
                "XDG_CACHE_HOME" => Some(Path::new("/elsewhere")),
                _ => None,
            };
            value.map(|path| path.as_os_str().to_owned())
        };
        find(&Environment::of(&lookup)).map_err(|error| error.to_string())
    }

    #[test]
    fn the_variable_goes_before_the_folder_of_python() {
        let home = Folder::new();
        let folder = home.0.join(OF_PYTHON);
        fs::create_dir_all(&folder).unwrap();
        for name in FILES {
            fs::write(folder.join(name), "").unwrap();
        }
        let found = find_with(None, Some(&home.0)).unwrap();
        assert_eq!(
            found,
            ("the folder of Chroma's Python client", folder.clone())
        );
        let found = find_with(Some(&home.0), Some(&home.0)).unwrap();
        assert_eq!(found, (VARIABLE, home.0.clone()));
        // A typing error is not passed over.
        let absent = home.0.join("absent");
        let found = find_with(Some(&absent), Some(&home.0)).unwrap();
        assert_eq!(found, (VARIABLE, absent));
    }

    #[test]
    fn without_a_model_the_error_says_the_three_ways() {
        let home = Folder::new();
        let folder = home.0.join(OF_PYTHON);
        let none = find_with(None, Some(&home.0)).unwrap_err();
        let homeless = find_with(None, None).unwrap_err();
        let relative = find_with(None, Some(Path::new("home"))).unwrap_err();
        fs::create_dir_all(&folder).unwrap();
        for name in &FILES[..4] {
            fs::write(folder.join(name), "").unwrap();
        }
        let interrupted = find_with(None, Some(&home.0)).unwrap_err();
        let shown = folder.display();
        let start = "model is \"all-MiniLM-L6-v2\": it is not on this machine (CHROMA_ONNX_MODEL is not set, and";
        let relative_home = format!("{HOME} is not an absolute path); ");
        for (error, why) in [
            (none, format!("{shown} has none); ")),
            (homeless, relative_home.clone()),
            (relative, relative_home),
            (
                interrupted,
                format!(
                    "{shown} lacks tokenizer_config.json, vocab.txt, since a download was interrupted); "
                ),
            ),
        ] {
            assert!(error.starts_with(&format!("{start} {why}")), "{error}");
            for way in [
                "Onnx::mini_lm_from",
                "set CHROMA_ONNX_MODEL",
                "Onnx::download()",
                "83 MB",
            ] {
                assert!(error.contains(way), "{error}");
            }
        }
    }
}
