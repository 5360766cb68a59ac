//! Stop without loss: while the library works, the interrupt signal is a request.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use signal_hook::consts::SIGINT;
use signal_hook::flag;

/// Takes the interrupt signal (Ctrl-C, a notebook's Stop button) for as long as it lives: the first
/// one is noted, and a second one ends the process, as the first does where nobody listens.
pub(crate) struct Interruptible(());

impl Interruptible {
    pub(crate) fn begin() -> Self {
        let mut listeners = SIGNAL.listeners();
        if *listeners == 0 {
            SIGNAL.deadly.store(false, Ordering::Relaxed);
        }
        *listeners += 1;
        Self(())
    }

    /// Whether the signal has come.
    pub(crate) fn requested(&self) -> bool {
        SIGNAL.deadly.load(Ordering::Relaxed)
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
    /// Whether the next signal ends the process: nobody listens, or one has come already.
    deadly: Arc<AtomicBool>,
    listeners: Mutex<usize>,
}

impl Signal {
    fn listeners(&self) -> MutexGuard<'_, usize> {
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

static SIGNAL: LazyLock<Signal> = LazyLock::new(|| {
    let deadly = Arc::new(AtomicBool::new(true));
    // In this order: the signal that arms the first action must not set it off.
    let registered = flag::register_conditional_default(SIGINT, Arc::clone(&deadly))
        .and_then(|_| flag::register(SIGINT, Arc::clone(&deadly)));
    // Without signals a run cannot be stopped, and is none the worse for it.
    drop(registered);
    Signal {
        deadly,
        listeners: Mutex::new(0),
    }
});
