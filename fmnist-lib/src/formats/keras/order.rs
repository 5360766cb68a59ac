//! In which order Keras counts the layers of a network.

use super::graph::Node;

/// Puts nodes into the order of Keras's `model.layers` (`map_graph` in keras/src/ops/function.py): by their distance from
/// the output, and where that is equal, by the order in which a search from the output first meets them. The last is the output.
pub(super) fn in_order_of_keras(nodes: Vec<Node>) -> Vec<Node> {
    let mut met = vec![None; nodes.len()];
    let mut count = 0;
    let mut open: Vec<usize> = nodes.len().checked_sub(1).into_iter().collect();
    while let Some(at) = open.pop() {
        if met[at].is_none() {
            met[at] = Some(count);
            count += 1;
            open.extend(nodes[at].inputs.iter().rev());
        }
    }
    let mut distance = vec![0; nodes.len()];
    // Each stands behind those that it reads.
    for (at, node) in nodes.iter().enumerate().rev() {
        for &input in &node.inputs {
            distance[input] = distance[input].max(distance[at] + 1);
        }
    }
    let mut order: Vec<usize> = (0..nodes.len()).collect();
    order.sort_by_key(|&at| (std::cmp::Reverse(distance[at]), met[at]));
    let mut place = vec![0; nodes.len()];
    order
        .iter()
        .enumerate()
        .for_each(|(new, &old)| place[old] = new);
    let mut sorted: Vec<(usize, Node)> = nodes
        .into_iter()
        .enumerate()
        .map(|(old, node)| (place[old], node))
        .collect();
    sorted.sort_by_key(|(new, _)| *new);
    let renumbered = sorted.into_iter().map(|(_, mut node)| {
        node.inputs
            .iter_mut()
            .for_each(|input| *input = place[*input]);
        node
    });
    renumbered.collect()
}
