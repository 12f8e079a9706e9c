//! Captured text: which tool printed it.

use std::io::Read;
use std::path::Path;

use crate::diagnostic::{Diagnostic, Diagnostics, Inert};
use crate::net::Family;
use crate::{iptables, nftables};

/// The largest file read: a node with 10,000 Services has some 50 MB.
const LARGEST: u64 = 1 << 30;

/// Rules as a node printed them.
#[derive(Debug)]
pub(in crate::cli) enum Captured {
    Iptables(iptables::parse::Capture),
    Nftables(nftables::ruleset::Ruleset),
}

/// Reads captured rules; `hint` is the family of tables that do not tell theirs.
pub(in crate::cli) fn read(path: &Path, hint: Option<Family>) -> Result<Captured, Diagnostics> {
    let name = path.display().to_string();
    let text = text_of(path).map_err(|error| {
        Diagnostic::error(format!("cannot read the captured rules {}: {error}", Inert(&name)))
    })?;
    let parsed = match text.trim_start().chars().next() {
        None => return Err(empty(&name).into()),
        Some('{') => nftables::parse::parse_json(&text).map(Captured::Nftables),
        Some('t') => nftables::parse::parse_listing(&text).map(Captured::Nftables),
        Some(_) => iptables::parse::parse(&text, hint).map(Captured::Iptables),
    };
    parsed.map_err(|error| {
        Diagnostic::error(format!("{}: {error}", Inert(&name)))
            .help("expect the text of iptables-save, ip6tables-save, nft list ruleset or nft -j list ruleset")
            .into()
    })
}

fn empty(name: &str) -> Diagnostic {
    Diagnostic::error(format!("the captured rules {} are empty", Inert(name)))
        .help("iptables-save and nft print nothing without root")
}

fn text_of(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let mut from: Box<dyn Read> = match path.to_str() {
        Some("-") => Box::new(std::io::stdin()),
        _ => Box::new(std::fs::File::open(path)?),
    };
    let length = from.by_ref().take(LARGEST + 1).read_to_string(&mut text)?;
    if length as u64 > LARGEST {
        return Err(std::io::Error::other("it is larger than 1 GiB"));
    }
    Ok(text)
}
