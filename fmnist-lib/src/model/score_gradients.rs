//! What a score depends on: its gradient with respect to the images, or to what a layer gives.

use candle_core::{D, Tensor, Var};

use super::Model;
use super::place::forward_through;
use crate::error::Result;

/// For each image of a batch, one score, and how it grows.
pub(crate) struct ScoreGradients {
    /// The class whose score it is.
    pub(crate) classes: Vec<u32>,
    /// The output of the layer, or the images themselves.
    pub(crate) values: Tensor,
    /// By how much the score grows with each of the values.
    pub(crate) gradients: Tensor,
}

impl Model {
    /// Of the scores of `classes`, one for each of `images`, or else of the largest ones; with respect to the output of `layer`,
    /// or else to the images. Candle computes it, without dropout, as in evaluation. The network must classify.
    pub(crate) fn score_gradients(
        &self,
        layer: Option<&str>,
        images: &Tensor,
        classes: Option<&[u8]>,
    ) -> Result<ScoreGradients> {
        self.spec.check_input(images)?;
        let placed = self.spec.place()?;
        let watched = layer
            .map(|name| self.spec.position(&placed, name))
            .transpose()?;
        let mut values = match watched {
            Some(_) => None,
            None => Some(Var::from_tensor(images)?),
        };
        let images = values
            .as_ref()
            .map_or(images, |var| var.as_tensor())
            .clone();
        let weights: Vec<Tensor> = self.vars().map(|var| var.as_detached_tensor()).collect();
        let scores = forward_through(&placed, &images, &weights, &[], None, |at, output| {
            if watched != Some(at) {
                return Ok(output);
            }
            // Here the graph begins.
            let var = values.insert(Var::from_tensor(&output)?);
            Ok(var.as_tensor().clone())
        })?;
        let classes: Vec<u32> = match classes {
            Some(classes) => classes.iter().map(|&class| u32::from(class)).collect(),
            None => scores.argmax(D::Minus1)?.to_vec1()?,
        };
        let column = Tensor::from_slice(&classes, (classes.len(), 1), scores.device())?;
        let gradients = scores.gather(&column, D::Minus1)?.sum_all()?.backward()?;
        let values = values.expect("a layer of the network has run");
        let gradient = match gradients.get(&values) {
            Some(gradient) => gradient.clone(),
            None => values.as_tensor().zeros_like()?,
        };
        Ok(ScoreGradients {
            classes,
            values: values.as_detached_tensor(),
            gradients: gradient,
        })
    }
}
