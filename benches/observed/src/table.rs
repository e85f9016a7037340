//! The table, in Markdown.

/// The measurements of a variant.
pub struct Row {
    pub name: &'static str,
    /// Per query in µs, by round.
    pub cpu: Vec<f64>,
    pub instructions: Option<f64>,
}

impl Row {
    pub fn new(name: &'static str) -> Row {
        Row {
            name,
            cpu: Vec::new(),
            instructions: None,
        }
    }
}

/// The index of the row with which all rows are compared: the library without an observer.
const BASE: usize = 1;

pub fn print(rows: &[Row], queries: u64) {
    let rounds = rows[BASE].cpu.len();
    println!("{rounds} rounds of {queries} queries; medians, and quartiles of the ratios.\n");
    println!(
        "| | instructions per query | more | by the second row's | CPU per query, µs | by the second row's |\n\
         |---|---|---|---|---|---|"
    );
    for row in rows {
        let base = &rows[BASE];
        let instructions = row.instructions.zip(base.instructions);
        let [counted, more, ratio] = match instructions {
            Some((own, base)) => [
                format!("{own:.0}"),
                format!("{:+.0}", own - base),
                format!("{:.3}", own / base),
            ],
            None => ["", "", ""].map(str::to_owned),
        };
        // Ratios within a round, because other load on the machine affects both measurements.
        let ratios = row.cpu.iter().zip(&base.cpu).map(|(own, base)| own / base);
        let ratios = sorted(ratios);
        println!(
            "| {} | {counted} | {more} | {ratio} | {:.1} | {:.3} ({:.3}–{:.3}) |",
            row.name,
            quantile(&sorted(row.cpu.iter().copied()), 0.5),
            quantile(&ratios, 0.5),
            quantile(&ratios, 0.25),
            quantile(&ratios, 0.75),
        );
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// Returns a quantile of sorted values. `place` is from 0 to 1.
fn quantile(values: &[f64], place: f64) -> f64 {
    let index = place * values.len().saturating_sub(1) as f64;
    values
        .get(index.round() as usize)
        .copied()
        .unwrap_or(f64::NAN)
}
