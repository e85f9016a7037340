//! [`Scores`]: what a rank gives to records, computed as Chroma's servers do
//! (`rust/worker/src/execution/operators/rank.rs`).

use std::collections::HashMap;
use std::ops::{Add, Div, Mul, Sub};

use crate::model::search::{Binary, Node, Rank, Unary, Variadic};

/// The scores of records, by their numbers. All arithmetic is in 32-bit floats.
#[derive(Debug, Clone, Default)]
pub(super) struct Scores {
    pub(super) found: HashMap<u32, f32>,
    /// The score of all other records. `None`: they are not found.
    pub(super) default: Option<f32>,
}

impl Scores {
    fn constant(value: f32) -> Scores {
        Scores {
            found: HashMap::new(),
            default: Some(value),
        }
    }

    fn map(mut self, function: fn(f32) -> f32) -> Scores {
        for score in self.found.values_mut() {
            *score = function(*score);
        }
        self.default = self.default.map(function);
        self
    }

    /// Combines two scores. A record that one side lacks is found only if that side has a default.
    fn merge(left: &Scores, right: &Scores, operator: fn(f32, f32) -> f32) -> Scores {
        let numbers = left.found.keys().chain(right.found.keys());
        let score = |number: &u32| {
            let left = left.found.get(number).copied().or(left.default)?;
            let right = right.found.get(number).copied().or(right.default)?;
            Some((*number, operator(left, right)))
        };
        let default = left.default.zip(right.default);
        Scores {
            found: numbers.filter_map(score).collect(),
            default: default.map(|(left, right)| operator(left, right)),
        }
    }
}

/// Computes the scores of a rank. `knns` has those of each `Knn`, from left to right.
pub(super) fn evaluate(rank: &Rank, knns: &mut impl Iterator<Item = Scores>) -> Scores {
    match rank.node() {
        Node::Number(number) => Scores::constant(number.as_f32()),
        Node::Knn(_) => knns.next().unwrap_or_default(),
        Node::Rrf(rrf) => evaluate(&rrf.expanded(), knns),
        Node::Unary(function, rank) => evaluate(rank, knns).map(match function {
            Unary::Abs => f32::abs,
            Unary::Exp => f32::exp,
            Unary::Log => f32::ln,
        }),
        Node::Binary(operator, sides) => {
            let [left, right] = sides.as_ref();
            let (left, right) = (evaluate(left, knns), evaluate(right, knns));
            Scores::merge(
                &left,
                &right,
                match operator {
                    Binary::Sub => f32::sub,
                    Binary::Div => f32::div,
                },
            )
        }
        Node::Variadic(operator, ranks) => {
            let (start, operator): (f32, fn(f32, f32) -> f32) = match operator {
                Variadic::Sum => (0.0, f32::add),
                Variadic::Mul => (1.0, f32::mul),
                Variadic::Min => (f32::MAX, f32::min),
                Variadic::Max => (f32::MIN, f32::max),
            };
            ranks.iter().fold(Scores::constant(start), |all, rank| {
                Scores::merge(&all, &evaluate(rank, knns), operator)
            })
        }
        // Refused before.
        Node::TooDeep => Scores::default(),
    }
}
