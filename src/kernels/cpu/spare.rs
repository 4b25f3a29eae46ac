//! Buffers that are used again: fresh pages from the system and zeros that nobody reads cost a tenth of a training step.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// Most bytes of one kind of number that wait.
const WAITING: usize = 96 << 20;

/// A kind of number that buffers are kept of.
pub trait Kept: Copy + Default + Send + 'static {
    /// The buffers that wait.
    fn waiting() -> &'static Mutex<Vec<Vec<Self>>>;
}

macro_rules! kept {
    ($($kind:ty),+) => {
        $(impl Kept for $kind {
            fn waiting() -> &'static Mutex<Vec<Vec<Self>>> {
                static WAITING: Mutex<Vec<Vec<$kind>>> = Mutex::new(Vec::new());
                &WAITING
            }
        })+
    };
}
kept!(f32, u16, u32);

/// A slice whose memory goes back when it is dropped.
pub struct Buffer<T: Kept> {
    data: Vec<T>,
    len: usize,
}

impl<T: Kept> Buffer<T> {
    /// `len` numbers of no particular value: whoever takes them writes all that he reads.
    pub fn new(len: usize) -> Self {
        let mut waiting = T::waiting().lock().unwrap_or_else(PoisonError::into_inner);
        // The smallest that is long enough; else a new one.
        let best = (0..waiting.len()).filter(|i| waiting[*i].len() >= len).min_by_key(|i| waiting[*i].len());
        let data = best.map(|i| waiting.swap_remove(i));
        drop(waiting);
        Self { data: data.unwrap_or_else(|| vec![T::default(); len]), len }
    }
}

impl<T: Kept> Buffer<T> {
    /// `len` zeros in memory of their own, for what is kept long: none of the waiting buffers is used up for it.
    pub fn exact(len: usize) -> Self {
        Self { data: vec![T::default(); len], len }
    }
}

impl<T: Kept> Deref for Buffer<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.data[..self.len]
    }
}

impl<T: Kept> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.data[..self.len]
    }
}

impl<T: Kept> Drop for Buffer<T> {
    fn drop(&mut self) {
        let data = std::mem::take(&mut self.data);
        let mut waiting = T::waiting().lock().unwrap_or_else(PoisonError::into_inner);
        let held: usize = waiting.iter().map(Vec::len).sum();
        // The longest serve most, so a short one makes room.
        if (held + data.len()) * size_of::<T>() > WAITING
            && let Some(i) = (0..waiting.len()).min_by_key(|i| waiting[*i].len())
            && waiting[i].len() < data.len()
        {
            waiting.swap_remove(i);
        }
        let held: usize = waiting.iter().map(Vec::len).sum();
        if (held + data.len()) * size_of::<T>() <= WAITING {
            waiting.push(data);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_have_their_length_and_are_written_freely() {
        for len in [0, 5, 1000, 3] {
            let mut a = Buffer::<u16>::new(len);
            let b = Buffer::<u16>::new(len);
            assert_eq!((a.len(), b.len()), (len, len));
            a.fill(7);
            assert!(a.iter().all(|v| *v == 7));
        }
        // More than may wait is given back to the system.
        let many: Vec<_> = (0..12).map(|_| Buffer::<u32>::new(4 << 20)).collect();
        drop(many);
        let held: usize = u32::waiting().lock().unwrap().iter().map(Vec::len).sum();
        assert!(held * 4 <= WAITING);
    }
}
