//! [`MissingIds`]: the ids of records that have none.

/// What a reader does with a record that has no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum MissingIds {
    /// The record is an error.
    #[default]
    Refuse,
    /// The id is made of the source's name, without its folder, and the number of the line: `corpus.jsonl:17`. It stays
    /// the same as long as nothing is put in front of the record or taken away there.
    FromLine,
    /// The id is made of the document, by a hash of 128 bits. It stays the same wherever the record goes; another text is
    /// another record, and records with the same text are one.
    FromDocument,
}

/// How a reader comes by its ids.
#[derive(Debug, Clone)]
pub(super) struct Ids {
    pub(super) missing: MissingIds,
    /// What ids made of lines start with.
    pub(super) prefix: String,
}

impl Ids {
    /// Ids of a source of this name, which may be a path.
    pub(super) fn of(name: &str) -> Ids {
        let file = name.rsplit(['/', '\\']).next();
        Ids {
            missing: MissingIds::default(),
            prefix: file.unwrap_or(name).to_owned(),
        }
    }

    /// The id of a record, from what it has; `field` says where it would be, and `setter` which method says so.
    pub(super) fn id(
        &self,
        given: Option<String>,
        document: Option<&str>,
        line: u64,
        [field, setter]: [&str; 2],
    ) -> Result<String, String> {
        match (given, self.missing, document) {
            (Some(id), ..) if id.is_empty() => Err("the id is empty".to_owned()),
            (Some(id), ..) => Ok(id),
            (None, MissingIds::Refuse, _) => Err(format!(
                "there is no id in {field:?}; say where it is with {setter}, or have ids made with missing_ids"
            )),
            (None, MissingIds::FromLine, _) => Ok(format!("{}:{line}", self.prefix)),
            (None, MissingIds::FromDocument, Some(text)) => Ok(format!("{:032x}", hash(text))),
            (None, MissingIds::FromDocument, None) => {
                Err("there is no id, and no document to make one of".to_owned())
            }
        }
    }
}

/// FNV-1a (Fowler, Noll, Vo) of 128 bits. It must never change, since ids are made of it.
fn hash(text: &str) -> u128 {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = (1 << 88) + 0x13b;
    text.bytes().fold(BASIS, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(PRIME)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        // Known answers of the algorithm's authors.
        assert_eq!(hash("a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
        assert_eq!(hash("foobar"), 0x343e_1662_793c_64bf_6f0d_3597_ba44_6f18);
    }

    #[test]
    fn ids_are_given_or_made() {
        let mut ids = Ids::of("data/a.jsonl");
        let id = |ids: &Ids, given: Option<&str>, text| {
            ids.id(given.map(str::to_owned), text, 7, ["id", "id_field"])
        };
        assert_eq!(id(&ids, Some("x"), None).unwrap(), "x");
        assert!(id(&ids, None, Some("text")).is_err());
        ids.missing = MissingIds::FromLine;
        assert_eq!(id(&ids, None, None).unwrap(), "a.jsonl:7");
        assert_eq!(id(&ids, Some("x"), None).unwrap(), "x");
        assert!(id(&ids, Some(""), None).is_err());
        ids.missing = MissingIds::FromDocument;
        assert_eq!(
            id(&ids, None, Some("a")).unwrap(),
            format!("{:x}", hash("a"))
        );
        assert!(id(&ids, None, None).is_err());
    }
}
