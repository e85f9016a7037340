//! [`Names`] and [`Column`]: map the columns of a CSV file to the parts of a record.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ::csv::StringRecord;

use super::header::{self, trimmed};
use crate::ingest::left_out;
use crate::ingest::readers::fields::must_be;
use crate::ingest::readers::ids::{Ids, MissingIds};
use crate::model::metadata::{Entry, Metadata, MetadataValue};
use crate::model::record::Record;
use crate::wire::cursor::Cursor;

/// The maximum number of columns: that of Excel.
const MAX_COLUMNS: usize = 1 << 14;

/// The names of columns. Those that the caller has set must exist.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) ids: Ids,
    pub(super) document: Option<String>,
    pub(super) embedding: Option<String>,
    pub(super) uri: Option<String>,
    pub(super) typed: Vec<(String, Kind)>,
}

/// The type of a metadata column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Int,
    Float,
    Bool,
    Text,
}

/// A column of a file.
#[derive(Debug)]
pub(super) struct Column {
    /// Shared by the metadata of all rows.
    name: Arc<str>,
    role: Role,
}

/// The part of a record that a column holds.
#[derive(Debug, Clone, Copy)]
enum Role {
    Id,
    Document,
    Embedding,
    Uri,
    Metadata(Kind),
    Ignored,
}

impl Names {
    pub(super) fn new(ids: Ids) -> Names {
        Names {
            ids,
            document: None,
            embedding: None,
            uri: None,
            typed: Vec::new(),
        }
    }

    /// Returns the columns of a file with this header.
    ///
    /// # Errors
    /// If a column that the caller has named is missing, if two columns have the same name, or if the header
    /// was written with another delimiter.
    pub(super) fn columns(
        &self,
        header: &StringRecord,
        delimiter: u8,
    ) -> Result<Vec<Column>, String> {
        if header.len() > MAX_COLUMNS {
            return Err(format!(
                "{} columns, and at most {MAX_COLUMNS} are allowed; leave out some of them",
                header.len()
            ));
        }
        let names: Vec<&str> = header.iter().map(trimmed).collect();
        let typed = self.typed_columns()?;
        let mut seen = HashSet::new();
        for name in &names {
            if !name.is_empty() && !seen.insert(*name) {
                return Err(format!(
                    "two columns have the name {name:?}; rename one of them"
                ));
            }
        }
        let document = match &self.document {
            Some(name) => name,
            None if seen.contains("document") => "document",
            None => "text",
        };
        let roles = self.roles(document)?;
        self.check_all_exist(header, &seen, delimiter)?;
        if let [name] = names[..] {
            if !roles.contains_key(name) && !typed.contains_key(name) {
                header::single_column_advice(name, delimiter).map_or(Ok(()), Err)?;
            }
        }
        let column = |name: &&str| Column {
            name: (*name).into(),
            role: match (roles.get(name), typed.get(name)) {
                _ if name.is_empty() => Role::Ignored,
                (Some((role, _)), _) => *role,
                (None, kind) => Role::Metadata(kind.copied().unwrap_or(Kind::Text)),
            },
        };
        Ok(names.iter().map(column).collect())
    }

