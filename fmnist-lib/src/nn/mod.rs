//! Layers: what each adds to a network, one file each.
//!
//! Activations are channels-last, (batch, height, width, channels), as in Keras. On the CPU in `f32`
//! a layer is a [`stage`] of a plan, in kernels of our own; for any other device or type it is composed
//! of Candle's operations, which are what the tests compare the stages with.

mod activation;
mod any_layer;
mod avg_pool2d;
mod batch_norm;
mod conv2d;
mod conv2d_transpose;
mod dense;
mod depthwise_conv2d;
mod dropout;
mod ending;
mod flatten;
mod init;
mod island;
mod layer_norm;
mod max_pool2d;
mod merge;
mod reshape;
mod shape;
mod sliding;
pub(crate) mod stage;
mod sums;
mod sums_stage;
mod up_sampling2d;
mod zero_padding2d;

use std::cell::RefCell;
use std::fmt::Debug;

use candle_core::{CpuStorage, DType, Device, InplaceOp1, Layout, Storage, Tensor};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

pub use activation::Activation;
pub use any_layer::AnyLayer;
pub(crate) use any_layer::Operation;
pub use avg_pool2d::{AvgPool2d, GlobalAvgPool2d};
pub use batch_norm::BatchNorm;
pub use conv2d::Conv2d;
pub use conv2d_transpose::Conv2dTranspose;
pub use dense::Dense;
pub use depthwise_conv2d::DepthwiseConv2d;
pub use dropout::Dropout;
use dropout::kept_bits;
pub use flatten::Flatten;
pub use init::Init;
pub use layer_norm::LayerNorm;
pub use max_pool2d::MaxPool2d;
pub(crate) use merge::Merge;
pub use reshape::Reshape;
pub(crate) use shape::product;
use shape::{at_least_one, check_epsilon, image_shape, without_batch};
pub use sliding::Pair;
pub(crate) use sliding::Sliding;
pub use up_sampling2d::UpSampling2d;
use zero_padding2d::zeros_around;
pub use zero_padding2d::{ZeroPadding2d, Zeros};

use crate::error::{Error, Result};
use crate::support::seed::{Purpose, key};

/// One layer of a network. Implement it, in a notebook cell if you like, to add your own.
pub trait Layer: Debug + Send + Sync {
    /// The Keras class name, for the summary: `Conv2D`, `Dense`…
    fn kind(&self) -> &str;

    /// Shape of one output for one input of shape `input`, the batch dimension left out.
    ///
    /// # Errors
    /// When the layer cannot take such an input, or a setting of its own cannot work. The message
    /// is shown behind the name of the layer.
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>>;

    /// The weights for inputs of shape `input`; none by default.
    fn weights(&self, _input: &[usize]) -> Vec<Weight> {
        Vec::new()
    }

    /// Computes the output, batch dimension first. `weights` come in the order of
    /// [`weights`](Self::weights).
    ///
    /// # Errors
    /// When the input has a shape that [`output_shape`](Self::output_shape) refuses, or Candle
    /// refuses the operation. A [`Model`](crate::Model) also refuses an output of another shape
    /// than `output_shape` has promised.
    fn forward(&self, input: &Tensor, weights: &[Tensor], pass: &Pass<'_>) -> Result<Tensor>;

    /// The name of what this layer computes, by which a [`Sweep`](crate::Sweep) finds the results of
    /// earlier runs. Change the name whenever you change the code, and let each setting have its
    /// part in it: `Some(format!("scale, version 2, factor {}", self.factor))`.
    ///
    /// A sweep cannot see whether the code of a layer has changed. Without a key, which is the
    /// default, it therefore trains a network with this layer anew each time. Layers of this crate
    /// need no key.
    fn key(&self) -> Option<String> {
        None
    }
}

/// A weight before it has a value.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a setting gives back the changed value"]
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
        product(&self.shape)
    }
}

/// The circumstances of a forward pass.
#[derive(Clone, Copy, Debug)]
pub struct Pass<'a> {
    layer: &'a str,
    step: Option<Step>,
    frozen: bool,
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
        Self {
            layer,
            step,
            frozen: false,
        }
    }

    /// Of a layer that is [frozen](crate::Model::freeze), or not.
    #[must_use = "a setting gives back the changed value"]
    pub fn frozen(self, frozen: bool) -> Self {
        Self { frozen, ..self }
    }

    /// Whether this pass trains (dropout acts) or only evaluates.
    pub fn is_training(&self) -> bool {
        self.step.is_some()
    }

    /// Whether the weights of the layer are to stay as they are: what it measures of the batches included.
    pub fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// The random numbers of this layer in this step; `None` when evaluating. Each call starts the
    /// same sequence anew.
    pub fn random(&self) -> Option<ChaCha8Rng> {
        Some(ChaCha8Rng::from_seed(self.step?.key(self.layer)))
    }
}

impl Step {
    /// As shard `shard` of the batch sees it: each draws numbers of its own, wherever it is computed.
    pub(crate) fn of_shard(self, shard: usize) -> Self {
        let key = key(self.seed, Purpose::Shard(shard));
        let (seed, _) = key.split_first_chunk().expect("a key has 32 bytes");
        Self {
            seed: u64::from_le_bytes(*seed),
            ..self
        }
    }

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

/// Refuses an output of another shape than the layer has promised, which is `shape` for one image.
pub(crate) fn check_output(
    name: &str,
    kind: &str,
    output: &Tensor,
    images: usize,
    shape: &[usize],
) -> Result<()> {
    let promised = [&[images], shape].concat();
    if output.dims() == promised {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "layer {name} ({kind}) gives {:?}, but its output_shape promises {promised:?}",
        output.dims(),
    )))
}

/// Whether this crate's own CPU operations take all of `tensors`.
pub(crate) fn on_cpu_in_f32(tensors: &[&Tensor]) -> bool {
    tensors
        .iter()
        .all(|t| matches!(t.device(), Device::Cpu) && t.dtype() == DType::F32)
}

/// The numbers of a tensor that lie one behind the other.
pub(crate) fn contiguous<'a>(
    storage: &'a CpuStorage,
    layout: &Layout,
) -> candle_core::Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => candle_core::bail!("the operation needs contiguous tensors"),
    }
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
