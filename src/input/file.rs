//! The bytes of a file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use crate::parallel;

/// Files from this size on are read in pieces, in parallel: most of the time is spent on memory that is touched for the
/// first time.
const LARGE: u64 = 1 << 24;

/// Reads a file.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let length = usize::try_from(metadata.len()).ok().filter(|_| metadata.is_file());
    let mut bytes = match length.filter(|_| metadata.len() >= LARGE) {
        Some(length) => read_large(&mut file, length)?,
        None => Vec::new(),
    };
    // Nothing is left, unless the file has grown in the meantime.
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn read_large(file: &mut File, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    parallel::fill(&mut bytes, |offset, piece| read_exact_at(file, offset, piece))?;
    file.seek(SeekFrom::Start(length as u64))?;
    Ok(bytes)
}

#[cfg(unix)]
fn read_exact_at(file: &File, offset: usize, piece: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, piece, offset as u64)
}

#[cfg(windows)]
fn read_exact_at(file: &File, offset: usize, piece: &mut [u8]) -> io::Result<()> {
    let mut read = 0;
    while let Some(rest) = piece.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match std::os::windows::fs::FileExt::seek_read(file, rest, (offset + read) as u64)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => read += count,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// Longer than what is read in one piece, and not a multiple of a page.
    #[test]
    fn large_files_are_read_whole() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut expected = Vec::new();
        for length in [0, 5, 1 << 24, 3, (1 << 20) + 1] {
            let more: Vec<u8> = (0..length).map(|n| (n * 7 + n / 251) as u8).collect();
            file.write_all(&more).unwrap();
            expected.extend(more);
            assert!(*read(file.path()).unwrap() == *expected);
        }
    }

    /// Like a file that grows between the check of its length and its end.
    #[test]
    fn what_was_added_in_the_meantime_is_read_too() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let begun = read_large(&mut file, 4).unwrap();
        let mut rest = String::new();
        file.read_to_string(&mut rest).unwrap();
        assert_eq!((&*begun, rest.as_str()), (&b"0123"[..], "456789"));
        assert_eq!(read_large(&mut file, 11).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
