//! A network with all shapes known: its layers in the order in which they run.

use candle_core::Tensor;

use super::ModelSpec;
use super::block::{Block, Branches, NamedLayer, Part};
use crate::error::{Error, Result};
use crate::nn::{Operation, Pass, Step, Weight, check_output, product};
use crate::plan::{Planned, Source};

/// A layer, or a meeting of branches, with all sizes known.
pub(crate) struct Placed<'a> {
    /// With the names of the branches it is in: the only one of its network.
    pub(crate) name: String,
    pub(crate) operation: Operation<'a>,
    pub(crate) inputs: Vec<Source>,
    /// How often a kernel is used in one image.
    pub(crate) places: usize,
    /// Of one image.
    pub(crate) output_shape: Vec<usize>,
    pub(crate) weights: Vec<Weight>,
}

impl ModelSpec {
    /// Follows the shape of one image through all layers.
    pub(crate) fn place(&self) -> Result<Vec<Placed<'_>>> {
        let refused = |problem: &dyn std::fmt::Display| {
            Error::Invalid(format!("model {}: {problem}", self.name()))
        };
        (self.input_scaling().check()).map_err(|problem| refused(&problem))?;
        if self.layers.parts.is_empty() {
            return Err(refused(
                &"there are no layers; a network ends in 10 scores, as layer(\"out\", \
                  Dense::new(10)) gives",
            ));
        }
        check_size("its input", &self.input).map_err(|problem| refused(&problem))?;
        let mut walk = Walk {
            model: self.name(),
            images: &self.input,
            placed: Vec::new(),
            parameters: 0,
        };
        walk.block(&self.layers, "", Source::Images)?;
        Ok(walk.placed)
    }

    /// Which of its layers, `placed`, has this name.
    pub(super) fn position(&self, placed: &[Placed<'_>], name: &str) -> Result<usize> {
        let at = placed.iter().position(|layer| layer.name == name);
        at.ok_or_else(|| {
            let names: Vec<&str> = placed.iter().map(|layer| layer.name.as_str()).collect();
            Error::Invalid(format!(
                "model {} has no layer {name:?}; its layers are {}",
                self.name(),
                names.join(", ")
            ))
        })
    }
}

/// A slip in a size, or a foreign file, is not to take all of the machine's memory.
const MOST_PARAMETERS: usize = 1 << 28;
pub(crate) const MOST_LAYERS: usize = 1000;

struct Walk<'a> {
    model: &'a str,
    images: &'a [usize],
    placed: Vec<Placed<'a>>,
    /// Of those that are placed.
    parameters: usize,
}

impl<'a> Walk<'a> {
    /// Places the layers of a block that reads `from`; returns what its output is.
    fn block(&mut self, block: &'a Block, prefix: &str, from: Source) -> Result<Source> {
        let mut from = from;
        for part in &block.parts {
            from = match part {
                Part::Layer(NamedLayer { name, layer }) => self.place(
                    format!("{prefix}{name}"),
                    Operation::Layer(layer),
                    vec![from],
                )?,
                Part::Branches(Branches {
                    name,
                    merge,
                    branches,
                }) => {
                    let name = format!("{prefix}{name}");
                    let within = format!("{name}/");
                    let ends = branches
                        .iter()
                        .map(|branch| self.block(branch, &within, from));
                    let ends = ends.collect::<Result<Vec<Source>>>()?;
                    self.place(name, Operation::Merge(*merge), ends)?
                }
            };
        }
        Ok(from)
    }

    fn place(
        &mut self,
        name: String,
        operation: Operation<'a>,
        inputs: Vec<Source>,
    ) -> Result<Source> {
        let located = |problem: Error| {
            Error::Invalid(format!("model {}, layer {name}: {problem}", self.model))
        };
        if self.placed.iter().any(|other| other.name == name) {
            return Err(located(Error::Invalid(
                "the name is used twice; each layer needs a name of its own".into(),
            )));
        }
        let shapes: Vec<&[usize]> = inputs.iter().map(|&source| self.shape(source)).collect();
        let output_shape = operation.output_shape(&shapes).map_err(located)?;
        check_size("its output", &output_shape).map_err(located)?;
        let weights = operation.weights(&shapes);
        for weight in &weights {
            check_size(weight.name, &weight.shape).map_err(located)?;
            weight.init.check().map_err(located)?;
        }
        let parameters = weights.iter().map(|weight| product(&weight.shape));
        let places = operation.places(shapes[0], &output_shape);
        self.parameters += parameters.sum::<usize>();
        if self.parameters > MOST_PARAMETERS || self.placed.len() == MOST_LAYERS {
            return Err(located(Error::Invalid(format!(
                "the network becomes too large (at most {MOST_PARAMETERS} parameters and {MOST_LAYERS} layers)"
            ))));
        }
        self.placed.push(Placed {
            name,
            operation,
            places,
            inputs,
            output_shape,
            weights,
        });
        Ok(Source::Layer(self.placed.len() - 1))
    }

