//! What a training step costs, stage by stage.

use std::fmt;
use std::time::Duration;

use candle_core::Tensor;

use super::Model;
use super::summary::thousands;
use crate::data::Dataset;
use crate::data::batch;
use crate::error::{Error, Result};
use crate::nn::{Step, f32_slices};
use crate::support::interrupt::Interruptible;
use crate::support::table::{Table, counted};

/// The passes of a training step, taken apart: what [`Model::profile`] found.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Name of the network.
    pub model: String,
    /// Images in the batch.
    pub images: usize,
    /// Instruction set of the kernels: `AVX-512`, `AVX2` or `portable`.
    pub instructions: &'static str,
    /// Threads that share the work.
    pub threads: usize,
    /// One row for each stage, in the order in which they run.
    pub rows: Vec<ProfileRow>,
}

/// Layers that one kernel computes together.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileRow {
    /// Their names.
    pub layers: Vec<String>,
    /// How they are computed.
    pub kernel: &'static str,
    /// Of the forward pass, for the batch.
    pub multiplications: usize,
    /// Bytes of the output, for the batch.
    pub bytes: usize,
    /// Time of the forward pass.
    pub forward: Duration,
    /// Time of the backward pass: zero where nothing in this stage or before it learns.
    pub backward: Duration,
}

impl ProfileRow {
    fn time(&self) -> Duration {
        self.forward + self.backward
    }

    /// Of the forward pass, by the direct algorithm: two operations for each multiplication.
    fn gigaflops(&self) -> f64 {
        2e-9 * self.multiplications as f64 / self.forward.as_secs_f64().max(1e-9)
    }
}

/// Steps that are measured, behind one that is not.
const ROUNDS: usize = 5;

impl Model {
    /// Measures the forward and the backward pass of a training step, stage by stage: the median of five. All of `images`
    /// are one batch: take as many as your batch size. The model stays as it is.
    ///
    /// ```no_run
    /// # use fmnist_lib::*;
    /// # let (data, model) = (FashionMnist::load()?, one_layer().build(1)?);
    /// println!("{}", model.profile(&data.train.take(512))?);
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] when there are no images, or the network does not take them; when it is on another device
    /// than the CPU, where Candle computes it. [`Error::Interrupted`] on Ctrl-C or a notebook's Stop.
    pub fn profile(&self, images: &Dataset) -> Result<Profile> {
        self.check_images(images)?;
        if images.is_empty() {
            return Err(Error::Invalid(
                "a profile needs images: there are none here".into(),
            ));
        }
        let Some(plan) = &self.plan else {
            return Err(Error::Invalid(format!(
                "model {} has no kernels to profile: it computes nothing, or it is not on the CPU",
                self.spec.name()
            )));
        };
        let indices: Vec<usize> = (0..images.len()).collect();
        let (input, _) = batch(images, &indices, self.spec.input_scaling(), &self.device)?;
        let weights: Vec<&Tensor> = self.vars().map(|var| var.as_tensor()).collect();
        let summary = self.summary()?;
        let stop = Interruptible::begin();
        let mut rounds = Vec::with_capacity(ROUNDS);
        for round in 0..=ROUNDS {
            let step = Step {
                seed: 0,
                epoch: 1,
                step: round + 1,
            };
            let mut pass = plan.begin();
            f32_slices(&[&input], |slices| -> Result<()> {
                let scores = pass.forward(slices[0], images.len(), &weights, Some(step))?;
                pass.backward(slices[0], &weights, &scores)?;
                Ok(())
            })??;
            if stop.requested() {
                return Err(Error::Interrupted);
            }
            if round > 0 {
                rounds.push(pass.times().to_vec());
            }
        }
        let median = |stage: usize, way: usize| {
            let mut times: Vec<Duration> = rounds.iter().map(|round| round[stage][way]).collect();
            times.sort_unstable();
            times[ROUNDS / 2]
        };
        let rows = plan.stages().enumerate().map(|(stage, (layers, kernel))| {
            let layers = &summary.rows[layers];
            let of_image: usize = layers.iter().map(|row| row.multiplications).sum();
            let output = layers
                .last()
                .map_or(0, |row| row.output_shape.iter().product());
            ProfileRow {
                layers: layers.iter().map(|row| row.name.clone()).collect(),
                kernel,
                multiplications: of_image * images.len(),
                bytes: output * images.len() * size_of::<f32>(),
                forward: median(stage, 0),
                backward: median(stage, 1),
            }
        });
        Ok(Profile {
            model: self.spec.name().to_owned(),
            images: images.len(),
            instructions: plan.isa().name(),
            threads: rayon::current_num_threads(),
            rows: rows.collect(),
        })
    }
}

impl Profile {
    /// Of both passes of all stages.
    pub fn time(&self) -> Duration {
        self.rows.iter().map(ProfileRow::time).sum()
    }

    pub(crate) fn title(&self) -> String {
        let seconds = self.time().as_secs_f64();
        format!(
            "{}: both passes of {} take {:.1} ms ({} images/s; {}, {})",
            self.model,
            counted(self.images, "image"),
            1e3 * seconds,
            thousands((self.images as f64 / seconds) as usize),
            self.instructions,
            counted(self.threads, "thread"),
        )
    }

    pub(crate) fn table(&self) -> Table {
        let all = self.time().as_secs_f64();
        let milliseconds = |time: Duration| format!("{:.2}", 1e3 * time.as_secs_f64());
        let rows = self.rows.iter().map(|row| {
            [
                row.layers.join(" + "),
                row.kernel.to_owned(),
                format!("{:.1}", row.multiplications as f64 / 1e6),
                format!("{:.1}", row.bytes as f64 / f64::from(1 << 20)),
                milliseconds(row.forward),
                milliseconds(row.backward),
                format!("{:.0}", row.gigaflops()),
                format!("{:.0}", 100.0 * row.time().as_secs_f64() / all),
            ]
        });
        let header = [
            "Layers",
            "Kernel",
            "Million multiplications",
            "Output (MiB)",
            "Forward (ms)",
            "Backward (ms)",
            "Forward (GFLOP/s)",
            "Time (%)",
        ];
        Table::new(header, rows.collect())
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.title(), self.table())
    }
}
