//! Limits of what is read, so that a malicious archive cannot use up memory or time.

use std::io;

/// The largest text read; a node with 10,000 Services of 25 endpoints prints 100 MB.
pub(super) const LARGEST: u64 = 1 << 30;
/// How many bytes of a file are read to tell what it is.
pub(super) const HEAD: u64 = 1 << 16;
/// At most this many files are looked at.
const MOST_FILES: usize = 200_000;
/// At most this many bytes are unpacked, ignored files included.
const MOST_UNPACKED: u64 = 8 << 30;
/// Folders within folders.
pub(super) const DEEPEST: usize = 64;

/// How much may still be read in this run.
#[derive(Debug)]
pub(super) struct Budget {
    files: usize,
    texts: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Budget { files: MOST_FILES, texts: LARGEST }
    }
}

impl Budget {
    /// Another file.
    pub(super) fn file(&mut self) -> io::Result<()> {
        self.files = self.files.checked_sub(1).ok_or_else(|| {
            io::Error::other(format!("it has more than {MOST_FILES} files: give the folder of one node"))
        })?;
        Ok(())
    }

    /// How long the next text may be.
    pub(super) fn left(&self) -> u64 {
        self.texts
    }

    /// A text that was read.
    pub(super) fn text(&mut self, length: usize) {
        self.texts = self.texts.saturating_sub(length as u64);
    }
}

/// Ends with an error where a compressed file goes on and on.
#[derive(Debug)]
pub(super) struct Unpacked<R> {
    inner: R,
    left: u64,
}

impl<R> Unpacked<R> {
    pub(super) fn new(inner: R) -> Self {
        Unpacked { inner, left: MOST_UNPACKED }
    }
}

impl<R: io::Read> io::Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| io::Error::other("it is larger than 8 GiB when unpacked"))?;
        Ok(read)
    }
}
