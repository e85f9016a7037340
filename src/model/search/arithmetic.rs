//! Functions and operators of [`Rank`], [`Knn`] and [`Rrf`].

use std::ops::{Add, Div, Mul, Neg, Sub};

use super::knn::Knn;
use super::rank::{Binary, Node, Number, Rank, Unary, Variadic};
use super::rrf::Rrf;

/// Implements functions and operators for a type that converts into a rank.
macro_rules! arithmetic {
    ($($rank:ident),+) => {$(
        impl $rank {
            /// Returns `e` to the power of the score.
            pub fn exp(self) -> Rank {
                Rank::unary(Unary::Exp, self.into())
            }

            /// Returns the natural logarithm of the score. Add a constant if the score can be 0.
            pub fn log(self) -> Rank {
                Rank::unary(Unary::Log, self.into())
            }

            /// Returns the absolute value of the score.
            pub fn abs(self) -> Rank {
                Rank::unary(Unary::Abs, self.into())
            }

            /// Returns the smaller of the two scores.
            pub fn min(self, other: impl Into<Rank>) -> Rank {
                Rank::join(Variadic::Min, self.into(), other.into())
            }

            /// Returns the larger of the two scores.
            pub fn max(self, other: impl Into<Rank>) -> Rank {
                Rank::join(Variadic::Max, self.into(), other.into())
            }
        }

        impl Neg for $rank {
            type Output = Rank;

            fn neg(self) -> Rank {
                Rank::new(Node::Variadic(Variadic::Mul, vec![(-1).into(), self.into()]))
            }
        }

        impl<R: Into<Rank>> Add<R> for $rank {
            type Output = Rank;

            fn add(self, other: R) -> Rank {
                Rank::join(Variadic::Sum, self.into(), other.into())
            }
        }

        impl<R: Into<Rank>> Sub<R> for $rank {
            type Output = Rank;

            fn sub(self, other: R) -> Rank {
                Rank::binary(Binary::Sub, self.into(), other.into())
            }
        }

        impl<R: Into<Rank>> Mul<R> for $rank {
            type Output = Rank;

            fn mul(self, other: R) -> Rank {
                Rank::join(Variadic::Mul, self.into(), other.into())
            }
        }

        impl<R: Into<Rank>> Div<R> for $rank {
            type Output = Rank;

            fn div(self, other: R) -> Rank {
                Rank::binary(Binary::Div, self.into(), other.into())
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

/// Implements the operators for a number on the left.
macro_rules! on_the_left {
    ($($number:ty => $($rank:ident),+;)+) => {$($(
        on_the_left!($number, $rank, Add add, Sub sub, Div div);

        // The number is always the last factor, so that both orders give the same JSON.
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
// One integer type and one float type. With more, the compiler could not infer the type of the literal in
// `(1 - knn).exp()`.
on_the_left! {
    i32 => Rank, Knn, Rrf;
    f64 => Rank, Knn, Rrf;
}
