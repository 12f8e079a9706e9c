//! Captured rules in a file or on standard input.

use std::io::{self, Read};
use std::path::Path;

use crate::capture::{self, Captured};
use crate::diagnostic::{Diagnostic, Diagnostics, Inert};
use crate::net::Family;

/// The largest text read; a node with 10,000 Services of 25 endpoints prints 100 MB.
const LARGEST: u64 = 1 << 30;

/// Reads captured rules; `-` is standard input, `hint` the family of tables that do not tell theirs.
///
/// # Errors
/// They cannot be read, or not be understood.
pub(super) fn read(path: &Path, hint: Option<Family>) -> Result<Captured, Diagnostics> {
    let name = path.display().to_string();
    let text = text_of(path).map_err(|error| {
        Diagnostic::error(format!("cannot read the captured rules {}: {error}", Inert(&name)))
    })?;
    if text.trim_start().is_empty() {
        let fault = Diagnostic::error(format!("the captured rules {} are empty", Inert(&name)));
        return Err(fault.help("iptables-save and nft print nothing without root").into());
    }
    capture::read(&text, hint).map_err(|error| {
        Diagnostic::error(format!("{}: {error}", Inert(&name)))
            .help("expect the text of iptables-save, ip6tables-save, nft list ruleset or nft -j list ruleset")
            .into()
    })
}

/// That some tables are not followed: what they drop never comes to the rules that are.
pub(super) fn out_of_reach(captured: &Captured) -> Option<String> {
    let tables: Vec<String> = captured.out_of_reach().iter().map(|table| Inert(table).to_string()).collect();
    (!tables.is_empty()).then(|| {
        format!(
            "not followed, and able to drop packets before or after all that is: rules of the tables {} (at the device, of \
             bridges, or of ARP)",
            tables.join(", ")
        )
    })
}

fn text_of(path: &Path) -> io::Result<String> {
    if path.to_str() == Some("-") {
        return limited(io::stdin().lock(), 0);
    }
    let file = std::fs::File::open(path)?;
    let length = file.metadata()?.len();
    limited(file, length)
}

fn limited(from: impl Read, expected: u64) -> io::Result<String> {
    let mut text = String::with_capacity(usize::try_from(expected.min(LARGEST)).unwrap_or_default());
    let length = from.take(LARGEST + 1).read_to_string(&mut text)?;
    if length as u64 > LARGEST {
        return Err(io::Error::other("it is larger than 1 GiB"));
    }
    Ok(text)
}
