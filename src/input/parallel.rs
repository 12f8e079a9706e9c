//! Parts of a text read by several threads, their objects put back in order.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// A part's text is at least so long, so that starting threads is worth it.
pub(super) const SMALLEST_PART: usize = 1 << 19;

/// Parts for each thread, so that one slow part does not keep all waiting.
const PARTS_PER_THREAD: usize = 8;

/// Into how many parts to cut a text of so many bytes.
pub(super) fn parts(bytes: usize) -> usize {
    (bytes / SMALLEST_PART).clamp(1, threads() * PARTS_PER_THREAD)
}

fn threads() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// What the work makes of each part, in the order of the parts; nothing if it fails for one.
pub(super) fn in_order<P: Sync, R: Send>(
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
}
