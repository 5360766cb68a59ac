//! Training as burn's users would write it, and its speed.

use std::time::Instant;

use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::prelude::*;
use burn::tensor::activation::log_sigmoid;
use rand::seq::SliceRandom;

use crate::layers::Network;
use crate::networks;

/// The training images on a device.
pub(crate) struct Images {
    pixels: Tensor<4>,
    labels: Tensor<1, Int>,
}

impl Images {
    pub(crate) fn new(pixels: &[u8], labels: &[u8], device: &Device) -> Self {
        let values: Vec<f32> = pixels.iter().map(|&p| f32::from(p) / 255.0).collect();
        let labels: Vec<i32> = labels.iter().map(|&label| label.into()).collect();
        let shape = [labels.len(), 1, 28, 28];
        Self {
            pixels: Tensor::from_data(TensorData::new(values, shape), device),
            labels: Tensor::from_ints(labels.as_slice(), device),
        }
    }

    fn count(&self) -> usize {
        self.labels.dims()[0]
    }
}

pub(crate) struct Trained {
    network: Network,
    adam: ModuleOptimizer,
    device: Device,
    draws: bool,
}

impl Trained {
    /// The network of this name; `None` if there is none.
    pub(crate) fn new(name: &str, device: &Device) -> Option<Self> {
        let device = device.clone().autodiff();
        Some(Self {
            network: networks::build(name, &device)?,
            adam: AdamConfig::new().with_epsilon(1e-7).init(),
            device,
            draws: name.contains("autoencoder"),
        })
    }

    pub(crate) fn parameters(&self) -> usize {
        self.network.num_params()
    }

    /// The network after so many steps, and the images per second.
    pub(crate) fn train(mut self, images: &Images, steps: usize, batch: usize) -> (Self, f64) {
        let start = Instant::now();
        let mut order: Vec<i32> = (0..(steps * batch).min(images.count()) as i32).collect();
        order.shuffle(&mut rand::rng());
        let mut right = 0;
        for chosen in order.chunks(batch) {
            let chosen = Tensor::<1, Int>::from_ints(chosen, &images.pixels.device());
            let pixels = images.pixels.clone().select(0, chosen.clone()).autodiff();
            let outputs = self.network.forward(pixels.clone());
            let loss = if self.draws {
                binary_cross_entropy(outputs, pixels)
            } else {
                let labels = images.labels.clone().select(0, chosen);
                let scores: Tensor<2> = outputs.flatten(1, 3);
                right += count_right(scores.clone().inner(), labels.clone());
                let loss = CrossEntropyLossConfig::new().init(&self.device);
                loss.forward(scores, labels.autodiff())
            };
            let gradients = GradientsParams::from_grads(loss.backward(), &self.network);
            self.network = self.adam.step(1e-3, self.network, gradients);
        }
        let speed = order.len() as f64 / start.elapsed().as_secs_f64();
        if !self.draws {
            eprintln!("{:.3} right", right as f64 / order.len() as f64);
        }
        (self, speed)
    }
}

/// burn's own takes targets of 0 and 1 alone; this is its formula for what goes into the sigmoid.
fn binary_cross_entropy(outputs: Tensor<4>, targets: Tensor<4>) -> Tensor<1> {
    ((targets.neg() + 1.0) * outputs.clone() - log_sigmoid(outputs)).mean()
}

fn count_right(scores: Tensor<2>, labels: Tensor<1, Int>) -> i64 {
    let chosen: Tensor<1, Int> = scores.argmax(1).flatten(0, 1);
    chosen.equal(labels).int().sum().into_scalar()
}
