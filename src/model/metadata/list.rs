//! [`List`]: a list of metadata values that is read value by value.

use super::strings::Strings;
use super::value::MetadataValue;

/// A list of values of one kind. Integers among floats become floats.
pub(super) struct List {
    values: MetadataValue,
    is_mixed: bool,
}

/// A value of a list.
pub(super) enum Item<'a> {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
}

impl List {
    pub(super) fn new() -> List {
        List {
            values: MetadataValue::Null,
            is_mixed: false,
        }
    }

    /// Appends a value, unless it is of another kind.
    pub(super) fn push(&mut self, item: Item<'_>) {
        use MetadataValue::{Bools, Floats, Ints, Null, Strings as Texts};

        match (&mut self.values, item) {
            (Bools(list), Item::Bool(value)) => list.push(value),
            (Ints(list), Item::Int(value)) => list.push(value),
            (Floats(list), Item::Float(value)) => list.push(value),
            (Floats(list), Item::Int(value)) => list.push(value as f64),
            (Texts(list), Item::Text(value)) => list.push(value),
            (Ints(list), Item::Float(value)) => {
                let ints = std::mem::take(list).into_iter();
                let mut floats: Vec<f64> = ints.map(|int| int as f64).collect();
                floats.push(value);
                self.values = Floats(floats);
            }
            // Capacity for one value: a hostile response may have millions of such lists.
            (Null, Item::Bool(value)) => self.values = Bools(vec![value]),
            (Null, Item::Int(value)) => self.values = Ints(vec![value]),
            (Null, Item::Float(value)) => self.values = Floats(vec![value]),
            (Null, Item::Text(value)) => self.values = Texts(Strings::from([value])),
            _ => self.refuse(),
        }
    }

    /// Marks the list as mixed. The rest is still parsed, so that a syntax error is reported first.
    pub(super) fn refuse(&mut self) {
        self.is_mixed = true;
    }

    /// Returns the list without spare capacity, or `None` if the kinds of its values differ. An empty list is
    /// a list of texts.
    pub(super) fn finish(mut self) -> Option<MetadataValue> {
        use MetadataValue::{Bools, Floats, Ints, Null, Strings as Texts};

        match &mut self.values {
            Bools(list) => list.shrink_to_fit(),
            Ints(list) => list.shrink_to_fit(),
            Floats(list) => list.shrink_to_fit(),
            Texts(list) => list.shrink_to_fit(),
            Null => self.values = Texts(Strings::new()),
            _ => {}
        }
        (!self.is_mixed).then_some(self.values)
    }
}
