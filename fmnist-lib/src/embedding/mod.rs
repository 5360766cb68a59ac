//! Many numbers for each image brought down to two, so that all images can be seen at once.

mod eigen;
mod pca;
mod similarities;
mod tsne;

use candle_core::{DType, Device, Tensor};

pub use pca::Pca;
pub use tsne::Tsne;

use crate::error::{Error, Result};

/// Rows at a time: all of them in `f64` may need more memory than there is.
const CHUNK: usize = 256;

/// One row of finite numbers for each image, on the CPU.
fn rows(features: &Tensor) -> Result<Tensor> {
    let shape = features.dims();
    if shape.len() < 2 || shape.contains(&0) {
        return Err(Error::Invalid(format!(
            "there must be a row of numbers for each image, as outputs gives them, not a tensor of shape {shape:?}"
        )));
    }
    let rows = features.flatten_from(1)?.to_device(&Device::Cpu)?;
    let rows = if rows.dtype() == DType::F64 {
        rows
    } else {
        rows.to_dtype(DType::F32)?
    };
    // A sum is finite only where all values are.
    if !rows
        .sum_all()?
        .to_dtype(DType::F64)?
        .to_scalar::<f64>()?
        .is_finite()
    {
        return Err(Error::Invalid(
            "there are values that are not finite, or too large: has the network diverged?".into(),
        ));
    }
    Ok(rows)
}

/// Some rows after the other, in `f64`.
fn chunks(rows: &Tensor) -> impl Iterator<Item = Result<Tensor>> {
    let count = rows.dims()[0];
    (0..count).step_by(CHUNK).map(move |first| {
        let chunk = rows.narrow(0, first, CHUNK.min(count - first))?;
        Ok(chunk.to_dtype(DType::F64)?)
    })
}
