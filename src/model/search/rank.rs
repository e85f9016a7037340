//! [`Rank`]: arithmetic with the scores of records.

use std::fmt;
use std::ops::{Add, Div, Mul, Neg, Sub};
use std::slice;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::as_json;
use super::knn::Knn;
use super::rrf::Rrf;
use crate::invalid::InvalidInput;

/// How to score records: [`Knn`]s, [`Rrf`]s and numbers, joined by `+`, `-`, `*`, `/`, [`min`](Rank::min),
/// [`max`](Rank::max), [`exp`](Rank::exp), [`log`](Rank::log) and [`abs`](Rank::abs). The smallest score comes first.
///
/// The operators work between any two of them, and give a `Rank`. Numbers are `f64`, `f32`, `i64` or `i32`; on the left
/// of an operator `f64` or `i32`, as literals are. A `Rank` prints as Chroma's JSON.
///
/// ```
/// use chroma_blocking::search::{Knn, Rank};
///
/// let knn = || Knn::dense([0.25, -0.5]);
/// let hybrid: Rank = 0.7 * knn() + 0.3 * Knn::text("memory safety");
/// let clamped = (1 - knn()).max(0).min(1);
/// let steep = (-knn()).exp() / 2.0;
/// assert_eq!(Rank::from(2).log().to_string(), r#"{"$log":{"$val":2}}"#);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a rank does nothing until it is given to a search"]
pub struct Rank {
    node: Node,
    /// How many operations are inside each other.
    depth: u8,
}

/// More operations inside each other are refused: servers read JSON of 128 levels, of which an operation takes two.
const MAX_DEPTH: u8 = 50;

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Number(Number),
    Knn(Box<Knn>),
    Rrf(Rrf),
    One(One, Box<Rank>),
    Two(Two, Box<[Rank; 2]>),
    Many(Many, Vec<Rank>),
    /// In place of a rank deeper than [`MAX_DEPTH`]: dropping or printing that could overflow the stack.
    TooDeep,
}

