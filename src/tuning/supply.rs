//! Painted scenes, made on threads of their own while something else computes.

use crate::corpus::{Painter, Sample};
use crate::{Error, Result};
use crossbeam_channel::{Receiver, bounded};
use std::sync::Arc;

/// Scenes that wait at most, for each thread.
const WAITING: usize = 32;

/// Scenes of consecutive seeds, in the order in which they get ready; the threads end with it.
pub struct Supply {
    ready: Receiver<Sample>,
}

impl Supply {
    /// Scenes from seed `first` on, `side` pixels wide and high, painted by so many threads. One thread keeps their order.
    pub fn new(painter: &Arc<Painter>, first: u64, side: usize, threads: usize) -> Self {
        let threads = threads.max(1) as u64;
        let (send, ready) = bounded(WAITING * threads as usize);
        for thread in 0..threads {
            let (painter, send) = (painter.clone(), send.clone());
            std::thread::spawn(move || {
                let mut seed = first + thread;
                while send.send(painter.paint(seed, side)).is_ok() {
                    seed += threads;
                }
            });
        }
        Self { ready }
    }

    /// The next scene.
    ///
    /// # Errors
    /// When every painter stopped.
    pub fn next(&self) -> Result<Sample> {
        let vanished = |_| Error::failed("The painter stopped; see the message above and start again with --resume.");
        self.ready.recv().map_err(vanished)
    }

    /// So many scenes, waiting for them.
    ///
    /// # Errors
    /// When every painter stopped.
    pub fn take(&self, count: usize) -> Result<Vec<Sample>> {
        (0..count).map(|_| self.next()).collect()
    }

    /// Scenes that are ready.
    pub fn waiting(&self) -> usize {
        self.ready.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_comes_once() {
        let painter = Arc::new(Painter::new(None).unwrap());
        let sum = |samples: &[Sample]| -> Vec<u64> {
            let mut sums: Vec<u64> = samples.iter().map(|s| s.rgb.iter().map(|v| u64::from(*v)).sum::<u64>()).collect();
            sums.sort_unstable();
            sums
        };
        let own: Vec<Sample> = (7..13).map(|seed| painter.paint(seed, 16)).collect();
        let one = Supply::new(&painter, 7, 16, 1).take(6).unwrap();
        assert!(own.iter().zip(&one).all(|(a, b)| a.rgb == b.rgb), "in order");
        // Six threads, each with its first scene, in any order: the later ones of a quick thread stay out by their number.
        let many = Supply::new(&painter, 7, 16, 6).take(60).unwrap();
        let all = sum(&many);
        assert!(sum(&own).iter().filter(|s| all.contains(s)).count() >= 5, "nearly all of the first are there");
    }
}