    /// Returns the parts of a record by the names of their columns, with the setters of these names.
    ///
    /// # Errors
    /// If two parts have the same column, or if a part's column has a type.
    fn roles<'a>(
        &'a self,
        document: &'a str,
    ) -> Result<HashMap<&'a str, (Role, &'static str)>, String> {
        let is_id_set = self.ids.missing == MissingIds::Refuse || self.ids.name != "id";
        let name = |set: &'a Option<String>, default| set.as_deref().unwrap_or(default);
        let mut parts = [
            (is_id_set, self.ids.name.as_str(), (Role::Id, "id_column")),
            (
                self.document.is_some(),
                document,
                (Role::Document, "document_column"),
            ),
            (
                self.embedding.is_some(),
                name(&self.embedding, "embedding"),
                (Role::Embedding, "embedding_column"),
            ),
            (
                self.uri.is_some(),
                name(&self.uri, "uri"),
                (Role::Uri, "uri_column"),
            ),
        ];
        // A name that was set takes precedence over a default.
        parts.sort_by_key(|(is_set, ..)| !is_set);
        let mut roles: HashMap<&str, (Role, &str)> = HashMap::new();
        for (is_set, name, (role, setter)) in parts {
            match roles.get(name) {
                Some((_, other)) if is_set => {
                    return Err(format!(
                        "{other} and {setter} are both {name:?}; a column is one part of a record, so copy it"
                    ));
                }
                Some(_) => {}
                None => drop(roles.insert(name, (role, setter))),
            }
        }
        let typed = self
            .typed
            .iter()
            .find_map(|(name, _)| roles.get_key_value(name.as_str()));
        match typed {
            Some((name, (_, setter))) => Err(format!(
                "{setter} is {name:?}, and only metadata columns have a type; leave the type out"
            )),
            None => Ok(roles),
        }
    }

    /// Returns the types of columns by their names.
    ///
    /// # Errors
    /// If a column has two types.
    fn typed_columns(&self) -> Result<HashMap<&str, Kind>, String> {
        let mut typed = HashMap::new();
        for (name, kind) in &self.typed {
            let old = typed.insert(name.as_str(), *kind);
            if old.is_some_and(|old| old != *kind) {
                return Err(format!("column {name:?} has two types; set one of them"));
            }
        }
        Ok(typed)
    }

    fn check_all_exist(
        &self,
        header: &StringRecord,
        names: &HashSet<&str>,
        delimiter: u8,
    ) -> Result<(), String> {
        let columns = || header.iter().collect::<Vec<_>>();
        let advice = |name: &str| header::delimiter_advice(header, name, delimiter);
        let parts = [&self.document, &self.embedding, &self.uri];
        let parts = parts.into_iter().filter_map(Option::as_deref);
        let typed = self.typed.iter().map(|(name, _)| name.as_str());
        if let Some(name) = parts.chain(typed).find(|name| !names.contains(name)) {
            return Err(format!(
                "no column {name:?}; name one of the columns {:?}{}",
                columns(),
                advice(name)
            ));
        }
        let id = self.ids.name.as_str();
        if self.ids.missing == MissingIds::Refuse && !names.contains(id) {
            let mut advice = advice(id);
            if advice.is_empty() {
                "; the first row must be the names of the columns".clone_into(&mut advice);
            }
            return Err(format!(
                "no column {id:?} among the columns {:?}; {}{advice}",
                columns(),
                self.ids.advice()
            ));
        }
        self.check_case(names)
    }

    /// Refuses a document that would become metadata because of its capital letters.
    fn check_case(&self, names: &HashSet<&str>) -> Result<(), String> {
        let is_set = self.document.is_some() || self.embedding.is_some();
        if is_set
            || ["document", "text", "embedding"]
                .iter()
                .any(|name| names.contains(name))
        {
            return Ok(());
        }
        let is_document = |name: &&&str| {
            name.eq_ignore_ascii_case("document") || name.eq_ignore_ascii_case("text")
        };
        names.iter().find(is_document).map_or(Ok(()), |name| {
            Err(format!(
                "no column \"document\" or \"text\"; if it is {name:?}, use .document_column({name:?})"
            ))
        })
    }

    /// Reads the record in a row.
    ///
    /// # Errors
    /// If the row is not a record, what is wrong with it.
    pub(super) fn record(
        &self,
        columns: &[Column],
        row: &StringRecord,
        line: u64,
    ) -> Result<Record, String> {
        if columns.len() != row.len() {
            return Err(different_length(columns.len(), row));
        }
        let mut record = Record::default();
        let mut metadata: Vec<Entry> = Vec::new();
        let mut id = None;
        let mut has_document = false;
        for (number, (column, cell)) in columns.iter().zip(row).enumerate() {
            let text = (!cell.is_empty()).then(|| cell.to_owned());
            let in_column = |why: String| format!("{}: {why}", column.shown());
            match column.role {
                Role::Id => id = text.filter(|id| !id.trim().is_empty()),
                Role::Document => {
                    has_document = true;
                    record.document = text;
                }
                Role::Uri => record.uri = text,
                Role::Embedding if cell.trim().is_empty() => {}
                Role::Embedding => record.embedding = Some(vector(cell).map_err(in_column)?),
                Role::Metadata(kind) => {
                    let value = kind.value(cell).map_err(in_column)?;
                    metadata.push((column.name.clone(), value));
                }
                Role::Ignored if cell.is_empty() => {}
                Role::Ignored => left_out::add(&format!("column {}", number + 1)),
            }
        }
        record.metadata = Metadata::of(metadata);
        if has_document && record.embedding.is_none() {
            // A missing column may be a wrong name. An empty cell stands for an empty text.
            record.document.get_or_insert_default();
        }
        record.id = self.ids.id(id, line, record.document.as_deref())?;
        Ok(record)
    }
}

