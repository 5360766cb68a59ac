//! A network as a readable list of layers.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::nn::{
    BatchNorm, Conv2d, Dense, Dropout, Flatten, Layer, MaxPool2d, Weight, ZeroPadding2d,
};
use crate::{Error, Result, SIDE, Scaling};

/// A network before it has weights: name, input scaling, and named layers in order.
///
/// ```
/// use fmnist_lib::{Conv2d, Dense, Flatten, MaxPool2d, ModelSpec};
///
/// let spec = ModelSpec::new("small")
///     .layer("conv", Conv2d::new(8).relu())
///     .layer("pool", MaxPool2d::new(2))
///     .layer("flatten", Flatten)
///     .layer("output", Dense::new(10));
/// assert_eq!(spec.summary()?.parameters(), 3 * 3 * 8 + 8 + 13 * 13 * 8 * 10 + 10);
/// # Ok::<(), fmnist_lib::Error>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ModelSpec {
    name: String,
    pub(super) input: Vec<usize>,
    scaling: Scaling,
    pub(super) layers: Vec<NamedLayer>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NamedLayer {
    pub(crate) name: String,
    pub(crate) layer: AnyLayer,
}

/// Any of the layers of this crate, or one of your own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum AnyLayer {
    /// [`BatchNorm`]
    BatchNorm(BatchNorm),
    /// [`Conv2d`]
    Conv2d(Conv2d),
    /// [`MaxPool2d`]
    MaxPool2d(MaxPool2d),
    /// [`ZeroPadding2d`]
    ZeroPadding2d(ZeroPadding2d),
    /// [`Dropout`]
    Dropout(Dropout),
    /// [`Flatten`]
    Flatten(Flatten),
    /// [`Dense`]
    Dense(Dense),
    /// A layer defined outside this crate. A checkpoint cannot hold its code: build the model again
    /// and [`restore`](crate::Model::restore) it.
    #[serde(skip)]
    Custom(Arc<dyn Layer>),
}

macro_rules! any_layer_from {
    ($($layer:ident),+) => {
        $(impl From<$layer> for AnyLayer {
            fn from(layer: $layer) -> Self {
                Self::$layer(layer)
            }
        })+

        impl AnyLayer {
            /// The layer behind the name.
            pub fn as_layer(&self) -> &dyn Layer {
                match self {
                    $(Self::$layer(layer) => layer,)+
                    Self::Custom(layer) => layer.as_ref(),
                }
            }
        }
    };
}

any_layer_from!(
    BatchNorm,
    Conv2d,
    MaxPool2d,
    Dropout,
    Flatten,
    Dense,
    ZeroPadding2d
);

/// A layer with all sizes known.
pub(crate) struct Placed<'a> {
    pub(crate) name: &'a str,
    pub(crate) layer: &'a dyn Layer,
    pub(crate) output_shape: Vec<usize>,
    pub(crate) weights: Vec<Weight>,
}

impl ModelSpec {
    /// An empty network for 28×28×1 images scaled to 0..1.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            input: vec![SIDE, SIDE, 1],
            scaling: Scaling::Unit,
            layers: Vec::new(),
        }
    }

    /// Appends a layer of this crate. Its weights will be called `name.kernel`, `name.bias`.
    pub fn layer(mut self, name: &str, layer: impl Into<AnyLayer>) -> Self {
        self.layers.push(NamedLayer {
            name: name.to_owned(),
            layer: layer.into(),
        });
        self
    }

    /// Appends a layer of your own.
    pub fn custom(self, name: &str, layer: impl Layer + 'static) -> Self {
        self.layer(name, AnyLayer::Custom(Arc::new(layer)))
    }

    /// Feeds the network pixels scaled as `scaling` says.
    pub fn scaling(self, scaling: Scaling) -> Self {
        Self { scaling, ..self }
    }

    /// Gives the network another name.
    pub fn named(self, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..self
        }
    }

    /// Name of the network.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How its input is scaled.
    pub fn input_scaling(&self) -> Scaling {
        self.scaling
    }

    /// Follows the shape of one image through all layers.
    pub(crate) fn place(&self) -> Result<Vec<Placed<'_>>> {
        let mut shape = self.input.clone();
        let mut placed: Vec<Placed<'_>> = Vec::with_capacity(self.layers.len());
        for NamedLayer { name, layer } in &self.layers {
            let located = |problem: Error| {
                Error::Invalid(format!("model {}, layer {name}: {problem}", self.name))
            };
            if placed.iter().any(|other| other.name == name) {
                return Err(located(Error::Invalid("the name is used twice".into())));
            }
            let layer = layer.as_layer();
            let output_shape = layer.output_shape(&shape).map_err(located)?;
            let weights = layer.weights(&shape);
            shape.clone_from(&output_shape);
            placed.push(Placed {
                name,
                layer,
                output_shape,
                weights,
            });
        }
        Ok(placed)
    }
}
