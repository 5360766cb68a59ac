//! Stop without loss: while the library works, the interrupt signal is a request.

use std::io::{Write, stderr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use signal_hook::consts::SIGINT;
use signal_hook::flag;

/// Takes the interrupt signal (Ctrl-C, a notebook's Stop button) for as long as it lives: the first
/// one is noted, and a second one ends the process, as the first does where nobody listens.
///
/// A host program that had a handler of its own before, or ignored the signal, keeps it so: its handler
/// is called at any time, and the process does not end by the signal.
pub(crate) struct Interruptible(());

impl Interruptible {
    pub(crate) fn begin() -> Self {
        let mut listeners = SIGNAL.listeners();
        if *listeners == 0 {
            SIGNAL.requested.store(false, Ordering::Relaxed);
            SIGNAL.deadly.store(false, Ordering::Relaxed);
        }
        *listeners += 1;
        Self(())
    }

    /// Whether the signal has come.
    pub(crate) fn requested(&self) -> bool {
        SIGNAL.requested.load(Ordering::Relaxed)
    }
}

impl Drop for Interruptible {
    fn drop(&mut self) {
        let mut listeners = SIGNAL.listeners();
        *listeners -= 1;
        if *listeners == 0 {
            SIGNAL.deadly.store(true, Ordering::Relaxed);
        }
    }
}

struct Signal {
    /// Whether the signal has come since somebody began to listen.
    requested: Arc<AtomicBool>,
    /// Whether the next signal ends the process: nobody listens, or one has come already. It has no
    /// effect where the host takes care of the signal.
    deadly: Arc<AtomicBool>,
    listeners: Mutex<usize>,
}

impl Signal {
    fn listeners(&self) -> MutexGuard<'_, usize> {
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The host's handler, where there is one, is called with each signal, before ours: `signal_hook`
    /// sees to that. A handler that the host installs later takes the place of ours.
    fn register(&self) -> std::io::Result<()> {
        // `signal_hook` cannot give the signal back to the system. Where the host has left it alone,
        // the first action does what the system would do.
        if !host_handles(SIGINT) {
            // In this order: the signal that arms the first action must not set it off.
            flag::register_conditional_default(SIGINT, Arc::clone(&self.deadly))?;
            flag::register(SIGINT, Arc::clone(&self.deadly))?;
        }
        flag::register(SIGINT, Arc::clone(&self.requested))?;
        Ok(())
    }
}

static SIGNAL: LazyLock<Signal> = LazyLock::new(|| {
    let signal = Signal {
        requested: Arc::default(),
        deadly: Arc::new(AtomicBool::new(true)),
        listeners: Mutex::new(0),
    };
    if let Err(error) = signal.register() {
        let _ = writeln!(
            stderr(),
            "Ctrl-C and Stop cannot be noticed ({error}): they may end the process and what it has \
             learned. Set a checkpoint in the FitConfig."
        );
    }
    signal
});

/// Whether the process catches or ignores `signal`, as far as the system tells (Linux does).
fn host_handles(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let handled = status.lines().filter_map(|line| {
        let mask = (line.strip_prefix("SigCgt:")).or(line.strip_prefix("SigIgn:"))?;
        u64::from_str_radix(mask.trim(), 16).ok()
    });
    handled.fold(0, |all, mask| all | mask) & (1 << (signal - 1)) != 0
}
