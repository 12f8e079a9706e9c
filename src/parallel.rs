//! Work divided into parts for several threads, with its results in order.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;

/// The minimum length of a part's text for which starting threads is worth it.
pub(crate) const SMALLEST_PART: usize = 1 << 19;

/// Parts for each thread, so that one slow part does not delay everything.
const PARTS_PER_THREAD: usize = 8;

/// Into how many parts to divide a text of this many bytes.
pub(crate) fn parts(bytes: usize) -> usize {
    (bytes / SMALLEST_PART).clamp(1, threads() * PARTS_PER_THREAD)
}

/// Number of threads to share work among. Fuzzing uses one: what it learns from a run must not depend on how threads
/// are scheduled.
pub(crate) fn threads() -> usize {
    if cfg!(fuzzing) {
        return 1;
    }
    // The system is asked only once, since it reads control group files for the answer.
    static THREADS: OnceLock<usize> = OnceLock::new();
    *THREADS.get_or_init(|| thread::available_parallelism().map_or(1, std::num::NonZero::get))
}

/// The results of the work for each part, in the order of the parts; none if it fails for one.
pub(crate) fn in_order<P: Sync, R: Send>(
    parts: &[P],
    work: impl Fn(&P) -> Option<R> + Sync,
) -> Option<Vec<R>> {
    let threads = threads().min(parts.len());
    if threads < 2 {
        return parts.iter().map(work).collect();
    }
    let results: Vec<Mutex<Option<R>>> = parts.iter().map(|_| Mutex::new(None)).collect();
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !failed.load(Ordering::Relaxed) {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let (Some(part), Some(slot)) = (parts.get(at), results.get(at)) else { break };
                    let result = work(part);
                    failed.fetch_or(result.is_none(), Ordering::Relaxed);
                    if let Ok(mut slot) = slot.lock() {
                        *slot = result;
                    }
                }
            });
        }
    });
    results.into_iter().map(|slot| slot.into_inner().ok().flatten()).collect()
}

/// Fills a buffer, one piece per thread; the work gets the offset of its piece.
pub(crate) fn fill<E: Send>(
    buffer: &mut [u8],
    work: impl Fn(usize, &mut [u8]) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let length = buffer.len().div_ceil(threads()).max(1);
    let work = &work;
    thread::scope(|scope| {
        let pieces = buffer.chunks_mut(length).enumerate();
        let running: Vec<_> = pieces.map(|(i, piece)| scope.spawn(move || work(i * length, piece))).collect();
        running.into_iter().try_for_each(|piece| piece.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

/// Does two things at once.
pub(crate) fn both<A: Send, B>(one: impl FnOnce() -> A + Send, other: impl FnOnce() -> B) -> (A, B) {
    if threads() < 2 {
        return (one(), other());
    }
    thread::scope(|scope| {
        let one = scope.spawn(one);
        let other = other();
        (one.join().unwrap_or_else(|panic| resume_unwind(panic)), other)
    })
}

/// The results of the work for each item of a list, in order.
pub(crate) fn each<T: Sync, R: Send>(list: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    in_order(list, |item| Some(work(item))).unwrap_or_default()
}

/// The results of the work for each item of a list, in order; items are dropped as soon as they are done.
pub(crate) fn map<T: Send, R: Send>(list: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let list: Vec<Mutex<Option<T>>> = list.into_iter().map(|item| Mutex::new(Some(item))).collect();
    let take = |item: &Mutex<Option<T>>| item.lock().ok().and_then(|mut item| item.take());
    in_order(&list, |item| take(item).map(&work)).unwrap_or_default()
}

/// The results of the work for each stretch of a list, in order; a stretch is long enough for a thread to be worth
/// starting.
pub(crate) fn by_stretch<'t, T: Sync, R: Send>(
    list: &'t [T],
    shortest: usize,
    work: impl Fn(usize, &'t [T]) -> R + Sync,
) -> Vec<R> {
    let stretches = (list.len() / shortest.max(1)).clamp(1, threads() * PARTS_PER_THREAD);
    let length = list.len().div_ceil(stretches).max(1);
    let parts: Vec<(usize, &'t [T])> =
        list.chunks(length).enumerate().map(|(i, part)| (i * length, part)).collect();
    in_order(&parts, |(first, part)| Some(work(*first, part))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_the_parts() {
        let parts: Vec<usize> = (0..100).collect();
        let squares = in_order(&parts, |n| Some(n * n)).unwrap();
        assert!(squares.iter().zip(&parts).all(|(square, n)| *square == n * n));
        assert_eq!(in_order(&parts, |n| (*n != 50).then_some(())), None);
    }

    #[test]
    fn every_byte_is_filled_or_the_fault_told() {
        let mut buffer = [0; 99];
        let number = |offset: usize, piece: &mut [u8]| {
            piece.iter_mut().enumerate().for_each(|(i, byte)| *byte = (offset + i) as u8);
            if offset + piece.len() > 99 { Err("beyond the end") } else { Ok(()) }
        };
        assert_eq!(fill(&mut buffer, number), Ok(()));
        assert!(buffer.iter().enumerate().all(|(i, byte)| usize::from(*byte) == i));
        assert_eq!(fill(&mut buffer, |_, _| Err("no")), Err("no"));
        assert_eq!(fill(&mut [], |_, _| Err("no")), Ok(()));
    }
}
