//! [`Rank`]: an expression that scores records.

use std::fmt;
use std::slice;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::knn::Knn;
use super::print::as_json;
use super::rrf::Rrf;
use crate::invalid::InvalidInput;

/// An expression that scores records. It combines [`Knn`]s, [`Rrf`]s and numbers with `+`, `-`, `*`, `/`,
/// [`min`](Rank::min), [`max`](Rank::max), [`exp`](Rank::exp), [`log`](Rank::log) and [`abs`](Rank::abs). The
/// smallest score comes first.
///
/// The operators accept any two of them, and return a `Rank`. Numbers are `f64`, `f32`, `i64` or `i32`. On
/// the left of an operator, they are `f64` or `i32`, the types of literals. A `Rank` prints as Chroma's JSON.
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
    /// The number of nested operations.
    depth: u8,
}

/// The maximum number of nested operations. Servers read JSON of at most 128 levels, and an operation takes
/// two.
const MAX_DEPTH: u8 = 50;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Number(Number),
    Knn(Box<Knn>),
    Rrf(Rrf),
    Unary(Unary, Box<Rank>),
    Binary(Binary, Box<[Rank; 2]>),
    Variadic(Variadic, Vec<Rank>),
    /// Replaces a rank deeper than [`MAX_DEPTH`], because dropping or printing it could overflow the stack.
    TooDeep,
}

impl Node {
    /// Returns the operands.
    fn parts(&self) -> &[Rank] {
        match self {
            Node::Number(_) | Node::Knn(_) | Node::TooDeep => &[],
            Node::Rrf(rrf) => &rrf.ranks,
            Node::Unary(_, rank) => slice::from_ref(rank),
            Node::Binary(_, ranks) => ranks.as_slice(),
            Node::Variadic(_, ranks) => ranks,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Unary {
    Abs,
    Exp,
    Log,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Binary {
    Sub,
    Div,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Variadic {
    Sum,
    Mul,
    Min,
    Max,
}

/// A number. It is sent with the type that the caller wrote.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    /// Returns the number as servers compute with it.
    #[cfg(feature = "hybrid")]
    pub(crate) fn as_f32(self) -> f32 {
        match self {
            Number::Int(value) => value as f32,
            Number::Float(value) => value as f32,
        }
    }

    /// Refuses a number that is not finite as a 32-bit float, which is what servers compute with.
    pub(super) fn check(self, of: &str) -> Result<(), InvalidInput> {
        match self {
            Number::Float(value) if !value.is_finite() => Err(InvalidInput::NotFinite {
                of: of.to_owned(),
                value,
            }),
            Number::Float(value) if !(value as f32).is_finite() => Err(InvalidInput::Search {
                of: of.to_owned(),
                why: format!(
                    "the number {value:e} is too large; servers compute with 32-bit floats"
                ),
            }),
            _ => Ok(()),
        }
    }
}

impl Rank {
    pub(super) fn new(node: Node) -> Rank {
        let inner = node
            .parts()
            .iter()
            .map(|part| part.depth)
            .max()
            .unwrap_or(0);
        if inner < MAX_DEPTH {
            Rank {
                node,
                depth: inner + 1,
            }
        } else {
            // Every rank that contains it is too deep as well.
            Rank {
                node: Node::TooDeep,
                depth: MAX_DEPTH,
            }
        }
    }

    /// Returns a constant score.
    pub fn val(value: f64) -> Rank {
        value.into()
    }

    pub(super) fn unary(function: Unary, of: Rank) -> Rank {
        Rank::new(Node::Unary(function, Box::new(of)))
    }

    pub(super) fn binary(operator: Binary, left: Rank, right: Rank) -> Rank {
        Rank::new(Node::Binary(operator, Box::new([left, right])))
    }

    /// Joins two ranks. Operands that are joined the same way are flattened, as Chroma's client does.
    pub(super) fn join(operator: Variadic, left: Rank, right: Rank) -> Rank {
        let mut ranks = match left.node {
            Node::Variadic(same, ranks) if same == operator => ranks,
            node => vec![Rank {
                node,
                depth: left.depth,
            }],
        };
        match right.node {
            Node::Variadic(same, more) if same == operator => ranks.extend(more),
            node => ranks.push(Rank {
                node,
                depth: right.depth,
            }),
        }
        Rank::new(Node::Variadic(operator, ranks))
    }

    /// Returns the sum of the ranks.
    pub(super) fn sum(ranks: impl IntoIterator<Item = Rank>) -> Rank {
        let mut ranks: Vec<_> = ranks.into_iter().collect();
        match ranks.len() {
            1 => ranks.remove(0),
            _ => Rank::new(Node::Variadic(Variadic::Sum, ranks)),
        }
    }

    /// Makes a `Knn` return ranks instead of distances. Returns every other rank unchanged.
    pub(super) fn returning_ranks(self) -> Rank {
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
            Node::Unary(_, rank) => slice::from_mut(rank),
            Node::Binary(_, ranks) => ranks.as_mut_slice(),
            Node::Variadic(_, ranks) => ranks,
        }
    }

    /// Does this part of [`Search::check`](super::Search::check).
    pub(super) fn check(&self, of: &str, dimension: Option<usize>) -> Result<(), InvalidInput> {
        match &self.node {
            Node::Number(number) => number.check(of)?,
            Node::Knn(knn) => knn.check(of, dimension)?,
            Node::Rrf(rrf) => rrf.check(of)?,
            Node::TooDeep => {
                return Err(InvalidInput::Search {
                    of: of.to_owned(),
                    why: format!(
                        "its rank has more than {MAX_DEPTH} nested operations; rewrite it with fewer levels"
                    ),
                });
            }
            _ => {}
        }
        let mut parts = self.node.parts().iter();
        parts.try_for_each(|rank| rank.check(of, dimension))
    }

    #[cfg(feature = "hybrid")]
    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// Returns every `Knn` in it, from left to right.
    pub(crate) fn knns(&self) -> Vec<&Knn> {
        if let Node::Knn(ref knn) = self.node {
            return vec![knn];
        }
        self.node.parts().iter().flat_map(Rank::knns).collect()
    }

    /// Returns whether the rank contains a `Knn`.
    pub(super) fn has_knn(&self) -> bool {
        matches!(self.node, Node::Knn(_)) || self.node.parts().iter().any(Rank::has_knn)
    }

    /// Returns every `Knn` in it, from left to right.
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
            Node::Knn(knn) => match knn.as_constant() {
                Some(value) => map.serialize_entry("$val", &value)?,
                None => map.serialize_entry("$knn", knn)?,
            },
            Node::Unary(function, rank) => {
                let name = match function {
                    Unary::Abs => "$abs",
                    Unary::Exp => "$exp",
                    Unary::Log => "$log",
                };
                map.serialize_entry(name, rank)?;
            }
            Node::Binary(operator, sides) => {
                let name = match operator {
                    Binary::Sub => "$sub",
                    Binary::Div => "$div",
                };
                let [left, right] = sides.as_ref();
                map.serialize_entry(name, &Sides { left, right })?;
            }
            Node::Variadic(operator, ranks) => {
                let name = match operator {
                    Variadic::Sum => "$sum",
                    Variadic::Mul => "$mul",
                    Variadic::Min => "$min",
                    Variadic::Max => "$max",
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
mod tests;
