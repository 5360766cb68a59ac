//! Layers: what each adds to a network, one file each.
//!
//! Activations are channels-last, (batch, height, width, channels), as in Keras. On the CPU in `f32`
//! a layer runs this crate's own operations; for any other device or type it is composed of Candle's.

mod batch_norm;
mod conv2d;
mod dense;
mod dropout;
mod flatten;
mod init;
#[allow(
    unreachable_pub,
    dead_code,
    reason = "the kernels are written as a crate of their own"
)]
pub mod kernels;
mod max_pool2d;
mod zero_padding2d;

use std::cell::RefCell;
use std::fmt::Debug;

use candle_core::{CpuStorage, DType, Device, InplaceOp1, Layout, Storage, Tensor};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};

pub use batch_norm::BatchNorm;
pub(crate) use batch_norm::{MOVING_MEAN, MOVING_VARIANCE, follow};
pub use conv2d::Conv2d;
pub use dense::Dense;
pub use dropout::Dropout;
pub(crate) use dropout::kept_bits;
pub use flatten::Flatten;
pub use init::Init;
pub use max_pool2d::MaxPool2d;
pub use zero_padding2d::ZeroPadding2d;

use crate::seed::{Purpose, key};
use crate::{Error, Result};

/// One layer of a network. Implement it, in a notebook cell if you like, to add your own.
pub trait Layer: Debug + Send + Sync {
    /// The Keras class name, for the summary: `Conv2D`, `Dense`…
    fn kind(&self) -> &str;

    /// Shape of one output for one input of shape `input`, the batch dimension left out.
    ///
    /// # Errors
    /// When the layer cannot take such an input.
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>>;

    /// The weights for inputs of shape `input`; none by default.
    fn weights(&self, _input: &[usize]) -> Vec<Weight> {
        Vec::new()
    }

    /// Computes the output, batch dimension first. `weights` come in the order of
    /// [`weights`](Self::weights).
    ///
    /// # Errors
    /// When Candle refuses the operation.
    fn forward(&self, input: &Tensor, weights: &[Tensor], pass: &Pass<'_>) -> Result<Tensor>;
}

/// A weight before it has a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Weight {
    /// `kernel`, `bias`…
    pub name: &'static str,
    /// Its shape; convolutions (height, width, in, out), dense layers (in, out), as in Keras.
    pub shape: Vec<usize>,
    /// How it starts.
    pub init: Init,
    /// Whether the optimiser changes it; what the layer keeps for itself is not trainable.
    pub trainable: bool,
}

impl Weight {
    /// A trainable weight.
    pub fn new(name: &'static str, shape: Vec<usize>, init: Init) -> Self {
        Self {
            name,
            shape,
            init,
            trainable: true,
        }
    }

    /// Leaves it to the layer.
    pub fn not_trainable(self) -> Self {
        Self {
            trainable: false,
            ..self
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.shape.iter().product()
    }
}

/// What a layer does to its sum before passing it on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Activation {
    /// Nothing.
    #[default]
    Linear,
    /// `max(x, 0)`; its gradient at exactly 0 is 0, as in TensorFlow.
    Relu,
}

impl Activation {
    fn apply(self, x: Tensor) -> Result<Tensor> {
        match self {
            Self::Linear => Ok(x),
            // Candle's own `relu` passes the gradient on at exactly 0.
            Self::Relu => Ok((&x * x.gt(0.0)?.to_dtype(x.dtype())?)?),
        }
    }
}

/// The circumstances of a forward pass.
#[derive(Clone, Copy, Debug)]
pub struct Pass<'a> {
    layer: &'a str,
    step: Option<Step>,
}

/// Names one training step, for everything random in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The run's seed.
    pub seed: u64,
    /// Counted from 1.
    pub epoch: usize,
    /// The batch within the epoch, counted from 1.
    pub step: usize,
}

impl<'a> Pass<'a> {
    /// A pass of the layer called `layer`: training where `step` is given, evaluating otherwise.
    pub fn new(layer: &'a str, step: Option<Step>) -> Self {
        Self { layer, step }
    }

    /// Whether this pass trains (dropout acts) or only evaluates.
    pub fn is_training(&self) -> bool {
        self.step.is_some()
    }

    /// The random numbers of this layer in this step; `None` when evaluating. Each call starts the
    /// same sequence anew.
    pub fn random(&self) -> Option<ChaCha8Rng> {
        Some(ChaCha8Rng::from_seed(self.step?.key(self.layer)))
    }
}

impl Step {
    fn key(self, layer: &str) -> [u8; 32] {
        let Self { seed, epoch, step } = self;
        key(
            seed,
            Purpose::Layer {
                name: layer,
                epoch,
                step,
            },
        )
    }
}

/// Whether this crate's own CPU operations take all of `tensors`.
pub(crate) fn on_cpu_in_f32(tensors: &[&Tensor]) -> bool {
    tensors
        .iter()
        .all(|t| matches!(t.device(), Device::Cpu) && t.dtype() == DType::F32)
}

/// Hands `read` the values of CPU tensors in `f32`, last dimension fastest.
pub(crate) fn f32_slices<R>(
    tensors: &[&Tensor],
    read: impl FnOnce(&[&[f32]]) -> R,
) -> candle_core::Result<R> {
    let tensors: Vec<Tensor> = tensors
        .iter()
        .map(|tensor| tensor.contiguous())
        .collect::<candle_core::Result<_>>()?;
    let guards: Vec<_> = tensors.iter().map(Tensor::storage_and_layout).collect();
    let mut slices: Vec<&[f32]> = Vec::with_capacity(tensors.len());
    for (tensor, (storage, layout)) in tensors.iter().zip(&guards) {
        let Storage::Cpu(storage) = &**storage else {
            candle_core::bail!(
                "a CPU operation was given a tensor on {:?}",
                tensor.device().location()
            )
        };
        let values = storage.as_slice::<f32>()?;
        slices.push(&values[layout.start_offset()..][..tensor.elem_count()]);
    }
    Ok(read(&slices))
}

/// Hands `write` the values of a contiguous CPU tensor in `f32`, to change them in place.
pub(crate) fn f32_slice_mut<R>(
    tensor: &Tensor,
    write: impl FnOnce(&mut [f32]) -> R,
) -> candle_core::Result<R> {
    let op = Write(RefCell::new((Some(write), None)));
    tensor.inplace_op1(&op)?;
    let (_, result) = op.0.into_inner();
    Ok(result.expect("an in-place operation that succeeds has run"))
}

/// An operation of Candle's is the only way to a tensor's own memory.
struct Write<F, R>(RefCell<(Option<F>, Option<R>)>);

impl<F: FnOnce(&mut [f32]) -> R, R> InplaceOp1 for Write<F, R> {
    fn name(&self) -> &'static str {
        "write"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        let (CpuStorage::F32(values), Some((start, end))) = (storage, layout.contiguous_offsets())
        else {
            candle_core::bail!("only a contiguous f32 tensor can be written in place")
        };
        let (write, result) = &mut *self.0.borrow_mut();
        *result = write.take().map(|write| write(&mut values[start..end]));
        Ok(())
    }
}

/// Height, width and channels of an image-shaped input, or an error that names the layer.
fn image_shape(layer: &str, input: &[usize]) -> Result<(usize, usize, usize)> {
    match *input {
        [height, width, channels] => Ok((height, width, channels)),
        _ => Err(Error::Invalid(format!(
            "{layer} needs an input of (height, width, channels), but gets {input:?}"
        ))),
    }
}
