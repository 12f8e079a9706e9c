//! What a node printed: in files, folders and archives, or on standard input.

mod archive;
mod bounds;
mod folder;
mod found;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::session::{Session, Stop};
use super::stdin::{self, Piped};
use crate::capture::{self, Captured, Source};
use crate::diagnostic::{Diagnostic, Diagnostics, Inert};
use crate::net::Family;
use bounds::Budget;
use found::Found;

/// Reads what a node printed; `-` is standard input, `hint` the family of tables that do not tell theirs.
///
/// # Errors
/// It cannot be read, or not be understood.
pub(super) fn read(paths: &[PathBuf], hint: Option<Family>, session: &mut Session) -> Result<Captured, Stop> {
    let mut found = Found::default();
    let mut budget = Budget::default();
    for path in paths {
        read_path(path, &mut found, &mut budget).map_err(|fault| session.stop(fault))?;
    }
    found.note().iter().for_each(|note| session.note(note));
    if found.sources.is_empty() {
        return Err(session.stop(nothing(paths)));
    }
    if let [only] = found.sources.as_slice()
        && capture::form_of(&only.text).is_none()
    {
        return read_unknown(only, hint).map_err(|fault| session.stop(fault));
    }
    let captured = capture::join(&found.sources, hint).map_err(|faults| session.stop(faults))?;
    out_of_reach(&captured).iter().for_each(|note| session.note(note));
    Ok(captured)
}

/// That some tables are not followed: what they drop never comes to the rules that are.
fn out_of_reach(captured: &Captured) -> Option<String> {
    let tables: Vec<String> = captured.out_of_reach().iter().map(|table| Inert(table).to_string()).collect();
    (!tables.is_empty()).then(|| {
        format!(
            "not followed, and able to drop packets before or after all that is: rules of the tables {} (at the device, of \
             bridges, or of ARP)",
            tables.join(", ")
        )
    })
}

/// The names of what was read, for one line.
pub(super) fn names(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// A single text that looks like nothing: its fault tells why.
fn read_unknown(source: &Source, hint: Option<Family>) -> Result<Captured, Diagnostics> {
    let name = Inert(&source.name);
    if source.text.trim_start().is_empty() {
        let fault = Diagnostic::error(format!("the captured rules {name} are empty"));
        return Err(fault.help("iptables-save and nft print nothing without root").into());
    }
    capture::read(&source.text, hint).map_err(|error| {
        Diagnostic::error(format!("{name}: {error}")).help(format!("expect {EXPECTED}")).into()
    })
}

const EXPECTED: &str = "the text of iptables-save, ip6tables-save, nft list ruleset or nft -j list ruleset, or of another \
                        command that kuberules collect runs";

fn nothing(paths: &[PathBuf]) -> Diagnostic {
    let names: Vec<String> =
        paths.iter().map(|path| Inert(&path.display().to_string()).to_string()).collect();
    Diagnostic::error(format!("there is nothing that --captured reads in {}", names.join(", ")))
        .help(format!("expect {EXPECTED}"))
}

fn read_path(path: &Path, found: &mut Found, budget: &mut Budget) -> Result<(), Diagnostics> {
    let name = path.display().to_string();
    let fault = |error: io::Error| {
        Diagnostics::from(Diagnostic::error(format!(
            "cannot read the captured rules {}: {error}",
            Inert(&name)
        )))
    };
    if path.to_str() == Some("-") {
        let stdin = stdin::open(Piped::Captured)?;
        return read_stream(BufReader::new(stdin), "-", found, budget).map_err(fault);
    }
    if std::fs::metadata(path).map_err(fault)?.is_dir() {
        return folder::read(path, found, budget).map_err(fault);
    }
    let file = File::open(path).map_err(fault)?;
    read_stream(BufReader::new(file), &name, found, budget).map_err(fault)
}

/// A file that the user named: an archive, or a text.
fn read_stream(
    mut stream: impl BufRead,
    name: &str,
    found: &mut Found,
    budget: &mut Budget,
) -> io::Result<()> {
    // A pipe may hand out less at first than the header of an archive is long.
    let mut head = Vec::new();
    stream.by_ref().take(archive::HEADER).read_to_end(&mut head)?;
    let stream = io::Cursor::new(head.clone()).chain(stream);
    if archive::is_gzip(&head) {
        return archive::read_gzip(stream, name, found, budget);
    }
    if archive::is_tar(&head) {
        return archive::read(stream, name, found, budget);
    }
    let text = budget.text(stream)?;
    found.sources.push(Source { name: name.to_owned(), text });
    Ok(())
}
