//! [`IntoIds`]: one id or several.

/// One id, or any iterator of ids: `"a"`, a `String`, `["a", "b"]`, a `Vec<String>`. `M` is inferred and
/// distinguishes the two cases; the trait cannot be implemented outside of this crate.
pub trait IntoIds<M>: sealed::IntoIds<M> {}

impl<T: sealed::IntoIds<M>, M> IntoIds<M> for T {}

mod sealed {
    /// Marks a single id.
    #[derive(Debug)]
    pub enum One {}

    /// Marks an iterator of ids.
    #[derive(Debug)]
    pub enum Many {}

    pub trait IntoIds<M> {
        fn into_ids(self) -> Vec<String>;
    }

    impl IntoIds<One> for &str {
        fn into_ids(self) -> Vec<String> {
            vec![self.to_owned()]
        }
    }

    impl IntoIds<One> for String {
        fn into_ids(self) -> Vec<String> {
            vec![self]
        }
    }

    impl IntoIds<One> for &String {
        fn into_ids(self) -> Vec<String> {
            vec![self.clone()]
        }
    }

    impl<I: IntoIterator<Item: Into<String>>> IntoIds<Many> for I {
        fn into_ids(self) -> Vec<String> {
            self.into_iter().map(Into::into).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids<M>(ids: impl IntoIds<M>) -> Vec<String> {
        ids.into_ids()
    }

    #[test]
    fn takes_one_id_or_many() {
        let owned = "a".to_owned();
        for one in [ids("a"), ids(&owned), ids(owned.clone()), ids(["a"])] {
            assert_eq!(one, ["a"]);
        }
        let two = vec![owned, "b".to_owned()];
        for many in [
            ids(["a", "b"]),
            ids(&["a".to_owned(), "b".to_owned()]),
            ids(&two),
            ids(two.as_slice()),
            ids(two.iter().map(String::as_str)),
            ids(two.clone()),
        ] {
            assert_eq!(many, ["a", "b"]);
        }
        assert_eq!(ids(Vec::<String>::new()), [""; 0]);
    }
}
