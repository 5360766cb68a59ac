use std::fs;
use std::path::{Path, PathBuf};

use fmnist_lib::candle_core::Tensor;
use fmnist_lib::{
    Dense, Error, FitConfig, Flatten, Layer, Model, ModelSpec, Pass, Result, Split, Sweep,
    SweepResults, SweepRun, TrainTest, Trial, evaluate,
};
use serde_json::Value;

use crate::striped;
use crate::sweep::{config, data, files};
use crate::training::small;

fn one(folder: &Path, name: &str) -> Sweep {
    Sweep::new(folder).trial(Trial::new(name, small(), config()))
}

fn only(folder: &Path, extension: &str) -> PathBuf {
    let files = files(folder, extension);
    assert_eq!(files.len(), 1, "{files:?}");
    folder.join(&files[0])
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Seconds that no second training would take, and so on: the results of one training.
fn same_training(one: &SweepResults, other: &SweepResults) -> bool {
    one.runs()[0].history == other.runs()[0].history
}

/// Two layers that look alike, as one does before and after its `forward` is edited in a cell.
pub(crate) mod cell {
    use super::*;

    macro_rules! own_layer {
        ($cell:ident, $factor:literal) => {
            pub(crate) mod $cell {
                use super::*;

                #[derive(Debug)]
                pub(crate) struct Scaled(pub(crate) Option<&'static str>);

                impl Layer for Scaled {
                    fn kind(&self) -> &str {
                        "Scaled"
                    }
                    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
                        Ok(input.to_vec())
                    }
                    fn forward(&self, x: &Tensor, _: &[Tensor], _: &Pass<'_>) -> Result<Tensor> {
                        Ok((x * $factor)?)
                    }
                    fn key(&self) -> Option<String> {
                        self.0.map(str::to_owned)
                    }
                }
            }
        };
    }

    own_layer!(first, 2.0);
    own_layer!(edited, -0.5);
}

pub(crate) fn with_own(layer: impl Layer + 'static, config: FitConfig) -> Trial {
    let spec = ModelSpec::new("own")
        .layer("flatten", Flatten)
        .custom("scaled", layer)
        .layer("out", Dense::new(10));
    Trial::of(spec, config)
}

#[test]
fn an_edited_layer_does_not_find_the_results_of_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let run = |trial: Trial| {
        let sweep = Sweep::new(folder.path()).trial(trial);
        sweep.run(&data()).unwrap().runs()[0].clone()
    };
    let losses = |run: &fmnist_lib::SweepRun| run.history.epochs.iter().map(|e| e.loss).collect();
    // What each of them gives where there is nothing to find.
    let fresh = |trial: Trial| -> Vec<f32> {
        let folder = tempfile::tempdir().unwrap();
        let results = Sweep::new(folder.path()).trial(trial).run(&data()).unwrap();
        losses(&results.runs()[0])
    };
    let first = fresh(with_own(cell::first::Scaled(None), config()));
    let edited = fresh(with_own(cell::edited::Scaled(None), config()));
    assert_ne!(first, edited);

    // Without a key nothing is found, an unchanged layer included.
    let before = run(with_own(cell::first::Scaled(None), config()));
    assert_eq!(losses(&before), first);
    assert_eq!(
        losses(&run(with_own(cell::edited::Scaled(None), config()))),
        edited
    );
    let again = run(with_own(cell::first::Scaled(None), config()));
    assert_eq!(losses(&again), first);
    assert_ne!(again.history, before.history, "it was found");

    // With one, the key decides.
    let before = run(with_own(cell::first::Scaled(Some("1")), config()));
    assert_eq!(
        run(with_own(cell::first::Scaled(Some("1")), config())),
        before
    );
    assert_eq!(
        losses(&run(with_own(cell::edited::Scaled(Some("2")), config()))),
        edited
    );
    assert_eq!(
        run(with_own(cell::first::Scaled(Some("1")), config())),
        before
    );
}

