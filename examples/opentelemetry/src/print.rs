//! [`Printer`]: prints a tree of spans for each trace.

use std::mem;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::trace::{SpanId, Status};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use crate::tree;

/// Collects the spans of a trace until its root span, which ends last.
#[derive(Debug, Default)]
pub struct Printer(Mutex<Vec<SpanData>>);

impl SpanExporter for Printer {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for span in batch {
            let trace = span.span_context.trace_id();
            let is_root = span.parent_span_id == SpanId::INVALID;
            kept.push(span);
            if is_root {
                let all = mem::take(&mut *kept).into_iter();
                let (spans, others): (Vec<_>, _) =
                    all.partition(|span| span.span_context.trace_id() == trace);
                *kept = others;
                println!("trace {trace}");
                for (depth, span) in tree::below(SpanId::INVALID, &spans) {
                    print(depth, span);
                }
                println!();
            }
        }
        Ok(())
    }
}

fn print(depth: usize, span: &SpanData) {
    let indent = "    ".repeat(depth);
    let took = span.end_time.duration_since(span.start_time);
    let took = took.unwrap_or(Duration::ZERO).as_secs_f64() * 1e3;
    let failed = match &span.status {
        Status::Error { description } => format!(", failed: {description}"),
        _ => String::new(),
    };
    println!(
        "{indent}{} ({took:.1} ms{})",
        span.name,
        failed.trim_end_matches(": ")
    );
    for attribute in &span.attributes {
        println!("{indent}  | {} = {}", attribute.key, attribute.value);
    }
}
