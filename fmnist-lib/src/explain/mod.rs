//! Which places of a picture decide what a network says of it.
//!
//! Both maps follow the score of one class back through the network: to the pixels ([`saliency`]), or to the output of
//! an inner layer ([`grad_cam`]).

use candle_core::{D, Device, Tensor};

use crate::data::{Dataset, batch};
use crate::error::{Error, Result};
use crate::loss::AnyLoss;
use crate::model::{Model, ScoreGradients};
use crate::support::interrupt::Interruptible;
use crate::support::table::counted;

/// Images at a time: Candle keeps what each layer gives until the backward pass.
const BATCH: usize = 32;

/// For each image, how much each place matters for the score of one class: what [`saliency`] and [`grad_cam`] find.
/// [`plot::heat_maps`](crate::plot::heat_maps) lays them over the pictures.
#[derive(Clone, Debug)]
pub struct HeatMaps {
    /// From 0: (images, rows, columns), on the CPU.
    pub values: Tensor,
    /// For each image, the class whose score is explained.
    pub classes: Vec<u8>,
}

/// How strongly each pixel moves a score: the size of the score's gradient at the pixel, in a picture in colour that of its
/// channel with the largest (Simonyan et al., 2014, "Deep inside convolutional networks"). Each map is as large as the
/// images, in units of the score per unit of the network's input. Where neighbours are equal but for rounding, as in an even
/// background, it is rounding that decides which of them a pool takes: there, other programs find other pixels.
///
/// The score (logit) is that of the class which the network finds for each image, or of the one in `classes`, where there
/// are some, one for each image: `images.labels()` asks for the true ones.
///
/// ```no_run
/// # use fmnist_lib::*;
/// # let (data, model) = (FashionMnist::load()?, one_layer().build(1)?);
/// let images = data.test.take(8);
/// let maps = saliency(&model, &images, None)?;
/// plot::heat_maps(&images, &maps)?.save("saliency.png")?;
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// When there are no images, the network does not take them or give a score for each of their classes, or `classes` are not
/// theirs; [`Error::Interrupted`].
pub fn saliency(model: &Model, images: &Dataset, classes: Option<&[u8]>) -> Result<HeatMaps> {
    heat_maps(model, None, images, classes, |found| {
        Ok(found.gradients.abs()?.max(D::Minus1)?)
    })
}

/// Where the network finds what speaks for a class (Selvaraju et al., 2017, "Grad-CAM"): the channels that `layer` gives,
/// each weighted with the mean of the score's gradient in it, are added up, and sums below 0 become 0. Each map is as large
/// as the maps of that layer: of a convolution near the end, a few rows and columns.
///
/// `classes` as for [`saliency`].
///
/// ```no_run
/// # use fmnist_lib::*;
/// # let (data, model) = (FashionMnist::load()?, two_layer().build(1)?);
/// let images = data.test.take(8);
/// let maps = grad_cam(&model, "Conv2D-2", &images, Some(images.labels()))?;
/// plot::heat_maps(&images, &maps)?.save("grad-cam.png")?;
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// As for [`saliency`], and when the network has no layer of this name, or the layer gives no maps.
pub fn grad_cam(
    model: &Model,
    layer: &str,
    images: &Dataset,
    classes: Option<&[u8]>,
) -> Result<HeatMaps> {
    model.map_shape(layer)?;
    heat_maps(model, Some(layer), images, classes, |found| {
        let weights = found.gradients.mean_keepdim((1, 2))?;
        let sums = found.values.broadcast_mul(&weights)?.sum(D::Minus1)?;
        Ok(sums.relu()?)
    })
}

fn heat_maps(
    model: &Model,
    layer: Option<&str>,
    images: &Dataset,
    classes: Option<&[u8]>,
    maps: impl Fn(&ScoreGradients) -> Result<Tensor>,
) -> Result<HeatMaps> {
    if images.is_empty() {
        return Err(Error::Invalid("there are no images to explain".into()));
    }
    model.check_data(images, AnyLoss::CrossEntropy.as_loss())?;
    check_classes(images, classes)?;
    let stop = Interruptible::begin();
    let (mut values, mut explained) = (Vec::new(), Vec::with_capacity(images.len()));
    let indices: Vec<usize> = (0..images.len()).collect();
    for indices in indices.chunks(BATCH) {
        if stop.requested() {
            return Err(Error::Interrupted);
        }
        let scaling = model.spec().input_scaling();
        let (input, _) = batch(images, indices, scaling, model.device())?;
        let classes = classes.map(|classes| &classes[indices[0]..][..indices.len()]);
        let found = model.score_gradients(layer, &input, classes)?;
        values.push(maps(&found)?.to_device(&Device::Cpu)?);
        explained.extend(found.classes.iter().map(|&class| class as u8));
    }
    Ok(HeatMaps {
        values: Tensor::cat(&values, 0)?,
        classes: explained,
    })
}

fn check_classes(images: &Dataset, classes: Option<&[u8]>) -> Result<()> {
    let Some(classes) = classes else {
        return Ok(());
    };
    if classes.len() != images.len() {
        return Err(Error::Invalid(format!(
            "there must be one class for each of {}, not {}",
            counted(images.len(), "image"),
            classes.len()
        )));
    }
    let known = images.classes();
    match classes.iter().find(|&&class| usize::from(class) >= known) {
        Some(class) => Err(Error::Invalid(format!(
            "class {class} is not one of 0 to {}",
            known - 1
        ))),
        None => Ok(()),
    }
}
