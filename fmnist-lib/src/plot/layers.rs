//! What a layer makes of one picture, channel by channel, and the kernels of a convolution.

use super::Figure;
use super::canvas::clean;
use super::maps::Maps;
use super::shades::Shades;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::evaluate::outputs;
use crate::model::Model;
use crate::support::table::counted;

/// The maps that `layer` makes of image `index` of `images`, one for each channel and all on one scale. Black is 0, as behind a
/// ReLU; where some values are negative, white is 0, and these are blue. Of more than 1,024 channels, the first are shown.
///
/// ```no_run
/// # use fmnist_lib::*;
/// # let (data, model) = (FashionMnist::load()?, one_layer().build(1)?);
/// plot::feature_maps(&model, "Conv2D-1", &data.test, 0)?.save("maps.png")?;
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// When the network has no layer of this name, or the layer gives no maps, as a dense one; when there is no image `index`, or
/// the network does not take it.
pub fn feature_maps(model: &Model, layer: &str, images: &Dataset, index: usize) -> Result<Figure> {
    let shape = model.map_shape(layer)?;
    let image = images.select(&[index])?;
    let values = outputs(&model.up_to(layer)?, &image)?.permute((0, 3, 1, 2))?;
    let values: Vec<f32> = values.flatten_all()?.to_vec1()?;
    let [rows, columns, channels] = shape;
    let silent = values
        .chunks(rows * columns)
        .filter(|map| map.iter().all(|&value| value == 0.0));
    let silent = match silent.count() {
        0 => String::new(),
        silent => format!(", {silent} of them 0 everywhere"),
    };
    let shades = Shades::of(&values);
    let class = &image.class_names()[usize::from(image.labels()[0])];
    let title = format!(
        "{}: {} of {rows}×{columns}",
        clean(layer),
        counted(channels, "channel")
    );
    let maps = Maps {
        text: format!("{title} for {class}{silent}"),
        title,
        maps: shades.pixels(&values),
        shades: Some(shades),
        size: [rows, columns],
        image: Some(image),
    };
    Ok(maps.figure())
}

/// The kernels of the convolution `layer`, one for each filter. Where it reads grey images, white is 0, vermillion positive and
/// blue negative. Where it reads images in colour, each kernel is a picture in colour, and grey is 0.
///
/// # Errors
/// When the network has no layer of this name, or it is no convolution, or one that reads other than 1 or 3 channels: what
/// such a kernel looks for is no picture.
pub fn kernels(model: &Model, layer: &str) -> Result<Figure> {
    model.map_shape(layer)?;
    let name = format!("{layer}.kernel");
    let weights = model.weights();
    let kernel = weights
        .iter()
        .find(|(own, _)| *own == name)
        .map(|(_, kernel)| kernel);
    let dims = kernel.map(|kernel| kernel.dims()).unwrap_or_default();
    let (Some(kernel), &[rows, columns, channels @ (1 | 3), filters]) = (kernel, dims) else {
        return Err(Error::Invalid(format!(
            "layer {layer} of model {} has no kernels that can be seen: a convolution that reads 1 or 3 channels has \
             some, as the first one of a network",
            model.spec().name()
        )));
    };
    let values: Vec<f32> = kernel.permute((3, 0, 1, 2))?.flatten_all()?.to_vec1()?;
    let largest = values
        .iter()
        .fold(0.0_f32, |most, value| most.max(value.abs()));
    let shades = Shades::Signed {
        largest: f64::from(largest),
    };
    let grey =
        |&value: &f32| (127.5 + 127.5 * value / largest.max(f32::MIN_POSITIVE)).round() as u8;
    let title = format!(
        "{}: {} of {rows}×{columns}",
        clean(layer),
        counted(filters, "kernel")
    );
    let maps = Maps {
        text: title.clone(),
        title,
        size: [rows, columns],
        maps: match channels {
            1 => shades.pixels(&values),
            _ => values.iter().map(grey).collect(),
        },
        shades: (channels == 1).then_some(shades),
        image: None,
    };
    Ok(maps.figure())
}
