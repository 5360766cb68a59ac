//! Layers that do not learn, and weights that come from another network.

use fmnist_lib::{
    BatchNorm, Block, Conv2d, Dense, Dropout, Error, FitConfig, Flatten, GlobalAvgPool2d,
    MaxPool2d, Model, ModelSpec, Verbose, evaluate, finish, fit, resume,
};

use crate::checkpoint::kill_in;
use crate::striped;
use crate::training::{bits, small};

fn quiet(epochs: usize) -> FitConfig {
    let config = FitConfig::default().epochs(epochs).batch_size(32);
    config.weight_decay(0.1).l2(0.01).verbose(Verbose::Silent)
}

fn normalised() -> ModelSpec {
    let body = || Block::new().layer("conv", Conv2d::new(8).same().without_bias());
    ModelSpec::new("normalised")
        .layer("stem", Conv2d::new(8))
        .layer("norm", BatchNorm::new().momentum(0.5).relu())
        .layer("pool", MaxPool2d::new(2))
        .add(
            "block",
            [
                body().layer("norm", BatchNorm::new().momentum(0.5)),
                Block::new(),
            ],
        )
        .layer("mean", GlobalAvgPool2d)
        .layer("dropout", Dropout::new(0.1))
        .layer("output", Dense::new(10))
}

/// The values of all weights whose layer is called so.
fn of(model: &Model, layers: &[&str]) -> Vec<f32> {
    let weights = model.weights().into_iter();
    let wanted = weights.filter(|(name, _)| layers.iter().any(|layer| name.starts_with(layer)));
    wanted
        .flat_map(|(_, values)| values.flatten_all().unwrap().to_vec1::<f32>().unwrap())
        .collect()
}

#[test]
fn frozen_layers_stay_as_they_are_and_the_others_learn() {
    let data = striped(96, 3);
    let mut model = normalised().build(1).unwrap();
    fit(&mut model, &data, None, quiet(1)).unwrap();
    let all = ["stem", "norm", "block", "output"];
    for frozen in [
        &["stem", "norm"][..],
        &["block"],
        &["norm", "output"],
        &["stem", "norm", "block"],
    ] {
        model.unfreeze(all).unwrap();
        // One after the other: each adds to what is frozen.
        for layer in frozen {
            model.freeze([layer.to_string()]).unwrap();
        }
        let learning: Vec<&str> = all
            .into_iter()
            .filter(|layer| !frozen.contains(layer))
            .collect();
        let (fixed, before) = (of(&model, frozen), of(&model, &learning));
        fit(&mut model, &data, None, quiet(2).ema_momentum(0.5)).unwrap();
        assert_eq!(
            of(&model, frozen),
            fixed,
            "{frozen:?}, moving means included"
        );
        assert_ne!(of(&model, &learning), before, "{frozen:?}");
    }
    assert_eq!(model.history().epochs.len(), 9);
    // Keras: 80 + 32 + 576 + 32 parameters of the base, of which 16 and 16 are moving means.
    assert_eq!(model.summary().unwrap().not_trainable(), 80 + 32 + 576 + 32);
    model.unfreeze_all().unwrap();
    assert_eq!(model.summary().unwrap(), model.spec().summary().unwrap());
    let before = of(&model, &["stem"]);
    fit(&mut model, &data, None, quiet(1)).unwrap();
    assert_ne!(of(&model, &["stem"]), before);
}

/// With all of the base frozen, batch normalisation included, and nothing dropped, the first step sees the loss that
/// evaluation sees.
#[test]
fn a_frozen_base_is_what_evaluation_sees() {
    let spec = ModelSpec::new("base")
        .layer("conv", Conv2d::new(4))
        .layer("norm", BatchNorm::new().relu())
        .layer("flatten", Flatten)
        .layer("output", Dense::new(10));
    let data = striped(64, 3);
    let mut model = spec.build(2).unwrap();
    fit(&mut model, &data, None, quiet(3)).unwrap();
    model.freeze_all_but(["output"]).unwrap();
    let before = evaluate(&model, &data).unwrap();
    let config = FitConfig::default()
        .epochs(1)
        .batch_size(64)
        .verbose(Verbose::Silent);
    let run = fit(&mut model, &data, None, config).unwrap();
    assert!(
        (run.history.epochs[0].loss - before.loss).abs() < 1e-6,
        "{run:?} {before}"
    );
}

