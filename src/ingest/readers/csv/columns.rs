//! [`Names`] and [`Column`]: map the columns of a CSV file to the parts of a record.

use ::csv::StringRecord;

use crate::ingest::readers::ids::{Ids, MissingIds};
use crate::model::metadata::MetadataValue;
use crate::model::record::Record;
use crate::wire::cursor::Cursor;

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
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Int,
    Float,
    Bool,
    Text,
}

/// A column of a file.
#[derive(Debug)]
pub(super) struct Column {
    name: String,
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
    /// If a column that the caller has named is missing, or if two columns have the same name.
    pub(super) fn columns(&self, header: &StringRecord) -> Result<Vec<Column>, String> {
        self.check_all_exist(header)?;
        let document = match &self.document {
            Some(name) => name,
            None if header.iter().any(|name| name == "document") => "document",
            None => "text",
        };
        let mut columns: Vec<Column> = Vec::new();
        for name in header {
            if !name.is_empty() && columns.iter().any(|column| column.name == name) {
                return Err(format!(
                    "two columns have the name {name:?}; rename one of them"
                ));
            }
            columns.push(Column {
                name: name.to_owned(),
                role: self.role(name, document),
            });
        }
        Ok(columns)
    }

    fn check_all_exist(&self, header: &StringRecord) -> Result<(), String> {
        let is_missing = |name: &&str| !header.iter().any(|column| column == *name);
        let columns = || header.iter().collect::<Vec<_>>();
        let parts = [&self.document, &self.embedding, &self.uri];
        let parts = parts.into_iter().filter_map(Option::as_deref);
        let typed = self.typed.iter().map(|(name, _)| name.as_str());
        if let Some(name) = parts.chain(typed).find(is_missing) {
            return Err(format!(
                "no column {name:?}; name one of the columns {:?}",
                columns()
            ));
        }
        let id = self.ids.name.as_str();
        if self.ids.missing == MissingIds::Refuse && is_missing(&id) {
            let advice = self.ids.advice();
            return Err(format!(
                "no column {id:?} among the columns {:?}; {advice}",
                columns()
            ));
        }
        Ok(())
    }

    fn role(&self, name: &str, document: &str) -> Role {
        if name.is_empty() {
            Role::Ignored
        } else if name == self.ids.name {
            Role::Id
        } else if name == document {
            Role::Document
        } else if name == self.embedding.as_deref().unwrap_or("embedding") {
            Role::Embedding
        } else if name == self.uri.as_deref().unwrap_or("uri") {
            Role::Uri
        } else {
            let typed = self.typed.iter().find(|(typed, _)| typed == name);
            Role::Metadata(typed.map_or(Kind::Text, |(_, kind)| *kind))
        }
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
        let mut record = Record::default();
        let mut id = None;
        for (column, cell) in columns.iter().zip(row) {
            let text = (!cell.is_empty()).then(|| cell.to_owned());
            let in_column = |why: String| format!("column {:?}: {why}", column.name);
            match column.role {
                Role::Id => id = text,
                Role::Document => record.document = text,
                Role::Uri => record.uri = text,
                Role::Embedding if cell.is_empty() => {}
                Role::Embedding => {
                    let vector = Cursor::vector(cell.as_bytes()).map_err(in_column)?;
                    record.embedding = Some(vector);
                }
                Role::Metadata(kind) => {
                    let value = kind.value(cell).map_err(in_column)?;
                    record.metadata.insert(column.name.as_str(), value);
                }
                Role::Ignored => {}
            }
        }
        record.id = self.ids.id(id, line, record.document.as_deref())?;
        Ok(record)
    }
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
        value.ok_or_else(|| format!("{cell:?} is not {expected}"))
    }
}
