use std::sync::Arc;

use candle_core::Tensor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{BinaryCrossEntropy, CrossEntropy, Loss, MeanSquaredError, Targets};
use crate::data::Dataset;
use crate::error::Result;
use crate::support::stored::Missing;

/// Any of the losses of this crate, or one of your own.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub enum AnyLoss {
    /// Softmax cross-entropy of scores (logits) and labels: Keras's
    /// `SparseCategoricalCrossentropy(from_logits=True)`, PyTorch's `CrossEntropyLoss`.
    #[default]
    CrossEntropy,
    /// [`MeanSquaredError`]
    MeanSquaredError(MeanSquaredError),
    /// [`BinaryCrossEntropy`]
    BinaryCrossEntropy(BinaryCrossEntropy),
    /// One defined outside this crate. A checkpoint holds its [key](Loss::key), not its code.
    #[serde(serialize_with = "write_key", deserialize_with = "without_code")]
    Custom(Arc<dyn Loss>),
}

impl AnyLoss {
    /// Whether its code is the user's own.
    pub(crate) fn is_own(&self) -> bool {
        matches!(self, Self::Custom(_))
    }

    /// The loss behind the name: what validation is measured by.
    pub(crate) fn as_loss(&self) -> &dyn Loss {
        match self {
            Self::CrossEntropy => &CrossEntropy {
                label_smoothing: 0.0,
                class_weight: &[],
            },
            Self::MeanSquaredError(loss) => loss,
            Self::BinaryCrossEntropy(loss) => loss,
            Self::Custom(loss) => loss.as_ref(),
        }
    }
}

impl From<MeanSquaredError> for AnyLoss {
    fn from(loss: MeanSquaredError) -> Self {
        Self::MeanSquaredError(loss)
    }
}

impl From<BinaryCrossEntropy> for AnyLoss {
    fn from(loss: BinaryCrossEntropy) -> Self {
        Self::BinaryCrossEntropy(loss)
    }
}

/// One of the user's own is only equal to itself.
impl PartialEq for AnyLoss {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::CrossEntropy, Self::CrossEntropy) => true,
            (Self::MeanSquaredError(one), Self::MeanSquaredError(other)) => one == other,
            (Self::BinaryCrossEntropy(one), Self::BinaryCrossEntropy(other)) => one == other,
            (Self::Custom(one), Self::Custom(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

fn write_key<S: Serializer>(own: &Arc<dyn Loss>, to: S) -> Result<S::Ok, S::Error> {
    own.key().serialize(to)
}

fn without_code<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<dyn Loss>, D::Error> {
    Ok(Arc::new(Missing::deserialize(from)?))
}

impl Loss for Missing {
    fn of_batch(&self, _: &Tensor, _: &Targets<'_>) -> Result<Tensor> {
        Err(self.refused("a loss"))
    }

    fn check(&self, _: &[usize], _: &Dataset) -> Result<()> {
        Err(self.refused("a loss"))
    }

    fn key(&self) -> Option<String> {
        self.key.clone()
    }
}