#[test]
fn what_is_frozen_goes_on_with_the_run() {
    let (data, validation) = (striped(100, 1), striped(50, 2));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.safetensors");
    let config = || quiet(3).checkpoint(&path);
    let frozen = || {
        let mut model = small().build(1).unwrap();
        model.freeze(["conv"]).unwrap();
        model
    };
    let mut whole = frozen();
    fit(&mut whole, &data, &validation, config()).unwrap();

    let mut stopped = frozen();
    kill_in(2, &mut stopped, config(), &data, &validation);
    stopped.save(&path).unwrap();
    let (resumed, _) = resume(&path, &data, &validation).unwrap();
    assert_eq!(bits(&resumed), bits(&whole));
    assert_eq!(resumed.summary().unwrap(), whole.summary().unwrap());
    finish(&mut stopped, &data, &validation).unwrap();
    assert_eq!(bits(&stopped), bits(&whole));

    // The same layers, named otherwise, are no change.
    let mut same = frozen();
    kill_in(2, &mut same, config(), &data, &validation);
    same.freeze_all_but(["out"]).unwrap();
    finish(&mut same, &data, &validation).unwrap();
    assert_eq!(bits(&same), bits(&whole));

    // What is frozen is what the file says.
    let mut thawed = small().build(3).unwrap();
    thawed.freeze(["out"]).unwrap();
    thawed.restore(&path).unwrap();
    assert_eq!(thawed.summary().unwrap(), whole.summary().unwrap());

    // Other layers, another run.
    let mut other = frozen();
    kill_in(2, &mut other, config(), &data, &validation);
    other.unfreeze_all().unwrap();
    let refused = finish(&mut other, &data, &validation)
        .unwrap_err()
        .to_string();
    assert!(refused.contains("call fit"), "{refused}");
}

#[test]
fn weights_are_copied_by_the_names_of_layers() {
    let learned = normalised().build(1).unwrap();
    let other = ModelSpec::new("other")
        .layer("stem", Conv2d::new(8))
        .layer("flatten", Flatten);
    let mut model = other.layer("output", Dense::new(26)).build(2).unwrap();
    let output = of(&model, &["output"]);
    model.copy_weights(&learned, ["stem"]).unwrap();
    assert_eq!(of(&model, &["stem"]), of(&learned, &["stem"]));
    assert_eq!(of(&model, &["output"]), output);

    let before = bits(&model);
    let mut refusal = |layers: &[&str]| {
        let refused = model.copy_weights(&learned, layers.iter().copied());
        refused.unwrap_err().to_string()
    };
    let told = refusal(&["stem", "output"]);
    assert!(
        told.starts_with("layer output cannot be copied from model normalised: it needs kernel ["),
        "{told}"
    );
    assert!(
        told.ends_with("bias [26], but there is kernel [8, 10], bias [10]"),
        "{told}"
    );
    assert!(
        refusal(&["norm"])
            .contains("model other has no layer \"norm\"; its layers are stem, flatten, output")
    );
    assert_eq!(bits(&model), before);

    // A part of a layer is not the layer.
    let without_bias = ModelSpec::new("less").layer("stem", Conv2d::new(8).without_bias());
    let mut less = without_bias.layer("flatten", Flatten).build(1).unwrap();
    let refused = less
        .copy_weights(&learned, ["stem"])
        .unwrap_err()
        .to_string();
    assert!(
        refused
            .ends_with("it needs kernel [3, 3, 1, 8], but there is kernel [3, 3, 1, 8], bias [8]"),
        "{refused}"
    );
}

/// A name with a `/` of its own is not one of a branch.
#[test]
fn a_name_means_one_layer_or_the_layers_of_branches() {
    let spec = ModelSpec::new("names")
        .layer("conv", Conv2d::new(2))
        .layer("conv/norm", BatchNorm::new());
    let mut model = spec
        .layer("flatten", Flatten)
        .layer("out", Dense::new(10))
        .build(1)
        .unwrap();
    model.freeze(["conv"]).unwrap();
    assert_eq!(
        model.summary().unwrap().rows[1].not_trainable,
        4,
        "the moving means alone"
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    model.save(&path).unwrap();
    assert_eq!(
        Model::load(&path).unwrap().summary().unwrap(),
        model.summary().unwrap()
    );
}

#[test]
fn what_cannot_learn_is_refused() {
    let mut model = normalised().build(1).unwrap();
    let refused = model.freeze(["stem", "stern"]).unwrap_err().to_string();
    assert!(
        refused.contains("no layer \"stern\"; its layers are stem, norm, pool, block/conv"),
        "{refused}"
    );
    assert_eq!(model.summary().unwrap(), model.spec().summary().unwrap());
    model.freeze_all_but([""; 0]).unwrap();
    let refused = fit(&mut model, &striped(20, 1), None, quiet(1));
    assert!(
        matches!(&refused, Err(Error::Invalid(told)) if told.contains("nothing would learn")),
        "{refused:?}"
    );
}
