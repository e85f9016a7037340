//! The columns of a CSV file as records.

use ::csv::StringRecord;

use super::super::ids::{Ids, MissingIds};
use crate::model::metadata::MetadataValue;
use crate::model::record::Record;
use crate::wire::cursor::Cursor;

/// The names of columns. Those that the caller gave have to be there.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) id: String,
    pub(super) document: Option<String>,
    pub(super) embedding: Option<String>,
    pub(super) uri: Option<String>,
    pub(super) typed: Vec<(String, Kind)>,
}

/// What a column of metadata holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Int,
    Float,
    Bool,
    Text,
}

#[derive(Debug)]
pub(super) struct Column {
    name: String,
    is: Is,
}

#[derive(Debug, Clone, Copy)]
enum Is {
    Id,
    Document,
    Embedding,
    Uri,
    Metadata(Kind),
    Nothing,
}

impl Default for Names {
    fn default() -> Names {
        Names {
            id: "id".to_owned(),
            document: None,
            embedding: None,
            uri: None,
            typed: Vec::new(),
        }
    }
}

impl Names {
    /// What each column is; or what is wrong with them.
    pub(super) fn columns(
        &self,
        names: &StringRecord,
        missing: MissingIds,
    ) -> Result<Vec<Column>, String> {
        let there = |name: &str| names.iter().any(|column| column == name);
        let given = [&self.document, &self.embedding, &self.uri];
        let given = given.into_iter().filter_map(Option::as_deref);
        let typed = self.typed.iter().map(|(name, _)| name.as_str());
        let id = (missing == MissingIds::Refuse).then_some(self.id.as_str());
        if let Some(name) = given.chain(typed).chain(id).find(|name| !there(name)) {
            let names: Vec<_> = names.iter().collect();
            let how = match id == Some(name) {
                true => "; say where the id is with id_column, or have ids made with missing_ids",
                false => "",
            };
            return Err(format!("there is no column {name:?} in {names:?}{how}"));
        }
        let document = match (&self.document, there("document")) {
            (Some(name), _) => name,
            (None, true) => "document",
            (None, false) => "text",
        };
        let embedding = self.embedding.as_deref().unwrap_or("embedding");
        let uri = self.uri.as_deref().unwrap_or("uri");
        let mut columns: Vec<Column> = Vec::new();
        for name in names {
            if !name.is_empty() && columns.iter().any(|column| column.name == name) {
                return Err(format!("the column {name:?} is there twice"));
            }
            let is = match name {
                "" => Is::Nothing,
                name if name == self.id => Is::Id,
                name if name == document => Is::Document,
                name if name == embedding => Is::Embedding,
                name if name == uri => Is::Uri,
                name => {
                    let typed = self.typed.iter().find(|(typed, _)| typed == name);
                    Is::Metadata(typed.map_or(Kind::Text, |(_, kind)| *kind))
                }
            };
            let name = name.to_owned();
            columns.push(Column { name, is });
        }
        Ok(columns)
    }

    /// The record in a row; or what is wrong with it.
    pub(super) fn record(
        &self,
        columns: &[Column],
        row: &StringRecord,
        line: u64,
        ids: &Ids,
    ) -> Result<Record, String> {
        let mut record = Record::default();
        let mut id = None;
        for (column, cell) in columns.iter().zip(row) {
            let text = (!cell.is_empty()).then(|| cell.to_owned());
            let of_column = |why: String| format!("column {:?}: {why}", column.name);
            match column.is {
                Is::Id => id = text,
                Is::Document => record.document = text,
                Is::Uri => record.uri = text,
                Is::Embedding if cell.is_empty() => {}
                Is::Embedding => {
                    let vector = Cursor::vector(cell.as_bytes()).map_err(of_column)?;
                    record.embedding = Some(vector);
                }
                Is::Metadata(kind) => {
                    let value = kind.value(cell).map_err(of_column)?;
                    record.metadata.insert(column.name.as_str(), value);
                }
                Is::Nothing => {}
            }
        }
        let column = [self.id.as_str(), "id_column"];
        record.id = ids.id(id, record.document.as_deref(), line, column)?;
        Ok(record)
    }
}

impl Kind {
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
        let what = match self {
            Kind::Int => "an integer",
            Kind::Float => "a finite number",
            Kind::Bool => "true or false",
            Kind::Text => "a text",
        };
        value.ok_or_else(|| format!("{cell:?} is not {what}"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{all, items, rows};
    use super::*;

    #[test]
    fn cells_are_texts_unless_their_column_is_something_else() {
        let csv = "id,i,f,b,t\n1, -7 ,1e-3,True,007\n2,,,,\n3,1,2,0,\n";
        let typed = || {
            rows(csv)
                .int_columns(["i"])
                .float_columns(["f"])
                .bool_columns(["b"])
        };
        let one = Record::new("1").metadata("i", -7).metadata("f", 1e-3);
        let nothing = ["b", "f", "i", "t"].map(|key| (key, MetadataValue::Null));
        let three = Record::new("3").metadata("i", 1).metadata("f", 2.0);
        let expected = [
            one.metadata("b", true).metadata("t", "007"),
            Record::new("2").metadatas(nothing),
            three.metadata("b", false).remove_metadata("t"),
        ];
        assert_eq!(all(typed()), expected);
        let texts =
            Record::new("1").metadatas([("i", " -7 "), ("f", "1e-3"), ("b", "True"), ("t", "007")]);
        assert_eq!(all(rows(csv))[0], texts);
        for (cell, column) in [("1.5", "i"), ("NaN", "f"), ("1e999", "f"), ("yes", "b")] {
            let csv = format!("id,{column}\n1,{cell}\n");
            let typed = rows(&csv);
            let typed = match column {
                "i" => typed.int_columns([column]),
                "f" => typed.float_columns([column]),
                _ => typed.bool_columns([column]),
            };
            let error = items(typed).remove(0).unwrap_err();
            let why = format!("line 2: column {column:?}: {cell:?} is not ");
            assert!(error.contains(&why), "{error}");
        }
    }
}
