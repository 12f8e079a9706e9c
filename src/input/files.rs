//! From what the user named to the texts.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::source::Sources;
use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::parallel;

/// An input as named on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputPath {
    /// `-`
    Stdin,
    /// A file or folder.
    Path(PathBuf),
}

impl From<OsString> for InputPath {
    fn from(text: OsString) -> Self {
        if text == "-" { InputPath::Stdin } else { InputPath::Path(text.into()) }
    }
}

/// Deepest nesting of folders that is followed.
const MAX_FOLDERS: usize = 64;

/// Reads every text; faults go to the diagnostics.
pub(super) fn read(paths: &[InputPath], mut stdin: impl Read, diagnostics: &mut Diagnostics) -> Sources {
    let mut reader = Reader { sources: Sources::default(), diagnostics };
    if paths.is_empty() {
        reader.stdin(&mut stdin);
    }
    let mut stdin_read = false;
    for path in paths {
        match path {
            InputPath::Stdin if stdin_read => {}
            InputPath::Stdin => {
                reader.stdin(&mut stdin);
                stdin_read = true;
            }
            InputPath::Path(path) => reader.path(path),
        }
    }
    reader.sources
}

struct Reader<'a> {
    sources: Sources,
    diagnostics: &'a mut Diagnostics,
}

impl Reader<'_> {
    fn stdin(&mut self, stdin: &mut impl Read) {
        let mut bytes = Vec::new();
        match stdin.read_to_end(&mut bytes) {
            Ok(_) => self.text("<stdin>", bytes),
            Err(error) => self.fault("<stdin>", format!("cannot be read: {error}")),
        }
    }

    fn path(&mut self, path: &Path) {
        if !path.is_dir() {
            return self.file(path);
        }
        let before = self.sources.len();
        let faults = self.diagnostics.iter().count();
        self.folder(path, 0);
        if self.sources.len() == before && self.diagnostics.iter().count() == faults {
            let message = "the folder has no file named *.yaml, *.yml or *.json".to_owned();
            self.fault(&path.to_string_lossy(), message);
        }
    }

    fn folder(&mut self, path: &Path, depth: usize) {
        let name = path.to_string_lossy();
        if depth > MAX_FOLDERS {
            return self.fault(&name, format!("more than {MAX_FOLDERS} folders within one another"));
        }
        match entries(path) {
            Ok(entries) => entries.iter().for_each(|entry| self.entry(entry, depth)),
            Err(error) => self.fault(&name, format!("the folder cannot be read: {error}")),
        }
    }

    fn entry(&mut self, path: &Path, depth: usize) {
        // Symbolic links to folders are not followed: they may lead back.
        let is_folder = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir());
        let extension = path.extension().and_then(|extension| extension.to_str());
        if is_folder {
            self.folder(path, depth + 1);
        } else if matches!(extension, Some("yaml" | "yml" | "json")) && !path.is_dir() {
            self.file(path);
        }
    }

    fn file(&mut self, path: &Path) {
        let name = path.to_string_lossy();
        match read_file(path) {
            Ok(bytes) => self.text(&name, bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.fault(&name, "there is no such file or folder".to_owned());
            }
            Err(error) => self.fault(&name, format!("cannot be read: {error}")),
        }
    }

    fn text(&mut self, name: &str, bytes: Vec<u8>) {
        match String::from_utf8(bytes) {
            Ok(text) => {
                self.sources.add(name, text);
            }
            Err(error) => {
                let diagnostic = not_utf8(name, error.as_bytes(), error.utf8_error().valid_up_to());
                self.diagnostics.push(diagnostic);
            }
        }
    }

    fn fault(&mut self, name: &str, message: String) {
        let place = Place { file: name.into(), line: None };
        self.diagnostics.push(Diagnostic::error(message).at(Some(place)));
    }
}

/// Files from this size on are read in pieces, all at once: most of the time goes into memory that is touched first.
const LARGE_FILE: u64 = 1 << 24;

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let mut bytes = Vec::new();
    if let (true, Ok(length)) =
        (metadata.is_file() && metadata.len() >= LARGE_FILE, metadata.len().try_into())
    {
        bytes = vec![0; length];
        parallel::fill(&mut bytes, |offset, piece| read_exact_at(&file, offset, piece))?;
        file.seek(SeekFrom::Start(metadata.len()))?;
    }
    // Nothing is left, unless the file has grown in the meantime.
    file.read_to_end(&mut bytes)?;
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

/// The entries of a folder, sorted by name, so that no output depends on the file system.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut entries = entries.collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    Ok(entries)
}

fn not_utf8(name: &str, bytes: &[u8], valid: usize) -> Diagnostic {
    let before = bytes.get(..valid).unwrap_or_default();
    let line = 1 + memchr::memchr_iter(b'\n', before).count();
    let place = Place { file: name.into(), line: u32::try_from(line).ok() };
    let is_utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    let (message, help) = if is_utf16 {
        (
            "the text is UTF-16, not UTF-8",
            "PowerShell writes UTF-16 with `>`: use `| Out-File -Encoding utf8`",
        )
    } else {
        ("the text is not UTF-8", "compressed files must be unpacked first")
    };
    Diagnostic::error(message).at(Some(place)).help(help)
}
