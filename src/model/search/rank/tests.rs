//! The JSON of ranks, and the limit of their depth.

use super::*;

fn knn(text: &str) -> Knn {
    Knn::text(text)
}

/// Prints the JSON, with `a`, `b` and so on for the `Knn`s with these texts, and without quotes.
fn short(rank: impl Into<Rank>) -> String {
    let mut json = rank.into().to_string();
    for name in ["a", "b", "c", "d"] {
        json = json.replace(&knn(name).to_string(), name);
    }
    json.replace("{\"$val\":", "<").replace('"', "")
}

#[test]
fn a_very_deep_rank_is_an_error_and_does_not_overflow_the_stack() {
    let mut rank: Rank = Knn::dense([1.0]).into();
    for _ in 0..100_000 {
        rank = (rank - Knn::dense([1.0])).exp();
    }
    assert!(format!("{rank:?}{rank}").len() < 1_000);
    let error = rank.check("the search", Some(1)).unwrap_err().to_string();
    assert!(error.contains("50 nested operations"), "{error}");

    let mut rank: Rank = Knn::dense([1.0]).into();
    for _ in 0..49 {
        rank = rank.abs();
    }
    assert_eq!(rank.check("the search", Some(1)), Ok(()));
    assert!(rank.abs().check("the search", Some(1)).is_err());
}

#[test]
fn sums_products_minima_and_maxima_are_flattened_on_both_sides() {
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
fn differences_and_quotients_are_not_flattened() {
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
fn numbers_can_be_on_both_sides_and_keep_their_type() {
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
fn a_product_with_a_number_is_the_same_in_both_orders() {
    assert_eq!(short(0.5 * knn("a")), "{$mul:[a,<0.5}]}");
    assert_eq!(short(0.5 * knn("a")), short(knn("a") * 0.5));
}

// As in Chroma's client, a product under a sign is not flattened.
#[test]
fn negation_is_a_product_with_minus_one() {
    assert_eq!(short(-knn("a")), "{$mul:[<-1},a]}");
    assert_eq!(short(-(knn("a") * 2)), "{$mul:[<-1},{$mul:[a,<2}]}]}");
}
