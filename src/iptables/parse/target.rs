//! Targets: `-j`, `-g` and what follows.

use std::net::SocketAddr;

use crate::diagnostic::{Excerpt, Fault};
use crate::iptables::ruleset::{ChainName, Destination, Owner, TableName, Target};
use crate::iptables::save::port_unreachable;
use crate::net::Family;

use super::families::Families;
use super::foreign;
use super::token::{Token, number};

/// What a rule can refer to.
pub(super) struct Scope<'a> {
    /// Whether the table has a chain of that name.
    pub(super) is_chain: &'a dyn Fn(&ChainName) -> bool,
}

/// Whether this option begins the target, to which all words after it belong.
pub(super) fn is_option(word: &str) -> bool {
    is_jump(word) || is_goto(word)
}

fn is_jump(word: &str) -> bool {
    matches!(word, "-j" | "--jump")
}

fn is_goto(word: &str) -> bool {
    matches!(word, "-g" | "--goto")
}

/// Reads the target from words that begin with `-j` or `-g`.
pub(super) fn read(
    words: &[Token<'_>],
    line: &str,
    scope: &Scope<'_>,
    families: &mut Families,
) -> Result<Target, Fault> {
    let [option, name, options @ ..] = words else {
        return Err("nothing follows -j or -g".to_owned());
    };
    let typed = if is_goto(option.raw) {
        chain(name.raw).filter(|_| options.is_empty()).map(Target::Goto)
    } else {
        known(name.raw, options, families).or_else(|| jump(name.raw, options, scope))
    };
    match typed {
        Some(target) => Ok(target),
        None if is_goto(option.raw) => Err(format!("{} is not the name of a chain", Excerpt(name.raw))),
        None => Ok(foreign::read_target(line.get(option.start..).unwrap_or_default().trim_end())),
    }
}

fn chain(name: &str) -> Option<ChainName> {
    ChainName::new(name)
}

/// A chain of this table. If kube-proxy changes only a part, its text jumps to chains that it does not declare.
fn jump(name: &str, options: &[Token<'_>], scope: &Scope<'_>) -> Option<Target> {
    let chain = chain(name).filter(|_| options.is_empty())?;
    let known = (scope.is_chain)(&chain) || Owner::of(TableName::Nat, name) == Owner::KubeProxy;
    known.then_some(Target::Jump(chain))
}

fn known(name: &str, options: &[Token<'_>], families: &mut Families) -> Option<Target> {
    match name {
        "ACCEPT" if options.is_empty() => Some(Target::Accept),
        "DROP" if options.is_empty() => Some(Target::Drop),
        "RETURN" if options.is_empty() => Some(Target::Return),
        "REJECT" => reject(options, families),
        "MARK" => mark(options),
        "MASQUERADE" => masquerade(options),
        "DNAT" => dnat(options, families),
        _ => None,
    }
}

fn reject(options: &[Token<'_>], families: &mut Families) -> Option<Target> {
    match options {
        [] => Some(Target::Reject),
        [option, answer] if option.raw == "--reject-with" => {
            let family = Family::ALL.into_iter().find(|f| port_unreachable(*f) == answer.raw)?;
            families.note(family);
            Some(Target::Reject)
        }
        _ => None,
    }
}

fn mark(options: &[Token<'_>]) -> Option<Target> {
    let [option, value] = options else { return None };
    let (value, mask) = match value.raw.split_once('/') {
        Some((value, mask)) => (number(value)?, Some(number(mask)?)),
        None => (number(value.raw)?, None),
    };
    let (value, mask) = match (option.raw, mask) {
        ("--set-xmark", mask) => (value, mask.unwrap_or(u32::MAX)),
        ("--set-mark", mask) => (value, value | mask.unwrap_or(u32::MAX)),
        ("--or-mark", None) => (value, value),
        ("--xor-mark", None) => (value, 0),
        ("--and-mark", None) => (0, !value),
        _ => return None,
    };
    Some(Target::SetMark { value, mask })
}

fn masquerade(options: &[Token<'_>]) -> Option<Target> {
    match options {
        [] => Some(Target::Masquerade { random_fully: false }),
        [option] if option.raw == "--random-fully" => Some(Target::Masquerade { random_fully: true }),
        _ => None,
    }
}

fn dnat(options: &[Token<'_>], families: &mut Families) -> Option<Target> {
    let [option, destination] = options else {
        return None;
    };
    if option.raw != "--to-destination" || destination.raw.contains('%') {
        return None;
    }
    let address: SocketAddr = destination.raw.parse().ok()?;
    families.note(Family::of(address.ip()));
    Some(Target::Dnat(Destination { address, written: None }))
}
