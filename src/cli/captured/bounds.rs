//! Limits of what is read, so that a malicious archive cannot use up memory or time.

use std::io::{self, Read};

/// The most bytes of text that are read; a node with 10,000 Services of 25 endpoints prints 100 MB.
const LARGEST: u64 = 1 << 30;
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

    /// Reads another text, which has to fit into what is left.
    pub(super) fn text(&mut self, from: impl Read) -> io::Result<String> {
        let mut text = String::new();
        let length = from.take(self.texts + 1).read_to_string(&mut text)?;
        self.texts = self.texts.checked_sub(length as u64).ok_or_else(|| {
            io::Error::other("with it there is more than 1 GiB of text: give what one node printed")
        })?;
        Ok(text)
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

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            io::Error::other("it is larger than 8 GiB when unpacked: give what one node printed")
        })?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_files_are_bounded_together() {
        let mut budget = Budget { files: 2, texts: 10 };
        assert_eq!(budget.text(&b"123456"[..]).unwrap(), "123456");
        assert_eq!(budget.text(&b"7890"[..]).unwrap(), "7890");
        assert!(budget.text(&b"1"[..]).unwrap_err().to_string().contains("more than 1 GiB of text"));
        assert!(budget.file().and_then(|()| budget.file()).is_ok());
        assert!(budget.file().unwrap_err().to_string().contains("more than 200000 files"));
    }

    #[test]
    fn what_is_unpacked_is_bounded() {
        let read = |left| io::read_to_string(Unpacked { inner: io::repeat(b'x').take(10), left });
        assert_eq!(read(10).unwrap().len(), 10);
        assert!(read(9).unwrap_err().to_string().contains("larger than 8 GiB when unpacked"));
    }
}
