//! What processes that train together can do for each other, whatever carries it.

/// The processes of a job. What one says by `tell`, the others `hear`; all call any other method at the same time.
pub(crate) trait Peers: Sync {
    /// Which of them this is; 0 leads.
    fn rank(&self) -> usize {
        0
    }

    /// How many there are.
    fn size(&self) -> usize {
        1
    }

    /// Says something to each process that follows.
    fn tell(&self, _words: &[u8]) {}

    /// Waits until the process that leads says something.
    #[cfg(feature = "mpi")]
    fn hear(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Hands over what the process that leads has; what the others give is of no account.
    fn broadcast(&self, of_leader: Vec<u8>) -> Vec<u8> {
        of_leader
    }

    /// What each process gives, in the order of their ranks. All give as many numbers.
    fn all_gather(&self, own: &[f32]) -> Vec<f32> {
        own.to_vec()
    }

    /// Cuts what each process gives into one piece for each of them, all of the same length; returns the pieces that
    /// are for this one, in the order of their senders' ranks.
    fn all_to_all(&self, own: &[f32]) -> Vec<f32> {
        own.to_vec()
    }

    /// Ends all processes, and says why.
    fn abort(&self, why: &str) -> ! {
        panic!("{why}")
    }
}

/// A process by itself.
pub(crate) struct Alone;

impl Peers for Alone {}
