//! Where the branches of a network begin.

use super::graph::Node;

/// For each node, the nearest that all ways from the input to it go through; itself left aside.
pub(super) fn dominators(nodes: &[Node]) -> Vec<Option<usize>> {
    let mut dominators: Vec<Option<usize>> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let common = node
            .inputs
            .iter()
            .copied()
            .map(Some)
            .reduce(|one, other| meeting(&dominators, one, other));
        dominators.push(common.flatten());
    }
    dominators
}

/// Where the ways back from two nodes to the input meet. A node stands behind those that it reads.
fn meeting(
    dominators: &[Option<usize>],
    one: Option<usize>,
    other: Option<usize>,
) -> Option<usize> {
    let (mut one, mut other) = (one?, other?);
    while one != other {
        match one > other {
            true => one = dominators[one]?,
            false => other = dominators[other]?,
        }
    }
    Some(one)
}
