//! From what the user named to the texts.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::left_out::LeftOut;
use super::source::Sources;
use super::{Options, file, folder};
use crate::diagnostic::{Diagnostic, Diagnostics, Place};

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

/// What was read, and what was not.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) sources: Sources,
    pub(super) left_out: LeftOut,
    pub(super) diagnostics: Diagnostics,
}

/// Reads every text and reports faults.
pub(super) fn read(paths: &[InputPath], mut stdin: impl Read, options: &Options) -> Found {
    let mut reader = Reader { found: Found::default(), options };
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
    reader.found
}

struct Reader<'a> {
    found: Found,
    options: &'a Options,
}

impl Reader<'_> {
    fn stdin(&mut self, stdin: &mut impl Read) {
        let mut bytes = Vec::new();
        match stdin.read_to_end(&mut bytes) {
            Ok(_) => self.text("<stdin>", bytes, false),
            Err(error) => self.fault("<stdin>", format!("cannot be read: {error}")),
        }
    }

    fn path(&mut self, path: &Path) {
        if !path.is_dir() {
            return self.file(path, false);
        }
        let Found { left_out, diagnostics, .. } = &mut self.found;
        let files = folder::files(path, self.options, left_out, diagnostics);
        let is_told = !left_out.is_empty() || diagnostics.iter().next().is_some();
        if files.is_empty() && !is_told && !self.options.may_be_empty {
            let message = "the folder has no file named *.yaml, *.yml or *.json".to_owned();
            return self.fault(&path.to_string_lossy(), message);
        }
        files.iter().for_each(|file| self.file(file, true));
    }

    fn file(&mut self, path: &Path, met_in_folder: bool) {
        let name = path.to_string_lossy();
        match file::read(path) {
            Ok(bytes) => self.text(&name, bytes, met_in_folder),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let is_link = fs::symlink_metadata(path).is_ok();
                let message = if is_link {
                    "the symbolic link leads nowhere"
                } else {
                    "there is no such file or folder"
                };
                self.fault(&name, message.to_owned());
            }
            Err(error) => self.fault(&name, format!("cannot be read: {error}")),
        }
    }

    fn text(&mut self, name: &str, bytes: Vec<u8>, met_in_folder: bool) {
        match decode(name, bytes) {
            Ok(text) => {
                self.found.sources.take(name, text, met_in_folder);
            }
            Err(found) => self.found.diagnostics.append(found),
        }
    }

    fn fault(&mut self, name: &str, message: String) {
        let place = Place { file: name.into(), line: None };
        self.found.diagnostics.push(Diagnostic::error(message).at(Some(place)));
    }
}

/// The text of bytes that are UTF-8, UTF-16 with a byte order mark, or JSON, in which Go accepts any byte.
fn decode(name: &str, bytes: Vec<u8>) -> Result<String, Diagnostics> {
    let utf16 = match bytes.as_slice() {
        [0xff, 0xfe, units @ ..] => decode_utf16(units, u16::from_le_bytes),
        [0xfe, 0xff, units @ ..] => decode_utf16(units, u16::from_be_bytes),
        _ => None,
    };
    if let Some(text) = utf16 {
        return Ok(text);
    }
    String::from_utf8(bytes).or_else(|error| {
        let (bytes, error) = (error.as_bytes(), error.utf8_error());
        let is_json = matches!(bytes.trim_ascii_start(), [b'{' | b'[', ..]);
        if is_json && error.error_len().is_some() {
            return Ok(String::from_utf8_lossy(bytes).into_owned());
        }
        Err(not_utf8(name, bytes, error.valid_up_to()).into())
    })
}

fn decode_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units = pairs.iter().copied().map(unit);
    char::decode_utf16(units).collect::<Result<String, _>>().ok().filter(|_| rest.is_empty())
}

fn not_utf8(name: &str, bytes: &[u8], valid: usize) -> Diagnostic {
    let before = bytes.get(..valid).unwrap_or_default();
    let line = 1 + memchr::memchr_iter(b'\n', before).count();
    let place = Place { file: name.into(), line: u32::try_from(line).ok() };
    let is_utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    let (message, help) = if is_utf16 {
        (
            "the text begins like UTF-16, but is not",
            "write it as UTF-8; PowerShell does with `| Out-File -Encoding utf8`",
        )
    } else {
        ("the text is not UTF-8", "compressed files must be unpacked first")
    };
    Diagnostic::error(message).at(Some(place)).help(help)
}
