//! [`IntoRecords`]: every form in which writes accept records. [`Records`]: how the crate reads them.

use super::record::{AsRecord, Record, RecordRef};

/// Several records in any form, read one by one.
pub trait Records {
    /// Returns the number of records.
    fn len(&self) -> usize;

    /// Returns `true` if there are no records.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns one record. `index` is less than [`len`](Records::len).
    fn record(&self, index: usize) -> RecordRef<'_>;

    /// Returns the name and the length of the first column that does not have as many entries as there are
    /// ids.
    fn mismatched_column(&self) -> Option<(&'static str, usize)> {
        None
    }
}

impl<R: AsRecord> Records for Vec<R> {
    fn len(&self) -> usize {
        <[R]>::len(self)
    }

    fn record(&self, index: usize) -> RecordRef<'_> {
        self[index].as_record()
    }
}

/// The argument of a write. Accepts one [`Record`], `&Record` or [`RecordRef`]; an array, a `Vec`, a slice or
/// another iterator of types that implement [`AsRecord`], or of references to them; and
/// [`Columns`](crate::record::Columns).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a record, and not several records",
    note = "pass a `Record`, an iterator of types that implement `AsRecord`, or `Columns`"
)]
pub trait IntoRecords {
    /// The form from which the records are read.
    type Records: Records;

    /// Returns the records.
    fn into_records(self) -> Self::Records;
}

impl<I> IntoRecords for I
where
    I: IntoIterator,
    I::Item: AsRecord,
{
    type Records = Vec<I::Item>;

    fn into_records(self) -> Vec<I::Item> {
        self.into_iter().collect()
    }
}

/// One record.
impl IntoRecords for Record {
    type Records = Vec<Record>;

    fn into_records(self) -> Vec<Record> {
        vec![self]
    }
}

/// One record.
impl<'a> IntoRecords for &'a Record {
    type Records = Vec<&'a Record>;

    fn into_records(self) -> Vec<&'a Record> {
        vec![self]
    }
}

/// One record.
impl<'a> IntoRecords for RecordRef<'a> {
    type Records = Vec<RecordRef<'a>>;

    fn into_records(self) -> Vec<RecordRef<'a>> {
        vec![self]
    }
}
