//! Archives: tar, also compressed by gzip. Nothing of them is written anywhere; names in them are printed, never followed.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;

use super::bounds::{Budget, HEAD, Unpacked};
use super::found::Found;
use crate::capture::Source;

/// How many bytes it takes to tell that a file is a tar.
pub(super) const HEADER: u64 = 512;

/// By its magic number (RFC 1952).
pub(super) fn is_gzip(head: &[u8]) -> bool {
    head.starts_with(&[0x1f, 0x8b])
}

/// By the magic number of POSIX and GNU tar.
pub(super) fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
}

/// An archive or a text, compressed.
pub(super) fn read_gzip(
    stream: impl Read,
    name: &str,
    found: &mut Found,
    budget: &mut Budget,
) -> io::Result<()> {
    let mut unpacked = Unpacked::new(MultiGzDecoder::new(stream));
    let mut head = Vec::new();
    unpacked.by_ref().take(HEADER).read_to_end(&mut head)?;
    let is_tar = is_tar(&head);
    let stream = io::Cursor::new(head).chain(unpacked);
    if is_tar {
        return read(stream, name, found, budget);
    }
    let text = budget.text(stream)?;
    found.sources.push(Source { name: name.to_owned(), text });
    Ok(())
}

/// The texts of an archive. Only plain files count: a link could point anywhere. Entries are taken raw, because the
/// crate reads long names into memory whatever their size.
pub(super) fn read(stream: impl Read, name: &str, found: &mut Found, budget: &mut Budget) -> io::Result<()> {
    let mut archive = tar::Archive::new(stream);
    let mut long_name = None;
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        budget.file()?;
        let kind = entry.header().entry_type();
        if kind.is_gnu_longname() || kind.is_pax_local_extensions() {
            long_name = self::long_name(&mut entry, kind)?.or(long_name);
            continue;
        }
        let short = || String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let path = long_name.take().unwrap_or_else(short);
        if kind.is_file() {
            found.take(&mut entry, &path, format!("{name}:{path}"), budget)?;
        }
    }
    Ok(())
}

/// The name of the next file, where it is too long for its own header: of GNU tar, or `LENGTH path=NAME` of POSIX.
fn long_name(entry: &mut impl Read, kind: tar::EntryType) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    entry.take(HEAD).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    if kind.is_gnu_longname() {
        return Ok(Some(text.trim_end_matches('\0').to_owned()));
    }
    let mut paths = text.lines().rev().filter_map(|line| line.split_once(' ')?.1.strip_prefix("path="));
    Ok(paths.next().map(str::to_owned))
}