#[test]
fn two_trials_with_layers_without_a_key_have_two_files() {
    let folder = tempfile::tempdir().unwrap();
    let trial = |name: &str, rate| {
        let config = config().learning_rate(rate);
        let spec = ModelSpec::new("own")
            .layer("flatten", Flatten)
            .custom("scaled", cell::first::Scaled(None))
            .layer("out", Dense::new(10));
        Trial::new(name, spec, config)
    };
    // Names that give the same file name.
    let sweep = Sweep::new(folder.path())
        .trial(trial("a, b", 0.001))
        .trial(trial("a; b", 0.001));
    sweep.keep_models().run(&data()).unwrap();
    assert_eq!(files(folder.path(), ".json").len(), 2);
    assert_eq!(files(folder.path(), ".safetensors").len(), 2);
}

#[test]
fn a_renamed_trial_is_not_trained_again() {
    let folder = tempfile::tempdir().unwrap();
    let before = one(folder.path(), "old: name").run(&data()).unwrap();
    let renamed = one(folder.path(), "new name").run(&data()).unwrap();
    assert!(same_training(&before, &renamed));
    assert_eq!(renamed.trials(), ["new name"]);
    assert_eq!(renamed.of("new name").len(), 1);
    // Names that look the same in a file's name, and the network's own name.
    let alike = one(folder.path(), "old, name").run(&data()).unwrap();
    assert_eq!(alike.of("old, name").len(), 1);
    let network = Trial::of(small().named("another"), config());
    let network = Sweep::new(folder.path())
        .trial(network)
        .run(&data())
        .unwrap();
    assert!(same_training(&before, &network));
    only(folder.path(), ".json");
}

#[test]
fn two_at_once_share_a_run_under_two_names() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = std::thread::scope(|scope| {
        let start = |name| {
            let sweep = one(folder.path(), name);
            scope.spawn(move || sweep.run(&data()).unwrap())
        };
        [start("one"), start("two")].map(|thread| thread.join().unwrap())
    });
    assert!(same_training(&one, &two));
    only(folder.path(), ".json");
    assert!(files(folder.path(), ".lock").is_empty());
}

#[test]
fn a_run_that_was_begun_under_another_name_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let short = |epochs| {
        let config = config().epochs(epochs);
        Sweep::new(folder.path()).trial(Trial::new("old", small(), config))
    };
    let whole = short(2).keep_models().run(&data()).unwrap();
    // As if its process had been killed before the result was written.
    fs::remove_file(only(folder.path(), ".json")).unwrap();
    let renamed = one(folder.path(), "new").run(&data()).unwrap();
    assert!(same_training(&whole, &renamed));
}

#[test]
fn a_kept_network_is_measured_and_not_trained() {
    let folder = tempfile::tempdir().unwrap();
    let before = one(folder.path(), "small")
        .keep_models()
        .run(&data())
        .unwrap();
    let model = Model::load(only(folder.path(), ".safetensors")).unwrap();
    let tested = one(folder.path(), "small").test().run(&data()).unwrap();
    assert!(same_training(&before, &tested));
    let expected = evaluate(&model, &data().test).unwrap();
    assert_eq!(tested.runs()[0].test, Some(expected));
    assert_eq!(tested.runs()[0].validation, before.runs()[0].validation);
    // Other test images are another measure.
    let other = TrainTest {
        test: striped(40, 77),
        ..data()
    };
    let elsewhere = one(folder.path(), "small").test().run(&other).unwrap();
    let expected = evaluate(&model, &other.test).unwrap();
    assert_eq!(elsewhere.runs()[0].test, Some(expected));
    assert!(same_training(&before, &elsewhere));
    // Flips as well; and what was measured once stays.
    let flip = Trial::new("small", small(), config()).test_time_flip();
    let flip = Sweep::new(folder.path()).trial(flip).test();
    let flipped = flip.run(&other).unwrap();
    assert!(same_training(&before, &flipped));
    assert_eq!(flipped.trials(), ["small", "small + test-time flip"]);
    assert!(flipped.runs().iter().all(|run| run.test.is_some()));
    fs::remove_file(only(folder.path(), ".safetensors")).unwrap();
    assert_eq!(flip.run(&other).unwrap(), flipped);
    // Nobody is shown a measure that was not asked for.
    let plain = one(folder.path(), "small").run(&data()).unwrap();
    let but_for_the_model = SweepRun {
        model: None,
        ..before.runs()[0].clone()
    };
    assert_eq!(plain.runs(), [but_for_the_model]);
    only(folder.path(), ".json");
}

