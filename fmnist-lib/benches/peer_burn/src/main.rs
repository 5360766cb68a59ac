//! burn, for `cargo bench`: the arguments, commands and answers of ../peer_keras.py.

mod layers;
mod networks;
mod training;

use std::error::Error;
use std::{env, fs, io};

use burn::prelude::*;
use training::{Images, Trained};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [pixels, labels, threads] = arguments.as_slice() else {
        return Err("usage: peer-burn IMAGES LABELS THREADS".into());
    };
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads.parse()?)
        .build_global()?;
    let device = Device::flex();
    let images = Images::new(&fs::read(pixels)?, &fs::read(labels)?, &device);
    println!("> burn {}", version());
    let mut last: Option<(String, Trained)> = None;
    for line in io::stdin().lines() {
        let line = line?;
        let [choose, name, steps, batch] = line.split(' ').collect::<Vec<_>>()[..] else {
            return Err(format!("what is {line}?").into());
        };
        let kept = last
            .take()
            .filter(|(of, _)| of == name && choose == "fastest");
        let Some(trained) = kept
            .map(|(_, it)| it)
            .or_else(|| Trained::new(name, &device))
        else {
            println!("> -");
            continue;
        };
        if choose == "parameters" {
            println!("> {}", trained.parameters());
            continue;
        }
        let (trained, speed) = trained.train(&images, steps.parse()?, batch.parse()?);
        println!("> {speed}");
        last = Some((name.to_owned(), trained));
    }
    Ok(())
}

/// burn does not tell its version.
fn version() -> &'static str {
    let lock = include_str!("../Cargo.lock");
    let burn = lock.split("name = \"burn\"\nversion = \"").nth(1);
    burn.and_then(|text| text.split('"').next()).unwrap_or("?")
}
