//! What this machine says of itself.

use std::{env, fs};

fn cpuinfo() -> String {
    fs::read_to_string("/proc/cpuinfo").unwrap_or_default()
}

pub(crate) fn processor() -> String {
    let text = cpuinfo();
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map(|rest| rest.trim_start_matches([' ', '\t', ':']));
    name.unwrap_or(env::consts::ARCH).to_owned()
}

/// Whether the processor multiplies bf16 numbers, on x86 or ARM.
pub(crate) fn has_bf16() -> bool {
    let flags = ["avx512_bf16", "amx_bf16", "bf16"];
    cpuinfo()
        .split_whitespace()
        .any(|word| flags.contains(&word))
}

pub(crate) fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ')
        .next()
        .filter(|word| !word.is_empty())
        .unwrap_or("unknown")
        .to_owned()
}
