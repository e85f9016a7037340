//! [`Onnx`]: sentence models in files of the format ONNX, run on this machine.

mod batches;
mod builder;
mod download;
mod folder;
mod function;
mod mini_lm;
mod model;
mod network;
mod pooling;
mod protobuf;
mod stored;
mod tokenizer;

pub use builder::OnnxBuilder;
pub use download::OnnxDownload;
pub use function::Onnx;
pub use pooling::Pooling;
pub(super) use stored::deferred;
#[cfg(all(feature = "functions", any(test, fuzzing)))]
pub(super) use tokenizer::PARSERS;
