//! Arranges spans as trees.

use opentelemetry::trace::SpanId;
use opentelemetry_sdk::trace::SpanData;

/// Returns the descendants of a span and their depths. Each span follows its parent; siblings are in order of
/// their start.
pub fn below(parent: SpanId, spans: &[SpanData]) -> Vec<(usize, &SpanData)> {
    let mut children: Vec<_> = spans
        .iter()
        .filter(|span| span.parent_span_id == parent)
        .collect();
    children.sort_by_key(|span| span.start_time);
    let mut all = Vec::new();
    for child in children {
        all.push((0, child));
        let deeper = below(child.span_context.span_id(), spans);
        all.extend(deeper.into_iter().map(|(depth, span)| (depth + 1, span)));
    }
    all
}
