//! Whatever the bytes, the IDX parser neither panics nor returns something of another shape.

#![no_main]

use fmnist_lib::{IdxContent, PIXELS, parse_idx};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for (content, size) in [(IdxContent::Images, PIXELS), (IdxContent::Labels, 1)] {
        for count in [0, 1, 3] {
            if let Ok(values) = parse_idx(bytes, content, count, "fuzz") {
                assert_eq!(values.len(), count as usize * size);
                assert!(content == IdxContent::Images || values.iter().all(|&label| label < 10));
            }
        }
    }
});