impl Node {
    /// The ranks that it is made of.
    fn parts(&self) -> &[Rank] {
        match self {
            Node::Number(_) | Node::Knn(_) | Node::TooDeep => &[],
            Node::Rrf(rrf) => &rrf.ranks,
            Node::One(_, rank) => slice::from_ref(rank),
            Node::Two(_, ranks) => ranks.as_slice(),
            Node::Many(_, ranks) => ranks,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum One {
    Abs,
    Exp,
    Log,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Two {
    Sub,
    Div,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Many {
    Sum,
    Mul,
    Min,
    Max,
}

/// A number as it was written, so that it is sent as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    /// Refuses what is no number for a server, which computes with 32 bits.
    pub(super) fn check(self, of: &str) -> Result<(), InvalidInput> {
        match self {
            Number::Float(value) if !value.is_finite() => Err(InvalidInput::NotFinite {
                of: of.to_owned(),
                value,
            }),
            Number::Float(value) if !(value as f32).is_finite() => Err(InvalidInput::Search {
                of: of.to_owned(),
                why: format!("{value:e} is too large; servers compute with 32-bit floats"),
            }),
            _ => Ok(()),
        }
    }
}

impl Rank {
    fn new(node: Node) -> Rank {
        let inner = node
            .parts()
            .iter()
            .map(|part| part.depth)
            .max()
            .unwrap_or(0);
        match inner < MAX_DEPTH {
            true => Rank {
                node,
                depth: inner + 1,
            },
            // So that what it is a part of is too deep as well.
            false => Rank {
                node: Node::TooDeep,
                depth: MAX_DEPTH,
            },
        }
    }

    /// A number.
    pub fn val(value: f64) -> Rank {
        value.into()
    }

    fn one(function: One, of: Rank) -> Rank {
        Rank::new(Node::One(function, Box::new(of)))
    }

    fn two(operator: Two, left: Rank, right: Rank) -> Rank {
        Rank::new(Node::Two(operator, Box::new([left, right])))
    }

    /// Joins two, and takes the parts of those that are joined the same way already, as Chroma's client does.
    fn join(operator: Many, left: Rank, right: Rank) -> Rank {
        let mut ranks = match left.node {
            Node::Many(same, ranks) if same == operator => ranks,
            node => vec![Rank {
                node,
                depth: left.depth,
            }],
        };
        match right.node {
            Node::Many(same, more) if same == operator => ranks.extend(more),
            node => ranks.push(Rank {
                node,
                depth: right.depth,
            }),
        }
        Rank::new(Node::Many(operator, ranks))
    }

    /// The sum of them.
    pub(super) fn sum(ranks: impl IntoIterator<Item = Rank>) -> Rank {
        let mut ranks: Vec<_> = ranks.into_iter().collect();
        match ranks.len() {
            1 => ranks.remove(0),
            _ => Rank::new(Node::Many(Many::Sum, ranks)),
        }
    }

    /// Itself, and by its place where it is the distance of a `Knn`.
    pub(super) fn by_place(self) -> Rank {
        match self.node {
            Node::Knn(knn) => knn.return_rank(true).into(),
            node => Rank {
                node,
                depth: self.depth,
            },
        }
    }

    fn parts_mut(&mut self) -> &mut [Rank] {
        match &mut self.node {
            Node::Number(_) | Node::Knn(_) | Node::TooDeep => &mut [],
            Node::Rrf(rrf) => &mut rrf.ranks,
            Node::One(_, rank) => slice::from_mut(rank),
            Node::Two(_, ranks) => ranks.as_mut_slice(),
            Node::Many(_, ranks) => ranks,
        }
    }

    /// See [`Search::check`](super::Search::check).
    pub(super) fn check(&self, of: &str, dimension: Option<usize>) -> Result<(), InvalidInput> {
        match &self.node {
            Node::Number(number) => number.check(of)?,
            Node::Knn(knn) => knn.check(of, dimension)?,
            Node::Rrf(rrf) => rrf.check(of)?,
            Node::TooDeep => {
                return Err(InvalidInput::Search {
                    of: of.to_owned(),
                    why: format!(
                        "more than {MAX_DEPTH} operations are inside each other in its rank"
                    ),
                });
            }
            _ => {}
        }
        let mut parts = self.node.parts().iter();
        parts.try_for_each(|rank| rank.check(of, dimension))
    }

    /// Whether any `Knn` is in it.
    pub(super) fn has_knn(&self) -> bool {
        matches!(self.node, Node::Knn(_)) || self.node.parts().iter().any(Rank::has_knn)
    }

    /// Every `Knn` in it, from left to right.
    pub(super) fn knns_mut(&mut self) -> Vec<&mut Knn> {
        if let Node::Knn(ref mut knn) = self.node {
            return vec![knn];
        }
        let parts = self.parts_mut().iter_mut();
        parts.flat_map(Rank::knns_mut).collect()
    }
}

impl From<Knn> for Rank {
    fn from(knn: Knn) -> Rank {
        Rank::new(Node::Knn(Box::new(knn)))
    }
}

impl From<Rrf> for Rank {
    fn from(rrf: Rrf) -> Rank {
        Rank::new(Node::Rrf(rrf))
    }
}

/// What everything that ranks can do.
macro_rules! arithmetic {
    ($($rank:ident),+) => {$(
        impl $rank {
            /// `e` to the power of it.
            pub fn exp(self) -> Rank {
                Rank::one(One::Exp, self.into())
            }

            /// Its natural logarithm. Add a constant where it may be 0.
            pub fn log(self) -> Rank {
                Rank::one(One::Log, self.into())
            }

            /// Without its sign.
            pub fn abs(self) -> Rank {
                Rank::one(One::Abs, self.into())
            }

            /// The smaller one of both.
            pub fn min(self, other: impl Into<Rank>) -> Rank {
                Rank::join(Many::Min, self.into(), other.into())
            }

            /// The larger one of both.
            pub fn max(self, other: impl Into<Rank>) -> Rank {
                Rank::join(Many::Max, self.into(), other.into())
            }
        }

        impl Neg for $rank {
            type Output = Rank;

            fn neg(self) -> Rank {
                Rank::new(Node::Many(Many::Mul, vec![(-1).into(), self.into()]))
            }
        }

        impl<R: Into<Rank>> Add<R> for $rank {
            type Output = Rank;

            fn add(self, other: R) -> Rank {
                Rank::join(Many::Sum, self.into(), other.into())
            }
        }

        impl<R: Into<Rank>> Sub<R> for $rank {
            type Output = Rank;

            fn sub(self, other: R) -> Rank {
                Rank::two(Two::Sub, self.into(), other.into())
            }
        }

        impl<R: Into<Rank>> Mul<R> for $rank {
            type Output = Rank;

            fn mul(self, other: R) -> Rank {
                Rank::join(Many::Mul, self.into(), other.into())
            }
        }

        impl<R: Into<Rank>> Div<R> for $rank {
            type Output = Rank;

            fn div(self, other: R) -> Rank {
                Rank::two(Two::Div, self.into(), other.into())
            }
        }
    )+};
}
arithmetic!(Rank, Knn, Rrf);

macro_rules! numbers {
    ($($kind:ident: $($number:ty),+;)+) => {$($(
        impl From<$number> for Rank {
            fn from(number: $number) -> Rank {
                Rank::new(Node::Number(Number::$kind(number.into())))
            }
        }
    )+)+};
}
numbers! {
    Int: i64, i32;
    Float: f64, f32;
}

/// What numbers do on the left of an operator.
macro_rules! on_the_left {
    ($($number:ty => $($rank:ident),+;)+) => {$($(
        on_the_left!($number, $rank, Add add, Sub sub, Div div);

        // The number goes to the end: what a product with a number looks like does not depend on how it was written.
        impl Mul<$rank> for $number {
            type Output = Rank;

            fn mul(self, rank: $rank) -> Rank {
                rank * self
            }
        }
    )+)+};
    ($number:ty, $rank:ident, $($operator:ident $method:ident),+) => {$(
        impl $operator<$rank> for $number {
            type Output = Rank;

            fn $method(self, rank: $rank) -> Rank {
                $operator::$method(Rank::from(self), rank)
            }
        }
    )+};
}
// One kind of integers and one of floats: with two, the compiler would not know what `(1 - knn).exp()` is.
on_the_left! {
    i32 => Rank, Knn, Rrf;
    f64 => Rank, Knn, Rrf;
}

impl Serialize for Rank {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Sides<'a> {
            left: &'a Rank,
            right: &'a Rank,
        }

        if let Node::Rrf(rrf) = &self.node {
            return rrf.expanded().serialize(serializer);
        }
        let mut map = serializer.serialize_map(Some(1))?;
        match &self.node {
            Node::Rrf(_) | Node::TooDeep => {}
            Node::Number(number) => map.serialize_entry("$val", number)?,
            Node::Knn(knn) => map.serialize_entry("$knn", knn)?,
            Node::One(function, rank) => {
                let name = match function {
                    One::Abs => "$abs",
                    One::Exp => "$exp",
                    One::Log => "$log",
                };
                map.serialize_entry(name, rank)?;
            }
            Node::Two(operator, sides) => {
                let name = match operator {
                    Two::Sub => "$sub",
                    Two::Div => "$div",
                };
                let [left, right] = sides.as_ref();
                map.serialize_entry(name, &Sides { left, right })?;
            }
            Node::Many(operator, ranks) => {
                let name = match operator {
                    Many::Sum => "$sum",
                    Many::Mul => "$mul",
                    Many::Min => "$min",
                    Many::Max => "$max",
                };
                map.serialize_entry(name, ranks)?;
            }
        }
        map.end()
    }
}

impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        as_json(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knn(text: &str) -> Knn {
        Knn::text(text)
    }

    /// As JSON, with `a`, `b` … in place of the `Knn`s on these texts, and numbers as they are.
    fn short(rank: impl Into<Rank>) -> String {
        let mut json = rank.into().to_string();
        for name in ["a", "b", "c", "d"] {
            json = json.replace(&knn(name).to_string(), name);
        }
        json.replace("{\"$val\":", "<").replace('"', "")
    }

    #[test]
    fn a_very_deep_rank_is_an_error_and_overflows_nothing() {
        let mut rank: Rank = Knn::dense([1.0]).into();
        for _ in 0..100_000 {
            rank = (rank - Knn::dense([1.0])).exp();
        }
        assert!(format!("{rank:?}{rank}").len() < 1_000);
        let error = rank.check("the search", Some(1)).unwrap_err().to_string();
        assert!(error.contains("50 operations"), "{error}");

        let mut rank: Rank = Knn::dense([1.0]).into();
        for _ in 0..49 {
            rank = rank.abs();
        }
        assert_eq!(rank.check("the search", Some(1)), Ok(()));
        assert!(rank.abs().check("the search", Some(1)).is_err());
    }

    #[test]
    fn sums_products_and_bounds_are_flat_from_both_sides() {
        let [a, b, c, d] = ["a", "b", "c", "d"].map(knn);
        let [a, b, c, d] = [&a, &b, &c, &d].map(|knn| move || knn.clone());
        assert_eq!(short((a() + b()) + (c() + d())), "{$sum:[a,b,c,d]}");
        assert_eq!(short(a() + (b() + c())), "{$sum:[a,b,c]}");
        assert_eq!(short(a() * (b() * c())), "{$mul:[a,b,c]}");
        assert_eq!(short(a().min(b().min(c()))), "{$min:[a,b,c]}");
        assert_eq!(short(a().max(b()).max(c())), "{$max:[a,b,c]}");
        assert_eq!(short((a() + b()) * c()), "{$mul:[{$sum:[a,b]},c]}");
        assert_eq!(short(a().min(b()).max(c())), "{$max:[{$min:[a,b]},c]}");
    }

    #[test]
    fn differences_and_quotients_keep_their_sides() {
        let [a, b, c] = ["a", "b", "c"].map(knn);
        assert_eq!(
            short(a.clone() - (b.clone() - c.clone())),
            "{$sub:{left:a,right:{$sub:{left:b,right:c}}}}"
        );
        assert_eq!(
            short(a / b / c),
            "{$div:{left:{$div:{left:a,right:b}},right:c}}"
        );
    }

    #[test]
    fn numbers_stand_on_both_sides_and_stay_what_they_are() {
        let a = || knn("a");
        assert_eq!(short(1 + a()), "{$sum:[<1},a]}");
        assert_eq!(short(a() + 1_i64), "{$sum:[a,<1}]}");
        assert_eq!(short(0.5 / a()), "{$div:{left:<0.5},right:a}}");
        assert_eq!(short(a().exp() - 2.0), "{$sub:{left:{$exp:a},right:<2.0}}}");
        assert_eq!(short(a() * 0.5_f32), "{$mul:[a,<0.5}]}");
        assert_eq!(
            short((1 - a()).max(0)),
            "{$max:[{$sub:{left:<1},right:a}},<0}]}"
        );
        assert_eq!(
            short((0.5 * a()).log().abs()),
            "{$abs:{$log:{$mul:[a,<0.5}]}}}"
        );
        assert_eq!(short(Rank::val(2.0)), "<2.0}");
    }

    #[test]
    fn a_product_with_a_number_is_the_same_from_both_sides() {
        assert_eq!(short(0.5 * knn("a")), "{$mul:[a,<0.5}]}");
        assert_eq!(short(0.5 * knn("a")), short(knn("a") * 0.5));
    }

    // Chroma's client does not flatten a product under a sign, either.
    #[test]
    fn a_sign_is_a_product() {
        assert_eq!(short(-knn("a")), "{$mul:[<-1},a]}");
        assert_eq!(short(-(knn("a") * 2)), "{$mul:[<-1},{$mul:[a,<2}]}]}");
    }
}