#[test]
fn a_network_that_was_not_kept_is_trained_again_for_what_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let before = one(folder.path(), "small").run(&data()).unwrap();
    let tested = one(folder.path(), "small").test().run(&data()).unwrap();
    assert!(!same_training(&before, &tested));
    assert_eq!(tested.runs()[0].validation, before.runs()[0].validation);
    assert!(tested.runs()[0].test.is_some());
    assert!(files(folder.path(), ".safetensors").is_empty());

    let kept = one(folder.path(), "small").keep_models();
    let kept_now = kept.run(&data()).unwrap();
    assert!(!same_training(&tested, &kept_now));
    let model = Model::load(only(folder.path(), ".safetensors")).unwrap();
    assert_eq!(model.history(), kept_now.runs()[0].history);
    assert_eq!(kept.run(&data()).unwrap(), kept_now);
    let loaded = kept_now.runs()[0].load_model().unwrap();
    assert_eq!(loaded.history(), model.history());
    let (_, validation) = Split::new(0.8, 42).apply(&data().train).unwrap();
    let measured = evaluate(&loaded, &validation).unwrap();
    assert_eq!(Some(measured), kept_now.runs()[0].validation);
    let told = tested.runs()[0].load_model().unwrap_err().to_string();
    assert!(
        told.contains("small, seed 42") && told.contains("keep_models()"),
        "{told}"
    );
    only(folder.path(), ".json");
}

#[test]
fn a_seed_that_is_given_twice_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let results = one(folder.path(), "small").seeds([2, 1, 2]);
    let results = results.run(&data()).unwrap();
    let seeds: Vec<u64> = results.runs().iter().map(|run| run.seed).collect();
    assert_eq!(seeds, [2, 1]);
}

#[test]
fn one_csv_for_all_runs_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("history.csv");
    let trial = Trial::new("both", small(), config().csv(&csv));
    let sweep = Sweep::new(folder.path().join("results")).trial(trial);
    let refused = sweep.seeds([1, 2]).run(&data()).unwrap_err().to_string();
    assert!(refused.contains("history.csv"), "{refused}");
    assert!(refused.contains("\"both\""), "{refused}");
    assert!(!csv.exists());
}

#[test]
fn settings_are_written_out_and_say_which_run_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let before = one(folder.path(), "small").run(&data()).unwrap();
    let path = only(folder.path(), ".json");
    let mut record = json(&path);
    let Ok(Value::Object(all)) = serde_json::to_value(FitConfig::default()) else {
        panic!("a configuration is a JSON object")
    };
    for name in all.keys() {
        let elsewhere = ["seed", "checkpoint", "csv", "verbose"].contains(&name.as_str());
        let written = record["settings"]["training"].get(name).is_some();
        assert_ne!(written, elsewhere, "{name}");
    }
    assert_eq!(record["settings"]["training"]["learning_rate"], 0.001);

    // Written by a version that did not have the choice yet: the same run.
    let training = record["settings"]["training"].as_object_mut().unwrap();
    training.remove("weight_decay").unwrap();
    fs::remove_file(&path).unwrap();
    let older = folder.path().join("small-seed42-0123456789abcdef.json");
    fs::write(&older, record.to_string()).unwrap();
    assert_eq!(one(folder.path(), "small").run(&data()).unwrap(), before);
    assert_eq!(only(folder.path(), ".json"), older);

    // Written by a version whose default was another one: another run, and both are kept.
    record["settings"]["training"]["learning_rate"] = 0.002.into();
    fs::write(&older, record.to_string()).unwrap();
    let now = one(folder.path(), "small").run(&data()).unwrap();
    assert!(!same_training(&now, &before));
    assert_eq!(files(folder.path(), ".json").len(), 2);

    // In the place of a result, the result of something else.
    fs::write(&path, record.to_string()).unwrap();
    let refused = one(folder.path(), "small").run(&data()).unwrap_err();
    assert!(refused.to_string().contains("other settings"), "{refused}");
    record["format"] = 3.into();
    fs::write(&path, record.to_string()).unwrap();
    let refused = one(folder.path(), "small").run(&data()).unwrap_err();
    assert!(refused.to_string().contains("format 3"), "{refused}");
}

