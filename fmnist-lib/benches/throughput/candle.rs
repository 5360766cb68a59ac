//! The report's networks as one would write them in Candle alone.

use std::time::Instant;

use fmnist_lib::Dataset;
use fmnist_lib::candle_core::{DType, Device, Result, Tensor};
use fmnist_lib::candle_nn::{
    AdamW, Conv2d, Linear, Module, Optimizer, ParamsAdamW, VarBuilder, VarMap, conv2d, linear,
    loss::cross_entropy, ops::dropout,
};

use crate::BATCH;

/// A network of Candle's own layers, channels first, with its optimiser.
pub(crate) struct Stock {
    convolutions: Vec<(Conv2d, f32)>,
    hidden: Linear,
    hidden_dropout: f32,
    output: Linear,
    adam: AdamW,
}

impl Stock {
    /// The network of this name.
    pub(crate) fn new(name: &str) -> Result<Self> {
        let (rates, flat, hidden_dropout): (&[f32], _, _) = match name {
            "1_Layer" => (&[0.2], 13 * 13 * 32, 0.0),
            "2_Layer" => (&[0.2, 0.25], 11 * 11 * 64, 0.0),
            _ => (&[0.25, 0.25, 0.4], 9 * 9 * 128, 0.4),
        };
        let variables = VarMap::new();
        let builder = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
        let mut inputs = 1;
        let mut convolutions = Vec::new();
        for (index, &rate) in rates.iter().enumerate() {
            let outputs = 32 << index;
            let name = format!("conv{index}");
            let layer = conv2d(inputs, outputs, 3, Default::default(), builder.pp(name))?;
            convolutions.push((layer, rate));
            inputs = outputs;
        }
        let units = 16 << rates.len();
        let settings = ParamsAdamW {
            weight_decay: 0.0,
            ..Default::default()
        };
        Ok(Self {
            convolutions,
            hidden: linear(flat, units, builder.pp("hidden"))?,
            hidden_dropout,
            output: linear(units, 10, builder.pp("output"))?,
            adam: AdamW::new(variables.all_vars(), settings)?,
        })
    }

    /// Images per second of one epoch over `data`.
    pub(crate) fn images_per_second(&mut self, data: &Dataset) -> Result<f64> {
        let pixels: Vec<f32> = data
            .images()
            .iter()
            .map(|&p| f32::from(p) / 255.0)
            .collect();
        let images = Tensor::from_vec(pixels, (data.len(), 1, 28, 28), &Device::Cpu)?;
        let labels = Tensor::new(data.labels(), &Device::Cpu)?.to_dtype(DType::U32)?;
        let start = Instant::now();
        for first in (0..data.len()).step_by(BATCH) {
            let count = BATCH.min(data.len() - first);
            let scores = self.forward(&images.narrow(0, first, count)?)?;
            let loss = cross_entropy(&scores, &labels.narrow(0, first, count)?)?;
            self.adam.backward_step(&loss)?;
        }
        Ok(data.len() as f64 / start.elapsed().as_secs_f64())
    }

    fn forward(&self, images: &Tensor) -> Result<Tensor> {
        let mut x = images.clone();
        for (index, (layer, rate)) in self.convolutions.iter().enumerate() {
            x = layer.forward(&x)?.relu()?;
            if index == 0 {
                x = x.max_pool2d(2)?;
            }
            x = dropout(&x, *rate)?;
        }
        let mut x = self.hidden.forward(&x.flatten_from(1)?)?.relu()?;
        if self.hidden_dropout > 0.0 {
            x = dropout(&x, self.hidden_dropout)?;
        }
        self.output.forward(&x)
    }
}
