//! Installs the observers of a variant.

use std::cell::RefCell;
use std::error::Error;
use std::fmt::Write;

use log::kv::{self, Key, Value, VisitSource};

/// Observers that must be flushed at the end.
#[derive(Default)]
pub struct Observers {
    #[cfg(feature = "opentelemetry")]
    provider: Option<opentelemetry_sdk::trace::SdkTracerProvider>,
}

pub fn install(variant: &str) -> Result<Observers, Box<dyn Error>> {
    match variant {
        "nobody" => Ok(Observers::default()),
        "log" => {
            log::set_logger(&Sink)?;
            log::set_max_level(log::LevelFilter::Debug);
            Ok(Observers::default())
        }
        #[cfg(feature = "metrics")]
        "prometheus" => {
            use metrics_exporter_prometheus::PrometheusBuilder;

            // With buckets and without threads, as a program with a custom HTTP server does.
            let buckets = [
                0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0,
            ];
            PrometheusBuilder::new()
                .set_buckets(&buckets)?
                .install_recorder()?;
            Ok(Observers::default())
        }
        #[cfg(feature = "opentelemetry")]
        "sampled" | "unsampled" => Ok(spans::install(variant == "sampled")),
        other => Err(format!("no variant {other} with these features").into()),
    }
}

impl Observers {
    pub fn finish(&self) {
        #[cfg(feature = "opentelemetry")]
        if let Some(provider) = &self.provider {
            provider.force_flush().expect("the exporter takes them all");
        }
    }
}

/// A logger that formats the lines of the library, with their key-values, and drops them.
struct Sink;

impl log::Log for Sink {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target().starts_with("chroma_blocking")
    }

    fn log(&self, record: &log::Record<'_>) {
        struct Pairs<'a>(&'a mut String);

        impl<'kvs> VisitSource<'kvs> for Pairs<'_> {
            fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
                write!(self.0, " {key}={value}").map_err(kv::Error::from)
            }
        }

        thread_local! {
            static LINE: RefCell<String> = const { RefCell::new(String::new()) };
        }

        if !self.enabled(record.metadata()) {
            return;
        }
        LINE.with_borrow_mut(|line| {
            line.clear();
            let (level, target, message) = (record.level(), record.target(), record.args());
            let _ = write!(line, "{level} {target} {message}");
            let _ = record.key_values().visit(&mut Pairs(line));
            std::hint::black_box(line.as_str());
        });
    }

    fn flush(&self) {}
}

#[cfg(feature = "opentelemetry")]
mod spans {
    use opentelemetry::global;
    use opentelemetry_sdk::error::OTelSdkResult;
    use opentelemetry_sdk::propagation::TraceContextPropagator;
    use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanData, SpanExporter};

    use super::Observers;

    /// Installs the SDK as programs do: batches of spans go to an exporter on a thread. This exporter drops
    /// them.
    pub fn install(sampled: bool) -> Observers {
        let sampler = if sampled {
            Sampler::AlwaysOn
        } else {
            Sampler::AlwaysOff
        };
        let provider = SdkTracerProvider::builder()
            .with_sampler(sampler)
            .with_batch_exporter(Dropping)
            .build();
        global::set_tracer_provider(provider.clone());
        global::set_text_map_propagator(TraceContextPropagator::new());
        Observers {
            provider: Some(provider),
        }
    }

    #[derive(Debug)]
    struct Dropping;

    impl SpanExporter for Dropping {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            drop(batch);
            Ok(())
        }
    }
}
