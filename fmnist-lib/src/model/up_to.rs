//! The beginning of a network: what one of its layers gives.

use candle_core::Var;

use super::{Model, ModelSpec, NamedWeight};
use crate::error::{Error, Result};

impl Model {
    /// The network up to `layer`, whose output becomes the network's: Keras's
    /// `keras.Model(model.input, model.get_layer(layer).output)`. [`outputs`](crate::outputs) then tells what that layer
    /// makes of each image of a dataset, and [`forward`](Self::forward) of a batch. The name of branches stands for their end.
    ///
    /// It is a model of its own, with a copy of the weights: neither notices when the other learns. What is frozen here is
    /// frozen there. Its history is empty.
    ///
    /// ```
    /// use fmnist_lib::*;
    ///
    /// let model = two_layer().build(42)?; // or Model::load
    /// let images = Dataset::new(vec![0; 3 * PIXELS], vec![0, 1, 2])?;
    /// let features = outputs(&model.up_to("Dense")?, &images)?;
    /// assert_eq!(features.dims(), [3, 64]);
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// When the network has no layer of this name, or the device is out of memory.
    #[doc(alias = "layer_output")]
    #[doc(alias = "get_layer")]
    pub fn up_to(&self, layer: &str) -> Result<Self> {
        self.spec
            .up_to(layer)?
            .with_weights(&self.device, |name, weight| {
                let own = self.weights.iter().find(|own| own.name == name);
                let own =
                    own.expect("a part of the network has no weights but those of the network");
                Ok(NamedWeight {
                    name,
                    var: Var::from_tensor(&own.var.copy()?)?,
                    trainable: weight.trainable,
                    frozen: own.frozen,
                })
            })
    }

    /// Rows, columns and channels of what `layer` gives. Refuses a layer that gives no maps.
    pub(crate) fn map_shape(&self, layer: &str) -> Result<[usize; 3]> {
        let placed = self.spec.place()?;
        let found = &placed[self.spec.position(&placed, layer)?];
        if let [rows, columns, channels] = found.output_shape[..] {
            return Ok([rows, columns, channels]);
        }
        let with_maps = placed.iter().filter(|layer| layer.output_shape.len() == 3);
        let names: Vec<&str> = with_maps.map(|layer| layer.name.as_str()).collect();
        Err(Error::Invalid(format!(
            "layer {layer} of model {} gives {:?} for each image, and no maps (rows, columns, channels); layers that do: {}",
            self.spec.name(),
            found.output_shape,
            match names[..] {
                [] => "none".to_owned(),
                _ => names.join(", "),
            }
        )))
    }
}

impl ModelSpec {
    fn up_to(&self, layer: &str) -> Result<Self> {
        let placed = self.place()?;
        let last = self.position(&placed, layer)?;
        let mut spec = self
            .clone()
            .named(&format!("{} up to {layer}", self.name()));
        spec.layers = self.layers.up_to(&placed[last].name).unwrap_or_default();
        Ok(spec)
    }
}
