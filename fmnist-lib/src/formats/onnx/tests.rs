use super::proto::GraphProto;
use crate::model::{Block, ModelSpec};
use crate::nn::{
    Activation, BatchNorm, Conv2d, Dense, Dropout, Flatten, GlobalAvgPool2d, LayerNorm, MaxPool2d,
};

fn graph(spec: &ModelSpec) -> GraphProto {
    let model = spec.build(1).expect("it can be built");
    let onnx = model.to_onnx().expect("all layers are in ONNX");
    onnx.graph.expect("a model has a graph")
}

/// Name, operator, inputs and output of each node.
fn nodes(graph: &GraphProto) -> Vec<String> {
    let nodes = graph.node.iter();
    nodes
        .map(|node| {
            let inputs = node.input.join(" ");
            format!(
                "{}: {} {inputs} -> {}",
                node.name,
                node.op_type,
                node.output.join(" ")
            )
        })
        .collect()
}

#[test]
fn channels_change_places_where_the_network_begins_and_where_it_gets_flat() {
    let spec = ModelSpec::new("small")
        .layer("conv", Conv2d::new(4).relu())
        .layer("pool", MaxPool2d::new(2))
        .layer("dropout", Dropout::new(0.5))
        .layer("flatten", Flatten)
        .layer("output", Dense::new(10));
    let expected = [
        "input/Transpose: Transpose input -> input/Transpose",
        "conv: Conv input/Transpose conv.kernel conv.bias -> conv",
        "conv/Relu: Relu conv -> conv/Relu",
        "pool: MaxPool conv/Relu -> pool",
        "pool/Transpose: Transpose pool -> pool/Transpose",
        "flatten: Flatten pool/Transpose -> flatten",
        "output: Gemm flatten output.kernel output.bias -> output",
    ];
    assert_eq!(nodes(&graph(&spec)), expected);

    let spec = ModelSpec::new("one pixel")
        .layer("conv", Conv2d::new(4).kernel_size(28))
        .layer("flatten", Flatten);
    assert_eq!(
        nodes(&graph(&spec))[1..],
        [
            "conv: Conv input/Transpose conv.kernel conv.bias -> conv",
            "flatten: Flatten conv -> output",
        ]
    );
}

#[test]
fn branches_share_what_they_read() {
    let norm = || Block::new().layer("norm", LayerNorm::new());
    let spec = ModelSpec::new("")
        .layer("input", Conv2d::new(4).same())
        .add(
            "sum",
            [norm().layer("silu", Activation::Silu), Block::new()],
        )
        .concatenate(
            "both",
            [norm(), Block::new().layer("norm-2", BatchNorm::new())],
        )
        .layer("output", GlobalAvgPool2d)
        .layer("", Dropout::new(0.5));
    let of_norm = |layer: &str| format!("{layer}.gamma {layer}.beta");
    let moving = "both/norm-2.moving_mean both/norm-2.moving_variance";
    let expected = [
        "input/Transpose: Transpose input -> input/Transpose",
        "input: Conv input/Transpose input.kernel input.bias -> input_2",
        "input_2/Transpose: Transpose input_2 -> input_2/Transpose",
        &format!(
            "sum/norm: LayerNormalization input_2/Transpose {} -> sum/norm",
            of_norm("sum/norm")
        ),
        "sum/silu: Sigmoid sum/norm -> sum/silu",
        "sum/silu/Mul: Mul sum/norm sum/silu -> sum/silu/Mul",
        "sum/silu/Mul/Transpose: Transpose sum/silu/Mul -> sum/silu/Mul/Transpose",
        "sum: Add sum/silu/Mul/Transpose input_2 -> sum",
        "sum/Transpose: Transpose sum -> sum/Transpose",
        &format!(
            "both/norm: LayerNormalization sum/Transpose {} -> both/norm",
            of_norm("both/norm")
        ),
        &format!(
            "both/norm-2: BatchNormalization sum {} {moving} -> both/norm-2",
            of_norm("both/norm-2")
        ),
        "both/norm/Transpose: Transpose both/norm -> both/norm/Transpose",
        "both: Concat both/norm/Transpose both/norm-2 -> both",
        "output: GlobalAveragePool both -> output_2",
        "output/Flatten: Flatten output_2 -> output",
    ];
    let graph = graph(&spec);
    assert_eq!(nodes(&graph), expected);
    assert_eq!(graph.name, "model");
}
