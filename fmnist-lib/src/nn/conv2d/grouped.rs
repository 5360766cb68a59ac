//! A convolution in groups as a stage of a plan.

use fmnist_kernels::{GroupedConv, Windows};

use super::Conv2d;
use crate::error::Result;
use crate::nn::ending::Ending;
use crate::nn::stage::{Backward, Forward, Stage, Staged};

#[derive(Debug)]
struct GroupedStage {
    kernel: GroupedConv,
    ending: Ending,
}

impl Conv2d {
    pub(super) fn grouped(&self, windows: Windows) -> Staged {
        Staged::alone(GroupedStage {
            kernel: GroupedConv {
                windows,
                outputs: self.filters,
                groups: self.groups,
            },
            ending: Ending::apart(self.activation),
        })
    }
}

impl Stage for GroupedStage {
    fn kernel(&self) -> &'static str {
        "windows as a matrix product for each group"
    }

    fn forward(&self, pass: Forward<'_>) -> Result<()> {
        pass.weights.read(|w| {
            let none = vec![0.0; if w.len() > 1 { 0 } else { self.kernel.outputs }];
            let bias = w.get(1).copied().unwrap_or(&none);
            self.kernel
                .forward(pass.isa, pass.inputs[0], w[0], bias, pass.output);
        })?;
        self.ending.end(pass.step, pass.output, &mut pass.kept.sums);
        Ok(())
    }

    fn backward(&self, mut pass: Backward<'_>) -> Result<()> {
        self.ending
            .return_gradient(&pass.kept.sums, pass.output, pass.gradient);
        pass.fill(|pass, dy, w, into| {
            let (x, wants_inputs) = (pass.inputs[0], pass.wants_inputs);
            self.kernel
                .backward(pass.isa, x, w[0], dy, wants_inputs, into);
        })
    }
}
