//! Layers in a row, and branches among them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::nn::{AnyLayer, Layer, Merge};

/// Layers in a row: a branch of [`ModelSpec::add`](crate::ModelSpec::add) or
/// [`concatenate`](crate::ModelSpec::concatenate). One without layers passes on what it reads.
///
/// A function that returns a block is how networks of many equal parts are written:
///
/// ```
/// use fmnist_lib::{BatchNorm, Block, Conv2d, ModelSpec};
///
/// fn body(filters: usize) -> Block {
///     Block::new()
///         .layer("conv-1", Conv2d::new(filters).same().without_bias())
///         .layer("norm-1", BatchNorm::new().relu())
///         .layer("conv-2", Conv2d::new(filters).same().without_bias())
///         .layer("norm-2", BatchNorm::new())
/// }
/// let spec = ModelSpec::new("residual")
///     .layer("stem", Conv2d::new(16).same().relu())
///     .add("block-1", [body(16), Block::new()])
///     .add("block-2", [body(16), Block::new()]);
/// assert_eq!(spec.summary()?.rows[1].name, "block-1/conv-1");
/// # Ok::<(), fmnist_lib::Error>(())
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
#[must_use = "a setting gives back the changed value"]
pub struct Block {
    pub(crate) parts: Vec<Part>,
}

/// A layer, or branches that begin at one place and end at another.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Part {
    Layer(NamedLayer),
    Branches(Branches),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NamedLayer {
    pub(crate) name: String,
    pub(crate) layer: AnyLayer,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Branches {
    pub(crate) name: String,
    pub(crate) merge: Merge,
    pub(crate) branches: Vec<Block>,
}

impl Block {
    /// A block without layers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a layer, as [`ModelSpec::layer`](crate::ModelSpec::layer) does. Behind the name of the
    /// branches that the block is part of, and a `/`, the name must be the only one in the network.
    pub fn layer(self, name: &str, layer: impl Into<AnyLayer>) -> Self {
        self.with(Part::Layer(NamedLayer {
            name: name.to_owned(),
            layer: layer.into(),
        }))
    }

    /// Appends a layer of your own.
    pub fn custom(self, name: &str, layer: impl Layer + 'static) -> Self {
        self.layer(name, AnyLayer::Custom(Arc::new(layer)))
    }

    /// Appends branches and their sum.
    pub fn add(self, name: &str, branches: impl IntoIterator<Item = Block>) -> Self {
        self.branches(name, Merge::Add, branches)
    }

    /// Appends branches and their channels side by side.
    pub fn concatenate(self, name: &str, branches: impl IntoIterator<Item = Block>) -> Self {
        self.branches(name, Merge::Concatenate, branches)
    }

    fn branches(self, name: &str, merge: Merge, branches: impl IntoIterator<Item = Block>) -> Self {
        self.with(Part::Branches(Branches {
            name: name.to_owned(),
            merge,
            branches: branches.into_iter().collect(),
        }))
    }

    fn with(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }

    /// What the layer, or the branches, of this full `name` is computed from, and it as the last, in a row: of branches that
    /// it lies in, its own one, with full names. `None` where there is no such name.
    pub(super) fn up_to(&self, name: &str) -> Option<Self> {
        let mut row = Vec::new();
        for part in &self.parts {
            if part.name() == name {
                row.push(part.clone());
                return Some(Self { parts: row });
            }
            if let Some(inner) = part.up_to(name) {
                row.extend(inner);
                return Some(Self { parts: row });
            }
            row.push(part.clone());
        }
        None
    }

    /// All layers, branch by branch, in the order in which they run.
    pub(crate) fn layers(&self) -> Vec<&NamedLayer> {
        self.parts.iter().flat_map(Part::layers).collect()
    }

    pub(crate) fn layers_mut(&mut self) -> Vec<&mut NamedLayer> {
        self.parts.iter_mut().flat_map(Part::layers_mut).collect()
    }
}

impl Part {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Layer(NamedLayer { name, .. }) | Self::Branches(Branches { name, .. }) => name,
        }
    }

    pub(crate) fn branches(&self) -> &[Block] {
        match self {
            Self::Layer(_) => &[],
            Self::Branches(it) => &it.branches,
        }
    }

    /// As of a [`Block`], within branches.
    fn up_to(&self, name: &str) -> Option<Vec<Self>> {
        let Self::Branches(it) = self else {
            return None;
        };
        let within = name.strip_prefix(&it.name)?.strip_prefix('/')?;
        let inner = it.branches.iter().find_map(|branch| branch.up_to(within))?;
        let named = inner.parts.into_iter().map(|part| part.within(&it.name));
        Some(named.collect())
    }

    /// The same with the name that it has in the branches `outer`.
    fn within(mut self, outer: &str) -> Self {
        match &mut self {
            Self::Layer(NamedLayer { name, .. }) | Self::Branches(Branches { name, .. }) => {
                *name = format!("{outer}/{name}");
            }
        }
        self
    }

    fn layers(&self) -> Vec<&NamedLayer> {
        match self {
            Self::Layer(layer) => vec![layer],
            Self::Branches(it) => it.branches.iter().flat_map(Block::layers).collect(),
        }
    }

    fn layers_mut(&mut self) -> Vec<&mut NamedLayer> {
        match self {
            Self::Layer(layer) => vec![layer],
            Self::Branches(it) => it.branches.iter_mut().flat_map(Block::layers_mut).collect(),
        }
    }
}
