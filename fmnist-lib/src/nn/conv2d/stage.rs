//! The convolution as a stage of a plan.

use fmnist_kernels::{self as kernels, Conv, ConvPool, WindowConv, Windows};

use super::Conv2d;
use crate::error::Result;
use crate::nn::ending::StageDropout;
use crate::nn::sliding::placed;
use crate::nn::stage::{Backward, Forward, Place, Stage, Staged};
use crate::nn::sums_stage::SumsStage;
use crate::nn::{Activation, AnyLayer, Operation};

/// A first layer of one channel with its ReLU and its pool.
#[derive(Debug)]
struct ConvPoolStage {
    kernel: ConvPool,
    dropout: Option<StageDropout>,
}

/// Whether Winograd's products are worth the transforms around them: these take about as long for few
/// channels as for sixteen, and longer for larger tiles.
fn is_worth_it(conv: &Conv) -> bool {
    let (rows, columns) = conv.output_size();
    let direct = conv.window * conv.window * rows * columns;
    let wide = if conv.window == 3 { 12 } else { 16 };
    conv.inputs.min(conv.outputs) >= wide && 2 * conv.multiplications() <= direct
}

/// The kernel of 3×3 or 5×5 windows that move by one pixel, where these are such.
pub(super) fn winograd(windows: &Windows, outputs: usize) -> Option<Conv> {
    let [[top, bottom], [left, right]] = windows.padding;
    let [window, columns] = windows.window;
    let all_around = top == bottom && top == left && top == right && top <= window / 2;
    let square = window == columns && [3, 5].contains(&window);
    (square && windows.strides == [1, 1] && all_around).then_some(Conv {
        window,
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
        let by_winograd =
            winograd(&windows, self.filters).filter(|conv| self.groups == 1 && is_worth_it(conv));
        Some(match by_winograd {
            Some(kernel) => SumsStage::staged(kernel, self.activation, place),
            None => {
                let kernel = WindowConv {
                    windows,
                    outputs: self.filters,
                    groups: self.groups,
                };
                SumsStage::staged(kernel, self.activation, place)
            }
        })
    }

    fn with_pool(&self, place: &Place<'_>, windows: &Windows) -> Option<Staged> {
        let Some((_, Operation::Layer(AnyLayer::MaxPool2d(pool)))) = place.followers.first() else {
            return None;
        };
        let conv = winograd(windows, self.filters)?;
        let fits = conv.window == 3
            && place.reads_images
            && conv.inputs == 1
            && conv.height.min(conv.width) >= 4;
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
        let shape = [rows, columns, self.filters];
        let dropout = StageDropout::behind(&place.followers[1..], &shape);
        Some(Staged {
            followers: 1 + usize::from(dropout.is_some()),
            stage: Box::new(ConvPoolStage { kernel, dropout }),
        })
    }
}

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

    fn reads_output(&self) -> bool {
        false
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
