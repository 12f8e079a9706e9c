//! Standard output, which may be closed (`>&-`): then nothing can be answered, and the exit status says so.

use std::io::{self, StdoutLock};
#[cfg(unix)]
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether standard output was closed when the program began.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// Asks before `main`: Rust's runtime opens `/dev/null` in the place of a closed descriptor, and nothing tells that from
/// a `/dev/null` that was handed over.
///
/// The word in brackets is asked for by `ctor` because code before `main` may not rely on the runtime; duplicating a
/// descriptor is a single system call.
#[cfg(unix)]
#[ctor::ctor(unsafe)]
fn look() {
    CLOSED.store(io::stdout().as_fd().try_clone_to_owned().is_err(), Ordering::Relaxed);
}

/// Standard output, to be written to.
///
/// # Errors
/// It is closed.
pub(super) fn open() -> io::Result<StdoutLock<'static>> {
    if CLOSED.load(Ordering::Relaxed) {
        return Err(io::Error::other("it is closed"));
    }
    Ok(io::stdout().lock())
}
