//! Where a result comes from.

use std::env::consts::{ARCH, OS};
use std::fmt;
use std::time::SystemTime;

use fmnist_kernels as kernels;
use serde::{Deserialize, Serialize};

/// Where the result of a run comes from. What is not known is `None`.
///
/// None of this decides whether a result is found again: a result from another machine or an earlier
/// version of this library counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Origin {
    /// Version of fmnist-lib: `0.1.0`.
    pub library: Option<String>,
    /// The processor, in its maker's words: `AMD EPYC 9B14`.
    pub cpu: Option<String>,
    /// The instruction set that the kernels used: `AVX-512`, `AVX2` or `portable`.
    pub instruction_set: Option<String>,
    /// Threads that shared the work of each step.
    pub threads: Option<usize>,
    /// Operating system and architecture: `linux x86_64`.
    pub system: Option<String>,
    /// When training ended, in UTC: `2026-11-26T20:13:05Z`.
    pub ended: Option<String>,
    /// What else is to be known: that a result was converted from an older form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Origin {
    /// This library on this machine, now.
    pub(super) fn here() -> Self {
        let now = humantime::format_rfc3339_seconds(SystemTime::now());
        Self {
            library: Some(env!("CARGO_PKG_VERSION").to_owned()),
            cpu: cpu(),
            instruction_set: Some(kernels::Isa::best().name().to_owned()),
            threads: Some(rayon::current_num_threads()),
            system: Some(format!("{OS} {ARCH}")),
            ended: Some(now.to_string()),
            note: None,
        }
    }
}

/// `fmnist-lib 0.1.0, AMD EPYC 9B14, AVX-512, 2 threads, linux x86_64`.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = |text: &Option<String>, what: &str| {
            let text = text.clone();
            text.unwrap_or_else(|| format!("{what} unknown"))
        };
        write!(
            f,
            "fmnist-lib {}, {}, {}, ",
            self.library.as_deref().unwrap_or("of an unknown version"),
            known(&self.cpu, "processor"),
            known(&self.instruction_set, "instruction set"),
        )?;
        match self.threads {
            Some(1) => write!(f, "1 thread")?,
            Some(threads) => write!(f, "{threads} threads")?,
            None => write!(f, "number of threads unknown")?,
        }
        write!(f, ", {}", known(&self.system, "system"))
    }
}

fn cpu() -> Option<String> {
    let named = |text: String| {
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        let mut names = lines.filter(|(field, _)| field.trim() == "model name");
        names.next().map(|(_, name)| name.trim().to_owned())
    };
    match OS {
        "linux" => std::fs::read_to_string("/proc/cpuinfo")
            .ok()
            .and_then(named),
        "macos" => {
            let mut sysctl = std::process::Command::new("sysctl");
            let output = sysctl.args(["-n", "machdep.cpu.brand_string"]).output();
            let name = String::from_utf8(output.ok()?.stdout).ok()?;
            Some(name.trim().to_owned()).filter(|name| !name.is_empty())
        }
        "windows" => std::env::var("PROCESSOR_IDENTIFIER").ok(),
        _ => None,
    }
}
