//! Whether a checkpoint fits into the machine's memory: what it needs, what is free, what to do.

use serde::Serialize;
use sysinfo::{MemoryRefreshKind, RefreshKind, System};

/// Bytes that a weight takes while the CPU computes with it, whatever it takes on disk.
const BYTES_A_WEIGHT: u64 = 4;
/// What the program itself and the smaller tensors take, in bytes.
const HOUSEHOLD: u64 = 200 << 20;
/// Copies of its widest, finest layer that the autoencoder holds at once, in f32.
const COPIES: u64 = 4;

/// What one picture may take in the autoencoder, in bytes; larger ones go through it by tiles.
pub const PICTURE_LIMIT: u64 = 4_500_000_000;

/// What a picture of so many pixels takes in an autoencoder whose finest level has `width` channels, in bytes.
pub fn decoding(pixels: u64, width: usize) -> u64 {
    // The decoder's finest level begins with twice its width.
    pixels.saturating_mul(2 * width as u64).saturating_mul(4 * COPIES)
}

/// What a checkpoint needs, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Need {
    /// Its weights as the CPU computes with them.
    pub weights: u64,
    /// An estimate of what one picture takes beside them, the autoencoder's finest level being the most.
    pub picture: u64,
    /// Side of that picture, pixels.
    pub side: u32,
}

impl Need {
    /// For `parameters` weights and a square picture of `side` pixels through an autoencoder whose finest level has `width`
    /// channels.
    pub fn new(parameters: u64, side: u32, width: usize) -> Self {
        let pixels = u64::from(side) * u64::from(side);
        let picture = decoding(pixels, width).min(PICTURE_LIMIT);
        Self { weights: parameters.saturating_mul(BYTES_A_WEIGHT), picture: picture.saturating_add(HOUSEHOLD), side }
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        self.weights.saturating_add(self.picture)
    }
}

/// The machine's memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// What programs can still take without swapping.
    pub free: u64,
    /// All of it.
    pub total: u64,
}

impl Machine {
    /// Asks the system; `None` where it does not say. A limit that the program runs under counts like a smaller machine.
    pub fn ask() -> Option<Self> {
        let system =
            System::new_with_specifics(RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram()));
        let (mut free, mut total) = (system.available_memory(), system.total_memory());
        if let Some(limit) = system.cgroup_limits().filter(|limit| limit.total_memory > 0) {
            // What the limit calls free lacks the file cache, which makes room when programs want it.
            free = free.min(limit.total_memory.saturating_sub(limit.rss));
            total = total.min(limit.total_memory);
        }
        (total > 0).then_some(Self { free, total })
    }
}

/// Whether a need fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// Weights and a picture of its native size.
    Yes,
    /// The weights, but not a picture of its native size beside them.
    Smaller,
    /// Not even the weights.
    No,
}

/// Whether it fits.
pub fn fit(need: &Need, machine: &Machine) -> Fit {
    if need.total() <= machine.free {
        Fit::Yes
    } else if need.weights.saturating_add(HOUSEHOLD) < machine.free {
        Fit::Smaller
    } else {
        Fit::No
    }
}

/// One sentence: what is needed, what is free, and what would fit.
pub fn sentence(need: &Need, machine: &Machine) -> String {
    let said = format!(
        "needs about {} ({} for its weights, {} for a picture of {side} x {side}) of {} free",
        gigabytes(need.total()),
        gigabytes(need.weights),
        gigabytes(need.picture),
        gigabytes(machine.free),
        side = need.side,
    );
    match fit(need, machine) {
        Fit::Yes => format!("{said}: it fits"),
        Fit::Smaller => {
            let left = machine.free.saturating_sub(need.weights).saturating_sub(HOUSEHOLD);
            let share = left as f64 / need.picture.saturating_sub(HOUSEHOLD).max(1) as f64;
            let side = (f64::from(need.side) * share.sqrt()) as u32 / 64 * 64;
            format!("{said}: the weights fit, pictures up to about {0} x {0} do", side.max(64))
        }
        Fit::No if need.weights.saturating_add(HOUSEHOLD) < machine.total => {
            format!("{said} and {} in all: it fits once other programs are closed", gigabytes(machine.total))
        }
        Fit::No => format!(
            "{said} and {} in all: it does not fit this machine; a checkpoint of up to {} million weights does",
            gigabytes(machine.total),
            machine.free.saturating_sub(HOUSEHOLD) / BYTES_A_WEIGHT / 1_000_000
        ),
    }
}

/// Bytes as people say them.
pub fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_follow_from_what_is_free() {
        const GB: u64 = 1_000_000_000;
        let need = Need::new(3_500_000_000, 1024, 128);
        assert_eq!(need.weights, 14 * GB);
        let verdict = |free, total| {
            let machine = Machine { free: free * GB, total: total * GB };
            (fit(&need, &machine), sentence(&need, &machine))
        };
        assert_eq!(verdict(22, 24).0, Fit::Yes);
        let (fits, words) = verdict(15, 24);
        assert!(fits == Fit::Smaller && words.contains("pictures up to about 384 x 384"), "{words}");
        let (fits, words) = verdict(10, 24);
        assert!(fits == Fit::No && words.contains("other programs are closed"), "{words}");
        let (fits, words) = verdict(7, 8);
        assert!(fits == Fit::No && words.contains("does not fit this machine"), "{words}");
    }

    #[test]
    fn the_machine_says_what_it_has() {
        let machine = Machine::ask().expect("a system that is known");
        assert!(machine.free > 0 && machine.free <= machine.total, "{machine:?}");
    }
}