#[test]
fn a_result_says_where_it_comes_from() {
    let folder = tempfile::tempdir().unwrap();
    let results = one(folder.path(), "small").run(&data()).unwrap();
    let origin = &results.runs()[0].origin;
    assert_eq!(origin.library.as_deref(), Some(env!("CARGO_PKG_VERSION")));
    let sets = ["AVX-512", "AVX2", "NEON", "portable"];
    assert!(sets.contains(&origin.instruction_set.as_deref().unwrap()));
    assert!(origin.threads.unwrap() >= 1);
    let system = origin.system.as_deref().unwrap();
    assert!(system.starts_with(std::env::consts::OS), "{system}");
    let ended = origin.ended.as_deref().unwrap();
    assert!(ended.len() == 20 && ended.ends_with('Z'), "{ended}");
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        assert!(!origin.cpu.as_deref().unwrap().is_empty());
    }
    let record = json(&only(folder.path(), ".json"));
    assert_eq!(record["origin"]["library"], env!("CARGO_PKG_VERSION"));
    let shown = results.to_string();
    assert!(shown.contains(&format!("1 run by {origin}")), "{shown}");
    let csv = folder.path().join("all.csv");
    results.save_csv(&csv).unwrap();
    let csv = fs::read_to_string(csv).unwrap();
    assert!(csv.contains(",instruction_set,threads,"), "{csv}");
    assert!(csv.contains(ended), "{csv}");

    // From elsewhere it counts as well, and is told apart.
    let path = only(folder.path(), ".json");
    let mut record = record;
    record["origin"] = serde_json::json!({ "library": "0.0.9", "note": "made up" });
    fs::write(path, record.to_string()).unwrap();
    let both = one(folder.path(), "small")
        .seeds([42, 43])
        .run(&data())
        .unwrap();
    assert!(same_training(&both, &results));
    let shown = both.to_string();
    let other = "1 run by fmnist-lib 0.0.9, processor unknown, instruction set unknown, number of \
                 threads unknown, system unknown";
    assert!(shown.contains(other), "{shown}");
}

#[test]
fn what_is_no_checkpoint_of_the_run_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    one(folder.path(), "small")
        .keep_models()
        .run(&data())
        .unwrap();
    let kept = only(folder.path(), ".safetensors");
    let result = only(folder.path(), ".json");
    let refused = |problem: &str| {
        let before = fs::read(&kept).unwrap();
        let error = one(folder.path(), "small").test().run(&data()).unwrap_err();
        assert!(matches!(error, Error::Checkpoint { .. }), "{error}");
        let error = error.to_string();
        assert!(error.contains(problem), "{error}");
        assert!(error.contains("move the file away"), "{error}");
        assert_eq!(fs::read(&kept).unwrap(), before);
    };
    // With a result beside it, and without.
    for _ in 0..2 {
        small().build(42).unwrap().save(&kept).unwrap();
        refused("no training run");
        let other = config().learning_rate(0.5).seed(42).checkpoint(&kept);
        let mut model = small().build(42).unwrap();
        fmnist_lib::fit(&mut model, &data().train, None, other).unwrap();
        refused("other settings");
        fmnist_lib::one_layer()
            .build(42)
            .unwrap()
            .save(&kept)
            .unwrap();
        refused("small");
        fs::write(&kept, b"what is this").unwrap();
        refused("safetensors");
        let _ = fs::remove_file(&result);
    }
    fs::remove_file(&kept).unwrap();
    // What else lies in the folder is no harm.
    fs::create_dir(folder.path().join("folder.json")).unwrap();
    fs::write(folder.path().join("notes.json"), "[1, 2]").unwrap();
    one(folder.path(), "small").test().run(&data()).unwrap();
}

#[test]
fn a_damaged_result_is_named_under_another_name_of_its_trial_too() {
    let folder = tempfile::tempdir().unwrap();
    one(folder.path(), "old").run(&data()).unwrap();
    let path = only(folder.path(), ".json");
    fs::write(&path, "{").unwrap();
    let refused = one(folder.path(), "new")
        .run(&data())
        .unwrap_err()
        .to_string();
    assert!(refused.contains(path.to_str().unwrap()), "{refused}");
}
