//! Converts the results of sweeps that an early fmnist-lib 0.1.0 has written.
//!
//! That form did not say on which machine a result was made. Give what you know; the rest is noted as
//! unknown. The results beside the notebooks were converted by
//!
//! ```sh
//! cargo run --release --example convert_results -- notebooks/results/* \
//!     --cpu "AMD EPYC" --instruction-set AVX-512 --threads 2 --note "converted from ..."
//! ```

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use fmnist_lib::{FashionMnist, Origin, Result, convert_results};

#[derive(Parser)]
#[command(about = "Convert the results of sweeps that an early fmnist-lib 0.1.0 has written")]
struct Options {
    /// Folders of results
    #[arg(required = true)]
    folders: Vec<PathBuf>,
    /// Folder of the data, if it is in none of the usual places
    #[arg(long)]
    data: Option<PathBuf>,
    /// Processor that the results were made on
    #[arg(long)]
    cpu: Option<String>,
    /// AVX-512, AVX2 or portable
    #[arg(long)]
    instruction_set: Option<String>,
    /// Threads that trained
    #[arg(long)]
    threads: Option<usize>,
    /// Operating system and architecture: "linux x86_64"
    #[arg(long)]
    system: Option<String>,
    /// Version of fmnist-lib
    #[arg(long)]
    library: Option<String>,
    /// What a reader of the results should know
    #[arg(long)]
    note: Option<String>,
}

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> Result<ExitCode> {
    let data = match &options.data {
        Some(folder) => FashionMnist::load_from(folder)?,
        None => FashionMnist::load()?,
    };
    let mut origin = Origin::default();
    origin.library = options.library;
    origin.cpu = options.cpu;
    origin.instruction_set = options.instruction_set;
    origin.threads = options.threads;
    origin.system = options.system;
    origin.note = options.note;
    let mut code = ExitCode::SUCCESS;
    for folder in &options.folders {
        let done = convert_results(folder, &data, &origin)?;
        println!("{}: {} converted", folder.display(), done.converted);
        for (path, reason) in done.left {
            eprintln!("{} stays as it is: {reason}", path.display());
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}
