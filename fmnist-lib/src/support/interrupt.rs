//! Stop without loss: while the library works, the signals that end a process are requests.

use std::io::{Write, stderr};
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// The exit status of a process that SIGTERM has ended: 128 and the signal's number, which is what shells, Slurm,
/// Docker and Kubernetes report of a program that knows nothing of the signal.
const TERMINATED: i32 = 128 + SIGTERM;

/// Takes two signals for as long as it lives.
///
/// The interrupt signal (Ctrl-C, a notebook's Stop button) is noted, and the process goes on. A second one ends it, as
/// the first does where nobody listens.
///
/// The termination signal (of Slurm, Kubernetes or `docker stop`) is noted as well, and ends the process as soon as
/// nobody listens any more: what was at work has then saved what it saves. Any number of them is one request, as a
/// cluster may send several; whoever cannot wait sends SIGKILL.
///
/// A host program that had a handler of its own before, or ignored a signal, keeps it so: its handler
/// is called at any time, and the process does not end by that signal.
pub(crate) struct Interruptible(());

impl Interruptible {
    pub(crate) fn begin() -> Self {
        let mut listeners = SIGNALS.listeners();
        if *listeners == 0 {
            SIGNALS.requested.store(false, Ordering::SeqCst);
            SIGNALS.deadly.store(false, Ordering::SeqCst);
            SIGNALS.idle.store(false, Ordering::SeqCst);
        }
        *listeners += 1;
        Self(())
    }

    /// Whether one of the signals has come.
    pub(crate) fn requested(&self) -> bool {
        SIGNALS.requested.load(Ordering::SeqCst)
    }

    /// Whether the process is to end as soon as nobody listens any more.
    pub(crate) fn is_terminated(&self) -> bool {
        SIGNALS.terminated.load(Ordering::SeqCst)
    }

    /// As the termination signal: it has come to a process without which this one cannot go on.
    pub(crate) fn terminate(&self) {
        SIGNALS.requested.store(true, Ordering::SeqCst);
        SIGNALS.terminated.store(true, Ordering::SeqCst);
    }
}

impl Drop for Interruptible {
    fn drop(&mut self) {
        let mut listeners = SIGNALS.listeners();
        *listeners -= 1;
        if *listeners > 0 {
            return;
        }
        SIGNALS.deadly.store(true, Ordering::SeqCst);
        // From here on the signal itself ends the process; one that came before is seen below.
        SIGNALS.idle.store(true, Ordering::SeqCst);
        if SIGNALS.terminated.load(Ordering::SeqCst) {
            let _ = writeln!(
                stderr(),
                "terminated (SIGTERM): run the same program again; a sweep goes on where it was, and a training with a \
                 checkpoint by `resume`"
            );
            exit(TERMINATED);
        }
    }
}

struct Signals {
    /// Whether a signal has come since somebody began to listen.
    requested: Arc<AtomicBool>,
    /// Whether the next interrupt ends the process: nobody listens, or one has come already. It has no
    /// effect where the host takes care of the signal.
    deadly: Arc<AtomicBool>,
    /// Whether nobody listens.
    idle: Arc<AtomicBool>,
    /// Whether the process is to end, and the host does not take care of that.
    terminated: Arc<AtomicBool>,
    listeners: Mutex<usize>,
}

impl Signals {
    fn listeners(&self) -> MutexGuard<'_, usize> {
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The host's handler, where there is one, is called with each signal, before ours: `signal_hook`
    /// sees to that. A handler that the host installs later takes the place of ours.
    fn register(&self) -> std::io::Result<()> {
        // `signal_hook` cannot give a signal back to the system. Where the host has left it alone, the first action
        // does what the system would do. It stands first: the signal that arms it must not set it off.
        if !host_handles(SIGINT) {
            flag::register_conditional_default(SIGINT, Arc::clone(&self.deadly))?;
            flag::register(SIGINT, Arc::clone(&self.deadly))?;
        }
        if !host_handles(SIGTERM) {
            // By exit, as the system lets no signal of its own end the first process of a container.
            flag::register_conditional_shutdown(SIGTERM, TERMINATED, Arc::clone(&self.idle))?;
            flag::register(SIGTERM, Arc::clone(&self.terminated))?;
        }
        for signal in [SIGINT, SIGTERM] {
            flag::register(signal, Arc::clone(&self.requested))?;
        }
        Ok(())
    }
}

static SIGNALS: LazyLock<Signals> = LazyLock::new(|| {
    let signals = Signals {
        requested: Arc::default(),
        deadly: Arc::new(AtomicBool::new(true)),
        idle: Arc::new(AtomicBool::new(true)),
        terminated: Arc::default(),
        listeners: Mutex::new(0),
    };
    if let Err(error) = signals.register() {
        let _ = writeln!(
            stderr(),
            "Ctrl-C, Stop and SIGTERM cannot be noticed ({error}): they may end the process and what it has \
             learned. Set a checkpoint in the FitConfig."
        );
    }
    signals
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
