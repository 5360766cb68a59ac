// The cells that start.sh runs once so that notebooks find everything they need compiled.
// A line `// %%` starts a cell, as in Jupytext, with Jupyter's tags behind it.
// %%
:dep fmnist-lib = { path = "../fmnist-lib" }
// %%
use fmnist_lib::*;
use fmnist_lib::candle_core::{DType, Device, Tensor, Var};
// %%
let weights = Var::zeros((2, 3), DType::F32, &Device::Cpu)?;
let sum = (weights.as_tensor() + 1.0)?.sum_all()?.to_scalar::<f32>()?;
println!("a tensor in a cell: {sum}");
// %% raises-exception
// A type that cannot be inferred makes evcxr run `cargo check`, which has artefacts of its own.
let untyped = None;
