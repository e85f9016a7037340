//! Runs the comparisons with Python, which alternate, and the measurements of one process.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use chroma_blocking::EmbeddingFunction;
use chroma_blocking::embed::Onnx;
use cpu_time::ProcessTime;
use serde_json::json;

use crate::child;
use crate::python::{Installed, Python};
use crate::table::{Goal, Row};
use crate::texts::{self, Words};
use crate::tokens;

/// The amount of work.
pub struct Size {
    /// Texts of a call. There are half as many long ones.
    pub texts: usize,
    pub rounds: usize,
    /// Queries, in tens that alternate with Python's.
    pub queries: usize,
    /// Whether tokens are compared, and the vectors of these texts. Otherwise, those of recorded texts.
    pub tokens: bool,
    /// Processes that load the model.
    pub children: usize,
}

pub fn all(size: &Size) -> Result<Vec<Row>, Box<dyn Error>> {
    let installed = Installed::find()?;
    let mut run = Run {
        size,
        words: Words::of(&installed.model)?,
        function: Onnx::mini_lm_from(&installed.model)?,
        python: Python::start(&installed, "onnx/python.py")?,
    };
    let mut rows = Vec::new();
    let texts = if size.tokens {
        let (row, texts) = tokens::compare()?;
        rows.push(row);
        texts
    } else {
        texts::recorded()?
    };
    rows.push(run.vectors(&texts)?);
    rows.extend(run.costs()?);
    rows.extend(run.queries()?);
    rows.extend(loads(size, &installed.model)?);
    Ok(rows)
}

/// Vectors, and what they cost.
struct Embedded {
    vectors: Vec<Vec<f32>>,
    /// User and system time of all threads of the process.
    cpu: Duration,
    time: Duration,
}

struct Run<'a> {
    size: &'a Size,
    words: Words,
    function: Onnx,
    python: Python,
}

impl Run<'_> {
    fn vectors(&mut self, texts: &[String]) -> Result<Row, Box<dyn Error>> {
        let count = texts.len();
        eprintln!("comparing: the vectors of {count} texts");
        let found = self.embed(texts)?;
        let expected = self.by_python(texts)?;
        Ok(Row {
            name: "vectors".to_owned(),
            what: format!("the largest difference of a float of the vectors of {count} texts"),
            value: largest_difference(&found, &expected),
            unit: "",
            ratio: None,
            goal: Some(Goal::AtMost(1e-6)),
        })
    }

    fn embed(&self, texts: &[String]) -> Result<Embedded, Box<dyn Error>> {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let cpu = ProcessTime::try_now()?;
        let started = Instant::now();
        let vectors = self.function.embed_documents(&texts);
        let time = started.elapsed();
        let cpu = cpu.try_elapsed()?;
        let vectors = vectors.map_err(|error| error.to_string())?;
        Ok(Embedded {
            vectors: vectors.rows().map(<[f32]>::to_vec).collect(),
            cpu,
            time,
        })
    }

    /// Embeds texts in one call of Python's function.
    fn by_python(&mut self, texts: &[String]) -> Result<Embedded, Box<dyn Error>> {
        #[derive(serde::Deserialize)]
        struct Found {
            vectors: Vec<Vec<f32>>,
            cpu: f64,
            wall: f64,
        }
        let found: Found = self.python.call(&json!(texts))?;
        Ok(Embedded {
            vectors: found.vectors,
            cpu: Duration::from_secs_f64(found.cpu),
            time: Duration::from_secs_f64(found.wall),
        })
    }

    fn costs(&mut self) -> Result<Vec<Row>, Box<dyn Error>> {
        let (all, half) = (self.size.texts, self.size.texts / 2);
        let kinds = [
            ("cpu/8_words", "8 words", 20.0, self.words.texts(all, 8)),
            (
                "cpu/100_words",
                "100 words",
                2.0,
                self.words.texts(all, 100),
            ),
            (
                "cpu/400_words",
                "400 words, cut at 256 tokens",
                0.95,
                self.words.texts(half, 400),
            ),
            (
                "cpu/mixed",
                "4 to 400 words, mixed",
                4.0,
                self.words.mixed(all),
            ),
        ];
        let mut rows = Vec::new();
        let mut costs = vec![Costs::default(); kinds.len()];
        for round in 1..=self.size.rounds {
            eprintln!(
                "measuring: round {round} of {}, in alternation with Python",
                self.size.rounds
            );
            for ((.., texts), costs) in kinds.iter().zip(&mut costs) {
                costs.add(&self.embed(texts)?, &self.by_python(texts)?);
            }
        }
        for ((name, what, goal, texts), costs) in kinds.iter().zip(&costs) {
            rows.push(Row {
                name: (*name).to_owned(),
                what: format!("CPU of a text of {what}, {} in a call", texts.len()),
                value: median(&costs.cpu) / texts.len() as f64,
                unit: "ms",
                ratio: Some(median(&costs.cpu_ratios)),
                goal: Some(Goal::Ratio(*goal)),
            });
        }
        Ok(rows)
    }

    fn queries(&mut self) -> Result<Vec<Row>, Box<dyn Error>> {
        eprintln!("measuring: queries");
        let mut costs = Costs::default();
        for _ in 0..self.size.queries / 10 {
            let texts: Vec<_> = (0..10).map(|_| self.words.texts(1, 8)).collect();
            let ours: Result<Vec<_>, _> = texts.iter().map(|text| self.embed(text)).collect();
            for (ours, text) in ours?.iter().zip(&texts) {
                costs.add(ours, &self.by_python(text)?);
            }
        }
        let row = |name: &str, what: &str, value, ratio, goal| Row {
            name: name.to_owned(),
            what: what.to_owned(),
            value,
            unit: "ms",
            ratio: Some(ratio),
            goal,
        };
        Ok(vec![
            row(
                "query/cpu",
                "CPU of a query of 8 words",
                median(&costs.cpu),
                median(&costs.cpu_ratios),
                Some(Goal::AtMost(4.0)),
            ),
            row(
                "query/time",
                "its time by the clock",
                median(&costs.time),
                median(&costs.time_ratios),
                None,
            ),
        ])
    }
}

