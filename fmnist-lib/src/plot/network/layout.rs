//! Where each box and each line of a network's graph lies.

use std::collections::HashMap;

use super::boxes::Node;
use crate::error::Result;
use crate::model::{Block, Branches, ModelSpec, Part, SummaryRow};

/// Height of a box, and its least width.
pub(super) const HEIGHT: i32 = 42;
const WIDTH: i32 = 220;
/// From a box to the next one below it.
const GAP: i32 = 18;
/// From a branch to the next one beside it.
const BESIDE: i32 = 22;
/// Of the field behind branches.
const PADDING: i32 = 12;

/// Everything with its place, in pixels of the page from the upper left corner of the graph.
#[derive(Clone, Debug, Default)]
pub(super) struct Drawing {
    /// Of the whole.
    pub(super) size: (i32, i32),
    /// Of a box.
    pub(super) width: i32,
    /// Behind branches and their end: left, top, right, bottom.
    pub(super) fields: Vec<[i32; 4]>,
    pub(super) lines: Vec<Vec<(i32, i32)>>,
    /// Each by the corner of its box.
    pub(super) nodes: Vec<(i32, i32, Node)>,
}

impl Drawing {
    pub(super) fn of(spec: &ModelSpec) -> Result<Self> {
        let summary = spec.summary()?;
        let rows = summary.rows.iter().map(|row| (row.name.as_str(), row));
        let images = Node::new("images", "", &spec.input, 0);
        let mut layout = Layout {
            rows: rows.collect(),
            drawing: Self::default(),
        };
        let widest = layout.widest(&spec.layers, "").max(images.width());
        layout.drawing.width = widest.max(WIDTH);
        let (left, right) = layout.extent(&spec.layers);
        let below = layout.place(images, left, 0);
        let bottom = layout.block(&spec.layers, "", left, below);
        layout.drawing.size = (left + right, bottom);
        Ok(layout.drawing)
    }
}

struct Layout<'a> {
    rows: HashMap<&'a str, &'a SummaryRow>,
    drawing: Drawing,
}

impl Layout<'_> {
    fn node(&self, name: &str, full: &str) -> Node {
        match self.rows.get(full) {
            Some(row) => {
                Node::new(name, &row.kind, &row.output_shape, row.parameters).with(row.activation)
            }
            None => Node::new(name, "", &[], 0),
        }
    }

    /// The width that the widest box of a block needs.
    fn widest(&self, block: &Block, prefix: &str) -> i32 {
        let widths = block.parts.iter().map(|part| {
            let name = part.name();
            let full = format!("{prefix}{name}");
            let own = self.node(name, &full).width();
            let inner = part
                .branches()
                .iter()
                .map(|branch| self.widest(branch, &format!("{full}/")));
            inner.fold(own, i32::max)
        });
        widths.max().unwrap_or(0)
    }

    /// How far a block reaches to the left and to the right of the line on which it stands.
    fn extent(&self, block: &Block) -> (i32, i32) {
        let extents = block.parts.iter().map(|part| match part {
            Part::Layer(_) => (self.drawing.width / 2, self.drawing.width / 2),
            Part::Branches(it) => self.extent_of_branches(it),
        });
        extents.fold((0, 0), wider)
    }

    fn extent_of_branches(&self, it: &Branches) -> (i32, i32) {
        let ends = self.places(it).into_iter().zip(&it.branches);
        let ends = ends.map(|(place, branch)| {
            let (left, right) = self.extent(branch);
            (left - place, right + place)
        });
        let (left, right) = ends.fold((self.drawing.width / 2, self.drawing.width / 2), wider);
        (left + PADDING, right + PADDING)
    }

    /// Where each branch stands, as far right of the line of the whole: side by side, and a lone one that has layers on the line
    /// itself.
    fn places(&self, it: &Branches) -> Vec<i32> {
        let extents: Vec<(i32, i32)> = it
            .branches
            .iter()
            .map(|branch| self.extent(branch))
            .collect();
        let mut right = 0;
        let places: Vec<i32> = extents
            .iter()
            .map(|(before, after)| {
                let place = right + before;
                right = place + after + BESIDE;
                place
            })
            .collect();
        let with_layers: Vec<usize> = (0..places.len())
            .filter(|&at| !it.branches[at].parts.is_empty())
            .collect();
        let middle = match with_layers[..] {
            [lone] => places[lone],
            _ => (right - BESIDE) / 2,
        };
        places.iter().map(|place| place - middle).collect()
    }

    /// Places the layers of a block on the line `x`, from `y` downwards; returns where it ends.
    fn block(&mut self, block: &Block, prefix: &str, x: i32, y: i32) -> i32 {
        let mut before: Option<&Part> = None;
        block.parts.iter().fold(y, |y, part| {
            // The line comes out of the last box, through the field around it.
            let inside = before.replace(part).map_or(0, below);
            if inside > 0 {
                self.drawing.lines.push(vec![(x, y - inside), (x, y)]);
            }
            let full = format!("{prefix}{}", part.name());
            let node = self.node(part.name(), &full);
            match part {
                Part::Layer(_) => {
                    self.drawing.lines.push(vec![(x, y), (x, y + GAP)]);
                    self.place(node, x, y + GAP)
                }
                Part::Branches(it) => self.branches(it, node, &full, x, y),
            }
        })
    }

    fn branches(&mut self, it: &Branches, node: Node, full: &str, x: i32, y: i32) -> i32 {
        let (left, right) = self.extent_of_branches(it);
        let field = self.drawing.fields.len();
        self.drawing
            .fields
            .push([x - left, y + GAP / 2, x + right, 0]);
        let split = y + GAP;
        let places = self.places(it);
        let prefix = format!("{full}/");
        let ends: Vec<i32> = (it.branches.iter().zip(&places))
            .map(|(branch, place)| self.block(branch, &prefix, x + place, split))
            .collect();
        let join = ends.iter().copied().max().unwrap_or(split) + GAP;
        for ((end, place), branch) in ends.iter().zip(&places).zip(&it.branches) {
            let inside = branch.parts.last().map_or(0, below);
            if *place != 0 {
                self.drawing
                    .lines
                    .push(vec![(x, split), (x + place, split)]);
            }
            self.drawing.lines.push(vec![
                (x + place, end - inside),
                (x + place, join),
                (x, join),
            ]);
        }
        self.drawing.lines.push(vec![(x, y), (x, split)]);
        self.drawing.lines.push(vec![(x, join), (x, join + GAP)]);
        let bottom = self.place(node, x, join + GAP);
        self.drawing.fields[field][3] = bottom + PADDING;
        bottom + PADDING
    }

    /// Places a box below `y`; returns its lower end.
    fn place(&mut self, node: Node, x: i32, y: i32) -> i32 {
        self.drawing
            .nodes
            .push((x - self.drawing.width / 2, y, node));
        y + HEIGHT
    }
}

/// How much of a part lies below its last box.
fn below(part: &Part) -> i32 {
    match part {
        Part::Layer(_) => 0,
        Part::Branches(_) => PADDING,
    }
}

fn wider(one: (i32, i32), other: (i32, i32)) -> (i32, i32) {
    (one.0.max(other.0), one.1.max(other.1))
}
