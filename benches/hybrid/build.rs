//! The time to build an index compared with a scan of all documents, and the size of the index.

use std::error::Error;
use std::time::Instant;

use chroma_blocking::Include;

use crate::Size;
use crate::server::Filled;
use crate::table::{Goal, Row};

pub fn all(size: &Size, filled: &Filled) -> Result<Vec<Row>, Box<dyn Error>> {
    let file = std::env::temp_dir().join(format!("hybrid-bench-{}.words", std::process::id()));
    let (mut builds, mut scans) = (Vec::new(), Vec::new());
    let (mut memory, mut postings, mut records) = (0, 0, 0);
    for round in 0..size.builds {
        let scanning = Instant::now();
        let scan = filled.notes.scan().include([Include::Documents]);
        let pages = scan.page_size(9_000).pages();
        records = pages
            .map(|page| page.map(|page| page.len()))
            .sum::<Result<usize, _>>()?;
        scans.push(scanning.elapsed().as_secs_f64());
        let _ = std::fs::remove_file(&file);
        let building = Instant::now();
        let words = filled.notes.word_index().file(&file).open()?;
        builds.push(building.elapsed().as_secs_f64());
        assert_eq!(words.len(), records);
        (memory, postings) = (words.memory(), words.postings());
        eprintln!(
            "round {round}: a scan took {:.2} s, an index {:.2} s",
            scans[round], builds[round]
        );
    }
    let bytes = std::fs::metadata(&file)?.len() as f64;
    std::fs::remove_file(&file)?;
    let per_posting = |bytes: f64| bytes / postings as f64;
    let row = |name: &str, what: String, value, unit, ratio, goal| Row {
        name: format!("{name}/{records}"),
        what,
        value,
        unit,
        ratio,
        goal,
    };
    let (build, scan) = (median(builds), median(scans));
    // Fewer records share fewer words, and the fixed cost of a build counts more.
    let goal = |goal| (records > 50_000).then_some(goal);
    Ok(vec![
        row(
            "build",
            format!("index of {records} records, by a scan of the documents"),
            build,
            "s",
            Some(build / scan),
            goal(Goal::RatioAtMost(1.3)),
        ),
        row(
            "memory",
            format!("memory for each of {postings} postings"),
            per_posting(memory as f64),
            "bytes",
            None,
            goal(Goal::AtMost(8.0)),
        ),
        row(
            "file",
            format!("file for each of {postings} postings"),
            per_posting(bytes),
            "bytes",
            None,
            goal(Goal::AtMost(5.0)),
        ),
    ])
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
