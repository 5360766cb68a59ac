//! Networks as [ONNX](https://onnx.ai) models.

mod attribute;
mod graph;
mod operators;
mod proto;
#[cfg(test)]
mod tests;
mod weighted;

use std::path::Path;

use prost::Message;

use crate::data::Scaling;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::plan::Source;
use crate::support::files::write_atomically;
use graph::{Graph, Value};
use proto::{ModelProto, OperatorSetIdProto, StringStringEntryProto};

/// The first operators with a `Gelu`, of November 2023: ONNX Runtime 1.17 and later compute them.
const OPSET: i64 = 20;
/// The format of files of that time.
const IR_VERSION: i64 = 9;

impl Model {
    /// Writes the network to `path` as an [ONNX](https://onnx.ai) model, all or nothing: ONNX Runtime, which is there
    /// for most languages and for browsers, and many other programs compute it.
    ///
    /// The model has one input, `input`, which is what [`forward`](Self::forward) takes: (batch, height, width,
    /// channels) in `f32`, any number of images. Each value is `(pixel - pixel_mean) / pixel_deviation` of a pixel from
    /// 0 to 255. Both numbers are in the metadata of the file; for [`Scaling::Unit`] they are 0 and 255. Its one output,
    /// `output`, is what `forward` gives when evaluating: the scores. The softmax that makes probabilities of them is
    /// not part of the model.
    ///
    /// ```
    /// # use fmnist_lib::one_layer;
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("one-layer.onnx");
    /// let model = one_layer().build(42)?;
    /// model.save_onnx(&path)?;
    /// # Ok::<(), fmnist_lib::Error>(())
    /// ```
    ///
    /// In Python, for `pixels` of shape (batch, 28, 28, 1):
    ///
    /// ```python
    /// import onnxruntime
    /// session = onnxruntime.InferenceSession("one-layer.onnx")
    /// scaling = session.get_modelmeta().custom_metadata_map
    /// input = (pixels - float(scaling["pixel_mean"])) / float(scaling["pixel_deviation"])
    /// scores, = session.run(["output"], {"input": input.astype("float32")})
    /// classes = scores.argmax(1)
    /// ```
    ///
    /// Nodes have the names of the layers and weights their own. Kernels of convolutions have ONNX's order of
    /// dimensions: (filters, channels, rows, columns), and between convolutions channels come first.
    ///
    /// # Errors
    /// When a layer is one of your own, for which ONNX has no operator, when the file would be larger than the format
    /// allows, 2 GB, and when it cannot be written; what was there before then stays.
    pub fn save_onnx(&self, path: impl AsRef<Path>) -> Result<()> {
        self.write_onnx(path.as_ref())
    }

    fn write_onnx(&self, path: &Path) -> Result<()> {
        let model = self.to_onnx()?;
        if model.encoded_len() > i32::MAX as usize {
            return Err(Error::Invalid(format!(
                "cannot write {}: model {} is larger than the 2 GB that an ONNX file can have; save_weights has no limit",
                path.display(),
                self.spec().name()
            )));
        }
        write_atomically(path, &model.encode_to_vec())
    }

    fn to_onnx(&self) -> Result<ModelProto> {
        let spec = self.spec();
        let mut graph = Graph::new();
        let input = Value::images(&spec.input);
        let mut outputs: Vec<Value> = Vec::new();
        for (layer, weights) in self.layers()? {
            let inputs = layer.inputs.iter().map(|source| match *source {
                Source::Images => input.clone(),
                Source::Layer(at) => outputs[at].clone(),
            });
            let inputs: Vec<Value> = inputs.collect();
            let output = graph.layer(&layer, &inputs, &weights);
            outputs.push(output.map_err(|problem| {
                problem.about(&format!("model {}, layer {}", spec.name(), layer.name))
            })?);
        }
        let output = outputs.last().unwrap_or(&input);
        let (mean, deviation) = match spec.input_scaling() {
            Scaling::Unit => (0.0, 255.0),
            Scaling::Raw => (0.0, 1.0),
            Scaling::Standard { mean, deviation } => (mean, deviation),
        };
        let entry = |key: &str, value: f32| StringStringEntryProto {
            key: key.to_owned(),
            value: value.to_string(),
        };
        Ok(ModelProto {
            ir_version: IR_VERSION,
            producer_name: env!("CARGO_PKG_NAME").to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            graph: Some(graph.finish(spec.name(), &input, output)),
            opset_import: vec![OperatorSetIdProto {
                domain: String::new(),
                version: OPSET,
            }],
            metadata_props: vec![
                entry("pixel_mean", mean),
                entry("pixel_deviation", deviation),
            ],
        })
    }
}