    fn shape(&self, source: Source) -> &[usize] {
        match source {
            Source::Images => self.images,
            Source::Layer(at) => &self.placed[at].output_shape,
        }
    }
}

impl Placed<'_> {
    /// Of the forward pass of one image; a bias and what normalises only add and scale.
    pub(crate) fn multiplications(&self) -> usize {
        let kernels = self.weights.iter().filter(|weight| weight.shape.len() > 1);
        kernels.map(Weight::count).sum::<usize>() * self.places
    }

    /// As a plan needs to see it.
    pub(crate) fn planned(&self, frozen: bool) -> Planned<'_> {
        Planned {
            name: &self.name,
            operation: self.operation,
            inputs: &self.inputs,
            output: &self.output_shape,
            trainable: self.weights.iter().map(|weight| weight.trainable).collect(),
            frozen,
        }
    }
}

/// The output of the last layer, computed layer by layer with the operations of Candle's graph.
/// `weights` are all of the network; `frozen` says of which layers they stay as they are in a step.
pub(crate) fn forward_by_layers(
    placed: &[Placed<'_>],
    images: &Tensor,
    weights: &[Tensor],
    frozen: &[bool],
    step: Option<Step>,
) -> Result<Tensor> {
    let unchanged = |_, output| Ok(output);
    forward_through(placed, images, weights, frozen, step, unchanged)
}

/// As [`forward_by_layers`], with the output of each layer replaced by what `replace` makes of it for those that read it.
pub(super) fn forward_through(
    placed: &[Placed<'_>],
    images: &Tensor,
    weights: &[Tensor],
    frozen: &[bool],
    step: Option<Step>,
    mut replace: impl FnMut(usize, Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let last_reader = |at: usize| {
        let reads = |layer: &Placed<'_>| layer.inputs.contains(&Source::Layer(at));
        placed.iter().rposition(reads)
    };
    let mut weights = weights;
    let mut outputs: Vec<Option<Tensor>> = Vec::with_capacity(placed.len());
    for (at, layer) in placed.iter().enumerate() {
        let (own, others) = weights.split_at(layer.weights.len());
        weights = others;
        let read = |source: &Source| match *source {
            Source::Images => Some(images.clone()),
            Source::Layer(at) => outputs[at].clone(),
        };
        let inputs: Vec<Tensor> = layer.inputs.iter().filter_map(read).collect();
        let frozen = frozen.get(at).is_some_and(|frozen| *frozen);
        let pass = Pass::new(&layer.name, step).frozen(frozen);
        let output = layer.operation.forward(&inputs, own, &pass)?;
        let promised = &layer.output_shape;
        check_output(
            &layer.name,
            layer.operation.kind(),
            &output,
            images.dim(0)?,
            promised,
        )?;
        // Without a graph, each output is freed as soon as all that read it are there.
        for source in &layer.inputs {
            if let Source::Layer(read) = *source
                && last_reader(read) == Some(at)
            {
                outputs[read] = None;
            }
        }
        outputs.push(Some(replace(at, output)?));
    }
    let last = outputs.pop().flatten();
    last.ok_or_else(|| Error::Invalid("there are no layers".into()))
}

/// Refuses what has no values, and what comes from a slip: a size in the wrong place would otherwise
/// end the process for want of memory. The kernels rest on sides below 2^20.
fn check_size(what: &str, shape: &[usize]) -> Result<()> {
    const MOST: usize = 1_000_000;
    const MOST_VALUES: usize = 1 << 30;
    if shape.contains(&0) {
        return Err(Error::Invalid(format!(
            "{what} has the shape {shape:?}, without any values; make each size at least 1"
        )));
    }
    if shape.iter().any(|&side| side > MOST) || product(shape) > MOST_VALUES {
        return Err(Error::Invalid(format!(
            "{what} has the shape {shape:?}, which is too large (at most {MOST} along a side and \
             {MOST_VALUES} values); make the layer smaller, or put a MaxPool2d before it"
        )));
    }
    Ok(())
}