impl Column {
    /// Returns the column's name for messages.
    pub(super) fn shown(&self) -> String {
        format!("column {:?}", self.name)
    }
}

fn different_length(expected: usize, row: &StringRecord) -> String {
    let found = row.len();
    let is_misquoted = |cell: &str| cell.starts_with(' ') && cell.trim_start().starts_with('"');
    let cure = if found < expected {
        "a cell may be missing, or a quote open"
    } else if row.iter().any(is_misquoted) {
        "remove the blank before a quote"
    } else {
        "put quotes around cells that contain the delimiter, and double the quotes in them"
    };
    format!("the row has {found} cells, and the header has {expected}; {cure}")
}

/// Reads a vector: a list of numbers in brackets.
fn vector(cell: &str) -> Result<Vec<f32>, String> {
    Cursor::vector(cell.as_bytes()).map_err(|why| {
        let inside = cell
            .trim()
            .trim_start_matches('[')
            .trim_end_matches(']')
            .trim();
        let has_blanks = inside.contains(char::is_whitespace) && !inside.contains(',');
        if has_blanks || inside.contains("...") {
            format!("{why}; NumPy prints arrays in its own way: write json.dumps(vector.tolist())")
        } else {
            let what = "numbers in brackets, such as [0.5, 1]";
            must_be(why, "expected '['", what)
        }
    })
}

impl Kind {
    /// Reads a cell of metadata.
    fn value(self, cell: &str) -> Result<MetadataValue, String> {
        let trimmed = cell.trim();
        let value = match self {
            _ if cell.is_empty() => Some(MetadataValue::Null),
            Kind::Text => Some(cell.into()),
            _ if trimmed.is_empty() => Some(MetadataValue::Null),
            Kind::Int => trimmed.parse().ok().map(MetadataValue::Int),
            Kind::Float => {
                let float = trimmed.parse().ok();
                let float = float.filter(|float: &f64| float.is_finite());
                float.map(MetadataValue::Float)
            }
            Kind::Bool => match trimmed {
                "1" => Some(true.into()),
                "0" => Some(false.into()),
                _ if trimmed.eq_ignore_ascii_case("true") => Some(true.into()),
                _ if trimmed.eq_ignore_ascii_case("false") => Some(false.into()),
                _ => None,
            },
        };
        let expected = match self {
            Kind::Int => "an integer",
            Kind::Float => "a finite number",
            Kind::Bool => "true, false, 1 or 0",
            Kind::Text => "a text",
        };
        value.ok_or_else(|| format!("{cell:?} is not {expected}{}", self.cure(trimmed)))
    }

    /// Returns advice for a cell in a form that is common in other programs.
    fn cure(self, cell: &str) -> &'static str {
        let is_finite = |text: &str| text.parse().is_ok_and(|float: f64| float.is_finite());
        match self {
            Kind::Int if cell.ends_with(".0") && is_finite(cell) => {
                "; pandas writes integers as floats if the column has gaps: convert it with .astype(\"Int64\"), or use float_columns"
            }
            Kind::Int if is_finite(cell) && cell.contains(['.', 'e', 'E']) => "; use float_columns",
            Kind::Int if is_finite(cell) => {
                " of 64 bits; leave the column out of int_columns, to keep it as text"
            }
            Kind::Float if is_finite(&cell.replacen(',', ".", 1)) => "; write a point, not a comma",
            Kind::Float if cell.parse::<f64>().is_ok() => "; leave the cell empty",
            Kind::Int | Kind::Float if is_finite(&cell.replace([',', '.', '\'', '_', ' '], "")) => {
                "; write the number without separators"
            }
            _ => "",
        }
    }
}
