//! Prints the rows as a table or as JSON.

use serde_json::json;

/// One figure, and its goal.
pub struct Row {
    /// The name in JSON.
    pub name: String,
    pub what: String,
    pub value: f64,
    pub unit: &'static str,
    /// The ratio of two figures, as `benches/README.md` defines it for each benchmark.
    pub ratio: Option<f64>,
    pub goal: Option<Goal>,
}

#[derive(Clone, Copy)]
#[allow(dead_code, reason = "each benchmark uses some of these")]
pub enum Goal {
    /// The value may be at most this.
    AtMost(f64),
    /// The ratio must be at least this.
    Ratio(f64),
    /// The ratio may be at most this.
    RatioAtMost(f64),
}

impl Row {
    fn is_met(&self) -> Option<bool> {
        Some(match self.goal? {
            Goal::AtMost(limit) => self.value <= limit,
            Goal::Ratio(limit) => self.ratio? >= limit,
            Goal::RatioAtMost(limit) => self.ratio? <= limit,
        })
    }

    fn goal(&self) -> Option<f64> {
        self.goal.map(|goal| match goal {
            Goal::AtMost(limit) | Goal::Ratio(limit) | Goal::RatioAtMost(limit) => limit,
        })
    }
}

pub fn print(rows: &[Row]) {
    println!("| what | measured | ratio | goal | met |");
    println!("|---|---|---|---|---|");
    for row in rows {
        let unit = if row.unit.is_empty() {
            String::new()
        } else {
            format!(" {}", row.unit)
        };
        let value = shown(row.value);
        let ratio = row
            .ratio
            .map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
        let goal = match row.goal {
            Some(Goal::AtMost(limit)) => format!("at most {}{unit}", shown(limit)),
            Some(Goal::Ratio(limit)) => format!("at least {limit}"),
            Some(Goal::RatioAtMost(limit)) => format!("at most {limit}"),
            None => "-".to_owned(),
        };
        let met = match row.is_met() {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "-",
        };
        println!(
            "| {} | {value}{unit} | {ratio} | {goal} | {met} |",
            row.what
        );
    }
}

fn shown(value: f64) -> String {
    if value == 0.0 || value >= 100.0 {
        format!("{value:.0}")
    } else if value < 0.001 {
        format!("{value:.1e}")
    } else {
        format!("{}", (value * 100.0).round() / 100.0)
    }
}

/// Prints a line for each row: `{"name":"cpu/8_words","value":…,"ratio":…,"goal":…,"met":…}`.
pub fn print_json(rows: &[Row]) {
    for row in rows {
        let Row {
            name, value, ratio, ..
        } = row;
        let (goal, met) = (row.goal(), row.is_met());
        let line =
            json!({ "name": name, "value": value, "ratio": ratio, "goal": goal, "met": met });
        println!("{line}");
    }
}
