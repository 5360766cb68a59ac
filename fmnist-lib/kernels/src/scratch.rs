//! Working memory of the kernels: kept per thread, aligned to cache lines.
//!
//! A fresh allocation of a megabyte per task would be returned to the system and faulted in again,
//! and an unaligned one would make every 64-byte load touch two cache lines.

use std::cell::RefCell;

thread_local! {
    // A stack, because a thread that waits for parallel work may meanwhile start another task.
    static FREE: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Floats in a cache line.
const LINE: usize = 16;

/// Calls `work` with a slice of `len` floats, aligned to 64 bytes, of any (initialised) content.
pub(super) fn with<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut memory = FREE.with_borrow_mut(Vec::pop).unwrap_or_default();
    if memory.len() < len + LINE {
        memory.resize(len + LINE, 0.0);
    }
    let start = memory.as_ptr().align_offset(4 * LINE).min(LINE);
    let result = work(&mut memory[start..start + len]);
    FREE.with_borrow_mut(|free| free.push(memory));
    result
}
