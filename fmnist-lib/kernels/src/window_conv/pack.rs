//! Weights copied to where the matrix product reads them fast: panels, one group after the other.

use super::WindowConv;
use crate::dense;
use crate::gemm::Panels;

/// `[value of a window][filter]`
pub(super) fn forward(conv: &WindowConv, weights: &[f32], panels: Panels, packed: &mut [f32]) {
    if conv.groups == 1 {
        return dense::pack::as_is(weights, conv.outputs, panels, packed);
    }
    let filters = conv.of_group()[1];
    for (group, packed) in packed.chunks_exact_mut(panels.len).enumerate() {
        packed.fill(0.0);
        for (value, weights) in weights.chunks_exact(conv.outputs).enumerate() {
            for (filter, &weight) in weights[group * filters..][..filters].iter().enumerate() {
                packed[panels.at(value, filter)] = weight;
            }
        }
    }
}

/// `[filter][value of a window]`
pub(super) fn transposed(conv: &WindowConv, weights: &[f32], panels: Panels, packed: &mut [f32]) {
    if conv.groups == 1 {
        return dense::pack::transposed(weights, conv.outputs, panels, packed);
    }
    let filters = conv.of_group()[1];
    for (group, packed) in packed.chunks_exact_mut(panels.len).enumerate() {
        packed.fill(0.0);
        for (value, weights) in weights.chunks_exact(conv.outputs).enumerate() {
            for (filter, &weight) in weights[group * filters..][..filters].iter().enumerate() {
                packed[panels.at(filter, value)] = weight;
            }
        }
    }
}

/// `[pixel of a window, from the last to the first][filter][channel]`: the weights of the convolution that goes back.
pub(super) fn flipped(conv: &WindowConv, weights: &[f32], panels: Panels, packed: &mut [f32]) {
    let [channels, filters] = conv.of_group();
    let pixels = conv.windows.window[0] * conv.windows.window[1];
    for (group, packed) in packed.chunks_exact_mut(panels.len).enumerate() {
        packed.fill(0.0);
        for (value, weights) in weights.chunks_exact(conv.outputs).enumerate() {
            let (pixel, channel) = (value / channels, value % channels);
            let first = (pixels - 1 - pixel) * filters;
            for (filter, &weight) in weights[group * filters..][..filters].iter().enumerate() {
                packed[panels.at(first + filter, channel)] = weight;
            }
        }
    }
}

/// `[pixel of a window, from the last to the first][filter][channel]`, as the weights of the turned convolution, of
/// one group.
pub(super) fn turned(conv: &WindowConv, weights: &[f32]) -> Vec<f32> {
    let (channels, filters) = (conv.windows.channels, conv.outputs);
    let pixels = weights.chunks_exact(channels * filters).rev();
    pixels
        .flat_map(|pixel| {
            (0..channels * filters).map(move |at| pixel[at % channels * filters + at / channels])
        })
        .collect()
}
