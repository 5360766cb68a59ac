//! The instruction set that the environment names, each in a process of its own.
use std::process::Output;

use fmnist_lib::{FitConfig, Verbose, fit};

use crate::program;
use crate::striped;
use crate::training::small;

const TRAIN: &str = "isa::each_instruction_set_trains_to_the_same_loss";

/// What a process says that trains where `FMNIST_ISA` is so.
fn train(isa: &str) -> Output {
    let mut command = program::command(TRAIN);
    command.env("FMNIST_ISA", isa).output().unwrap()
}

#[test]
fn each_instruction_set_trains_to_the_same_loss() {
    if program::is_running() {
        let mut model = match small().build(1) {
            Ok(model) => model,
            Err(error) => return println!("error {error}"),
        };
        let config = FitConfig::default().epochs(3).batch_size(64);
        let run = fit(
            &mut model,
            &striped(512, 1),
            None,
            config.verbose(Verbose::Silent),
        )
        .unwrap();
        println!("loss {} end", run.history.last().unwrap().loss);
        return;
    }
    let loss = |isa: &str| -> f64 {
        let said = String::from_utf8(train(isa).stdout).unwrap();
        let loss = said
            .split_once("loss ")
            .and_then(|(_, rest)| rest.split_once(" end"));
        loss.expect(&said).0.parse().unwrap()
    };
    let portable = loss("portable");
    let fastest = loss("");
    assert!(
        (portable - fastest).abs() < 1e-3 * portable,
        "{portable} and {fastest}"
    );
}

#[test]
fn an_instruction_set_that_there_is_not_is_an_error_that_tells_what_there_is() {
    let said = String::from_utf8(train("avx9").stdout).unwrap();
    let expected = "FMNIST_ISA is avx9, but this processor computes by ";
    assert!(
        said.contains(expected) && said.contains("portable"),
        "{said}"
    );
}
