//! The progress of a job in its input.

use std::fmt::Write;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chroma_blocking::{
    Progress, Record,
    ingest::{BadRecords, JsonLines, TextSplitter, TryIntoRecord, jsonl_records, text_records},
};

use super::support::folder::Folder;
use super::{Scratch, TempFile, records};

/// Runs a job and returns its reports.
fn reports<I>(scratch: &Scratch, input: I) -> Vec<Progress>
where
    I: IntoIterator,
    I::Item: TryIntoRecord,
{
    let mut reports = Vec::new();
    let job = scratch.0.ingest(input).bad_records(BadRecords::skip());
    let job = job.batch_size(50);
    job.on_progress(|progress| reports.push(*progress))
        .run()
        .unwrap();
    assert!(reports.is_sorted_by_key(|progress| (progress.input_items, progress.input_bytes)));
    reports
}

/// Returns lines of JSON, each with a text of several pieces.
fn lines(count: usize) -> String {
    (0..count).fold(String::new(), |mut all, n| {
        writeln!(
            all,
            r#"{{"id":"{n}","text":"one {n}. two {n}. three {n}."}}"#
        )
        .unwrap();
        all
    })
}

#[test]
fn field_23_progress_of_a_job_with_a_splitter_counts_items_and_bytes_of_the_input() {
    let scratch = Scratch::new();
    let folder = Folder::new();
    let file = folder.0.join("notes.jsonl");
    // A line that is not JSON and blank lines at the end count as well.
    fs::write(&file, lines(100) + "no JSON\n\n\n").unwrap();
    let size = fs::metadata(&file).unwrap().len();
    let input = TextSplitter::new(12).split_records(jsonl_records(&file).unwrap());
    let reports = reports(&scratch, input);
    for progress in &reports {
        assert_eq!(
            (progress.input_bytes_total, progress.total),
            (Some(size), None)
        );
        assert!(progress.input_items <= progress.done, "{progress:?}");
    }
    let (first, last) = (&reports[0], &reports[reports.len() - 1]);
    assert!(first.input_bytes < size / 2, "{first:?}");
    assert_eq!(
        (last.input_items, last.input_bytes),
        (101, size),
        "{last:?}"
    );
    assert_eq!((last.done, last.written), (301, 300));
    let line = last.to_string();
    assert_eq!(
        line,
        "ingest: 301 items done, 100 % of the input, 300 written, 1 failed"
    );
}

#[test]
fn field_23_progress_in_a_folder_has_an_end() {
    let scratch = Scratch::new();
    let folder = Folder::new();
    fs::create_dir(folder.0.join("more")).unwrap();
    for n in 0..40 {
        let name = if n % 2 == 0 {
            format!("{n}.md")
        } else {
            format!("more/{n}.txt")
        };
        fs::write(folder.0.join(name), lines(n)).unwrap();
    }
    fs::write(folder.0.join("picture.png"), lines(500)).unwrap();
    fs::write(folder.0.join("latin.txt"), b"caf\xe9").unwrap();
    let size: usize = (0..40).map(|n| lines(n).len()).sum::<usize>() + 4;
    let files = text_records(&folder.0).unwrap();
    let pieces = TextSplitter::new(80).split_records(files);
    let reports = reports(&scratch, pieces.filter(|_| true));
    let last = reports[reports.len() - 1];
    assert!(reports.len() > 5, "{reports:?}");
    for progress in reports {
        assert_eq!(progress.input_bytes_total, Some(size as u64));
    }
    assert_eq!((last.input_items, last.input_bytes), (41, size as u64));
}

#[test]
fn field_23_progress_knows_the_total_of_a_vec_and_nothing_of_other_iterators() {
    let scratch = Scratch::new();
    let of_vec = reports(&scratch, records(120));
    let last = of_vec[of_vec.len() - 1];
    assert!(of_vec.iter().all(|progress| progress.total == Some(120)));
    assert_eq!(
        (last.done, last.input_items, last.input_bytes),
        (120, 120, 0)
    );
    assert!(
        last.to_string()
            .starts_with("ingest: 120 of 120 items done, 120 written")
    );
    let filtered = reports(&scratch, records(120).into_iter().filter(|_| true));
    assert_eq!(
        (filtered[0].total, filtered[0].input_bytes_total),
        (None, None)
    );
    // The size is unknown if the source is not a file.
    let lines = lines(10);
    let of_bytes = reports(&scratch, JsonLines::from_reader(lines.as_bytes()));
    let last = of_bytes[of_bytes.len() - 1];
    assert_eq!((last.input_items, last.input_bytes_total), (10, None));
    assert_eq!(last.input_bytes, lines.len() as u64);
}

#[test]
fn field_23_progress_of_a_resumed_job_goes_on_and_a_reader_within_the_callback_does_not_count() {
    let scratch = Scratch::new();
    let (folder, checkpoint) = (Folder::new(), TempFile::new());
    let file = folder.0.join("notes.jsonl");
    fs::write(&file, lines(600)).unwrap();
    let size = fs::metadata(&file).unwrap().len();
    let run = |until: u64| {
        let flag = Arc::new(AtomicBool::new(false));
        let pieces = TextSplitter::new(12).split_records(jsonl_records(&file).unwrap());
        let job = scratch.0.ingest(pieces).checkpoint(&checkpoint.0);
        let job = job.batch_size(20).concurrency(1).cancel(flag.clone());
        let mut last = None;
        let job = job.on_progress(|progress| {
            let other = jsonl_records(&file).unwrap();
            assert_eq!(
                other.map(Result::unwrap).collect::<Vec<Record>>().len(),
                600
            );
            flag.store(progress.done >= until, Ordering::SeqCst);
            last.get_or_insert((*progress, *progress)).1 = *progress;
        });
        job.run().unwrap();
        last.unwrap()
    };
    let (_, stopped) = run(100);
    assert!(stopped.input_bytes < size, "{stopped:?}");
    let (first, last) = run(u64::MAX);
    assert!(first.input_items > stopped.input_items, "{first:?}");
    assert!(first.input_bytes > stopped.input_bytes && first.input_bytes < size);
    assert_eq!((last.input_items, last.input_bytes), (600, size));
    assert_eq!(last.input_bytes_total, Some(size));
}

#[cfg(feature = "csv")]
#[test]
fn field_23_progress_in_a_csv_file_ends_at_its_size() {
    let scratch = Scratch::new();
    let folder = Folder::new();
    let file = folder.0.join("notes.csv");
    let rows = (0..200).fold("id,text\r\n".to_owned(), |all, n| {
        all + &format!("{n},text {n}\r\n")
    });
    fs::write(&file, format!("\u{feff}{rows}\r\n")).unwrap();
    let size = fs::metadata(&file).unwrap().len();
    let reports = reports(
        &scratch,
        chroma_blocking::ingest::csv_records(&file).unwrap(),
    );
    let (first, last) = (reports[0], reports[reports.len() - 1]);
    assert!(first.input_bytes < size, "{first:?}");
    assert_eq!((last.input_items, last.input_bytes), (200, size));
    assert_eq!(last.input_bytes_total, Some(size));
}
