//! Results whose memory is cleared by the thread that fills it, a part at a time: zeros that the allocator writes beforehand, on one
//! thread and through memory, cost half of a layer normalisation and a twelfth of a convolution.

use rayon::prelude::*;
use std::mem::MaybeUninit;

/// Numbers that are cleared at a time.
const STRIDE: usize = 1024;

fn clear(place: &mut [MaybeUninit<f32>]) -> &mut [f32] {
    for part in place.chunks_mut(STRIDE) {
        let len = part.len();
        part.write_copy_of_slice(&[0.0; STRIDE][..len]);
    }
    // SAFETY: the chunks are the whole slice, and each was written.
    unsafe { place.assume_init_mut() }
}

/// A vector of `len` numbers, in parts of `part` (the last one may be shorter): `fill` gets the number of a part and its zeros, in
/// parallel. Parts that fit a core's cache gain most.
pub fn parts(len: usize, part: usize, fill: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    let part = part.max(1);
    let lengths = (0..len.div_ceil(part)).map(|i| part.min(len - i * part));
    uneven(lengths, fill)
}

/// The same of parts of any lengths, one after the other.
pub fn uneven(lengths: impl Iterator<Item = usize>, fill: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    let lengths: Vec<usize> = lengths.collect();
    let len = lengths.iter().sum();
    let mut numbers: Vec<f32> = Vec::with_capacity(len);
    let mut rest = &mut numbers.spare_capacity_mut()[..len];
    let mut places = Vec::with_capacity(lengths.len());
    for length in lengths {
        let (place, others) = rest.split_at_mut(length);
        places.push(place);
        rest = others;
    }
    places.into_par_iter().enumerate().for_each(|(i, place)| fill(i, clear(place)));
    // SAFETY: the places together are the first `len` numbers, and each was cleared.
    unsafe { numbers.set_len(len) };
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_cleared_and_every_part_is_seen_once() {
        for (len, part) in [(0, 3), (1, 1), (7, 3), (5000, 1500), (6, 100)] {
            let seen = parts(len, part, |i, out| {
                assert!(out.iter().all(|v| *v == 0.0));
                out.fill(i as f32 + 1.0);
            });
            let expected: Vec<f32> = (0..len).map(|i| (i / part) as f32 + 1.0).collect();
            assert_eq!(seen, expected, "{len} in {part}");
        }
        let seen = uneven([2, 0, 3].into_iter(), |i, out| out.fill(i as f32));
        assert_eq!(seen, [0.0, 0.0, 2.0, 2.0, 2.0]);
    }
}