/// The costs of calls, in milliseconds, and Python's divided by them.
#[derive(Clone, Default)]
struct Costs {
    cpu: Vec<f64>,
    time: Vec<f64>,
    cpu_ratios: Vec<f64>,
    time_ratios: Vec<f64>,
}

impl Costs {
    fn add(&mut self, ours: &Embedded, pythons: &Embedded) {
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        self.cpu.push(millis(ours.cpu));
        self.time.push(millis(ours.time));
        self.cpu_ratios.push(millis(pythons.cpu) / millis(ours.cpu));
        self.time_ratios
            .push(millis(pythons.time) / millis(ours.time));
    }
}

fn loads(size: &Size, model: &Path) -> Result<Vec<Row>, Box<dyn Error>> {
    eprintln!("measuring: memory, and the time to load the model");
    let (mut load, mut peaks) = (Vec::new(), Vec::new());
    for _ in 0..size.children {
        let child = child::run(model, size.texts)?;
        load.push(child.load);
        peaks.extend(child.peak);
    }
    let row = |name: &str, what: &str, value, unit, limit| Row {
        name: name.to_owned(),
        what: what.to_owned(),
        value,
        unit,
        ratio: None,
        goal: Some(Goal::AtMost(limit)),
    };
    // Other programs only make it longer.
    let fastest = load.into_iter().fold(f64::INFINITY, f64::min);
    let what = format!("time to load the model, the fastest of {}", size.children);
    let mut rows = vec![row("load", &what, fastest, "ms", 150.0)];
    if let Some(peak) = peaks.into_iter().reduce(f64::max) {
        let what = "peak memory of a process that embeds a mix";
        rows.push(row("peak", what, peak, "MB", 170.0));
    }
    Ok(rows)
}

fn largest_difference(found: &Embedded, expected: &Embedded) -> f64 {
    if found.vectors.len() != expected.vectors.len() {
        return f64::INFINITY;
    }
    let pairs = found.vectors.iter().zip(&expected.vectors);
    let differences = pairs.flat_map(|(found, expected)| {
        let floats = found.iter().zip(expected);
        floats.map(|(found, expected)| f64::from((found - expected).abs()))
    });
    differences.fold(0.0, f64::max)
}

fn median(figures: &[f64]) -> f64 {
    let mut figures = figures.to_vec();
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.len() % 2 {
        0 => f64::midpoint(figures[middle - 1], figures[middle]),
        _ => figures[middle],
    }
}
