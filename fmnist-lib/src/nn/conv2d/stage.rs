//! The convolution as a stage of a plan.

use fmnist_kernels::{self as kernels, Conv, ConvPool, WindowConv, Windows};

use super::Conv2d;
use crate::error::Result;
use crate::nn::ending::{Ending, StageDropout};
use crate::nn::sliding::placed;
use crate::nn::stage::{Backward, Forward, Place, Stage, Staged};
use crate::nn::{Activation, AnyLayer, Operation};

#[derive(Debug)]
struct ConvStage<K> {
    kernel: K,
    filters: usize,
    ending: Ending,
}

/// A first layer of one channel with its ReLU and its pool.
#[derive(Debug)]
struct ConvPoolStage {
    kernel: ConvPool,
    dropout: Option<StageDropout>,
}

/// The kernel of 3×3 windows that move by one pixel, where these are such.
pub(super) fn winograd(windows: &Windows, outputs: usize) -> Option<Conv> {
    let [[top, bottom], [left, right]] = windows.padding;
    let all_around = top == bottom && top == left && top == right && top <= 1;
    let plain = windows.window == [3, 3] && windows.strides == [1, 1] && all_around;
    plain.then_some(Conv {
        height: windows.height,
        width: windows.width,
        inputs: windows.channels,
        outputs,
        padding: top,
    })
}

impl Conv2d {
    pub(in crate::nn) fn stage(&self, place: &Place<'_>) -> Option<Staged> {
        let windows = placed(self.windows(self.kernel_size, place.inputs[0]));
        if self.groups == 1
            && let Some(staged) = self.with_pool(place, &windows)
        {
            return Some(staged);
        }
        let (filters, ending) = (self.filters, Ending::new(self.activation, place));
        Some(Staged {
            followers: ending.followers(),
            stage: match winograd(&windows, filters).filter(|_| self.groups == 1) {
                Some(kernel) => Box::new(ConvStage {
                    kernel,
                    filters,
                    ending,
                }),
                None => {
                    let kernel = WindowConv {
                        windows,
                        outputs: filters,
                        groups: self.groups,
                    };
                    Box::new(ConvStage {
                        kernel,
                        filters,
                        ending,
                    })
                }
            },
        })
    }

    fn with_pool(&self, place: &Place<'_>, windows: &Windows) -> Option<Staged> {
        let Some((_, Operation::Layer(AnyLayer::MaxPool2d(pool)))) = place.followers.first() else {
            return None;
        };
        let conv = winograd(windows, self.filters)?;
        let fits = place.reads_images && conv.inputs == 1 && conv.height.min(conv.width) >= 4;
        let plain = self.bias && conv.padding == 0 && self.activation == Activation::Relu;
        if !(fits && plain && pool.is_side_by_side(2)) {
            return None;
        }
        let kernel = ConvPool {
            height: conv.height,
            width: conv.width,
            channels: self.filters,
        };
        let (rows, columns) = kernel.pooled();
        let dropout = match place.followers.get(1) {
            Some(&(layer, Operation::Layer(AnyLayer::Dropout(dropout)))) => {
                let shape = [rows, columns, self.filters];
                Some(StageDropout::new(layer, dropout.rate, &shape))
            }
            _ => None,
        };
        Some(Staged {
            followers: 1 + usize::from(dropout.is_some()),
            stage: Box::new(ConvPoolStage { kernel, dropout }),
        })
    }
}

macro_rules! conv_stage {
    ($($kernel:ident: $name:literal),+) => {$(
        impl Stage for ConvStage<$kernel> {
            fn kernel(&self) -> &'static str {
                $name
            }

            fn forward(&self, pass: Forward<'_>) -> Result<()> {
                let activation = self.ending.begin(pass.images, pass.step, &mut pass.kept.bits);
                pass.weights.with_bias(self.filters, |weights, bias| {
                    let operands = kernels::Forward {
                        x: pass.inputs[0],
                        weights,
                        bias,
                        activation,
                    };
                    self.kernel.forward(pass.isa, operands, pass.output);
                })?;
                self.ending.end(pass.isa, pass.step, pass.output, &mut pass.kept.sums);
                Ok(())
            }

            fn backward(&self, mut pass: Backward<'_>) -> Result<()> {
                self.ending.return_gradient(pass.isa, &pass.kept.sums, pass.output, pass.gradient);
                pass.fill(|pass, dy, w, into| {
                    let activation = self.ending.again(&pass.kept.bits);
                    let operands = pass.operands(w[0], dy, activation);
                    self.kernel.backward(pass.isa, operands, into);
                })
            }
        }
    )+};
}

conv_stage!(Conv: "3×3 windows by Winograd", WindowConv: "windows as a matrix product");

impl Stage for ConvPoolStage {
    fn kernel(&self) -> &'static str {
        "convolution, ReLU and pool in one"
    }

    fn forward(&self, pass: Forward<'_>) -> Result<()> {
        let kept = pass.kept;
        let dropout = self.dropout.as_ref().zip(pass.step).map(|(dropout, step)| {
            dropout.draw(pass.images, step, &mut kept.bits);
            dropout.kept(&kept.bits)
        });
        pass.weights.read(|w| {
            let operands = kernels::ConvPoolForward {
                x: pass.inputs[0],
                weights: w[0],
                bias: w[1],
                dropout,
            };
            self.kernel
                .forward(pass.isa, operands, pass.output, &mut kept.codes);
        })
    }

    fn backward(&self, mut pass: Backward<'_>) -> Result<()> {
        pass.fill(|pass, dy, _, into| {
            let dropout = self.dropout.as_ref();
            let operands = kernels::ConvPoolBackward {
                x: pass.inputs[0],
                codes: &pass.kept.codes,
                dy,
                scale: dropout.map_or(1.0, |dropout| dropout.kept(&[]).scale),
            };
            self.kernel.backward(pass.isa, operands, into);
        })
    }
}
