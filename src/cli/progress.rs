//! A line on standard error that says what is going on, where work takes over a second and somebody watches.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::diagnostic::Inert;

/// Work shorter than this is not worth a line.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often the line is written anew.
const INTERVAL: Duration = Duration::from_millis(200);

/// What is going on; the line vanishes when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Progress {
    watched: Option<(Arc<Shared>, JoinHandle<()>)>,
}

#[derive(Debug, Default)]
struct Shared {
    /// What is going on; none when all is done.
    stage: Mutex<Option<String>>,
    ended: Condvar,
}

impl Progress {
    /// Shows progress if standard error is a terminal.
    pub(super) fn start() -> Progress {
        if !io::stderr().is_terminal() {
            return Progress::default();
        }
        let shared =
            Arc::new(Shared { stage: Mutex::new(Some("working".to_owned())), ended: Condvar::new() });
        let told = Arc::clone(&shared);
        Progress { watched: Some((shared, std::thread::spawn(move || told.tell()))) }
    }

    /// Says what is going on from now on.
    pub(super) fn stage(&self, what: impl Into<String>) {
        if let Some((shared, _)) = &self.watched {
            *shared.stage.lock().unwrap_or_else(PoisonError::into_inner) = Some(what.into());
        }
    }

    /// Says which of many similar things is being worked on.
    pub(super) fn step(&self, number: usize, count: usize, what: &str) {
        if self.watched.is_some() {
            self.stage(format!("{} {number} of {count}: {what}", bar(number, count)));
        }
    }
}

/// `[####------]`
fn bar(number: usize, count: usize) -> String {
    const WIDTH: usize = 30;
    let full = (number * WIDTH).checked_div(count).unwrap_or_default().min(WIDTH);
    format!("[{}{}]", "#".repeat(full), "-".repeat(WIDTH - full))
}

impl Shared {
    /// Writes the line until all is done.
    fn tell(&self) {
        let mut wait = PATIENCE;
        let mut shown = false;
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        while stage.is_some() {
            let (next, timeout) =
                self.ended.wait_timeout(stage, wait).unwrap_or_else(PoisonError::into_inner);
            stage = next;
            if let (true, Some(what)) = (timeout.timed_out(), stage.as_deref()) {
                // Where standard error is gone, nobody is left to tell.
                let _ = write!(io::stderr(), "\r\u{1b}[K{} ...", Inert(what));
                (wait, shown) = (INTERVAL, true);
            }
        }
        if shown {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let Some((shared, thread)) = self.watched.take() else { return };
        *shared.stage.lock().unwrap_or_else(PoisonError::into_inner) = None;
        shared.ended.notify_all();
        let _ = thread.join();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills_up() {
        assert_eq!(bar(0, 3), format!("[{}]", "-".repeat(30)));
        assert_eq!(bar(1, 3), format!("[{}{}]", "#".repeat(10), "-".repeat(20)));
        assert_eq!(bar(3, 3), format!("[{}]", "#".repeat(30)));
        assert_eq!(bar(1, 0).len(), 32);
    }
}
