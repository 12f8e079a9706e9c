//! Matches: `-m` and what follows.

use compact_str::CompactString;

use crate::diagnostic::{Excerpt, Fault};
use crate::iptables::ruleset::{ChainName, End, Match, Probability, RecentAction, StateSet};
use crate::iptables::save::host_mask;
use crate::net::{Family, Port, Protocol};

use super::families::Families;
use super::foreign;
use super::token::{Token, number};

/// How many words the first match takes.
pub(super) fn group_length(words: &[Token<'_>]) -> Result<usize, Fault> {
    let first = begin_length(words);
    if first == 0 {
        let word = words.first().map_or("", |w| w.raw);
        return Err(format!("{} belongs to no match (-m)", Excerpt(word)));
    }
    let mut length = first;
    while let Some(rest) = words.get(length..).filter(|rest| !rest.is_empty()) {
        if begin_length(rest) > 0 {
            break;
        }
        let is_comment = rest.first().is_some_and(|w| w.raw == "--comment");
        length += if is_comment { rest.len().min(2) } else { 1 };
    }
    Ok(length)
}

/// How many words begin a match here: `-m NAME`, `-f`, `! -f`; 0 if none do.
fn begin_length(words: &[Token<'_>]) -> usize {
    match words {
        [option, _, ..] if matches!(option.raw, "-m" | "--match") => 2,
        [option, ..] if is_fragment(option.raw) => 1,
        [bang, option, ..] if bang.raw == "!" && is_fragment(option.raw) => 2,
        _ => 0,
    }
}

fn is_fragment(option: &str) -> bool {
    matches!(option, "-f" | "--fragment")
}

/// Reads the words of one match.
pub(super) fn read(words: &[Token<'_>], line: &str, families: &mut Families) -> Match {
    typed(words, families).unwrap_or_else(|| foreign::read_match(written(words, line)))
}

/// The words exactly as in the line; joined by blanks if options of the rule itself are between them.
fn written(words: &[Token<'_>], line: &str) -> CompactString {
    let (Some(first), Some(last)) = (words.first(), words.last()) else {
        return CompactString::default();
    };
    let adjacent = |pair: &[Token<'_>]| match pair {
        [a, b] => line.get(a.end()..b.start).is_some_and(|between| between.trim_ascii().is_empty()),
        _ => true,
    };
    if words.windows(2).all(adjacent) {
        return line.get(first.start..last.end()).unwrap_or_default().into();
    }
    let mut text = CompactString::default();
    for (i, word) in words.iter().enumerate() {
        text.push_str(if i == 0 { "" } else { " " });
        text.push_str(word.raw);
    }
    text
}

fn typed(words: &[Token<'_>], families: &mut Families) -> Option<Match> {
    let [_, name, options @ ..] = words else {
        return None;
    };
    match name.raw {
        "comment" => comment(options),
        "conntrack" => conntrack(options),
        "mark" => mark(options),
        "addrtype" => address_type(options),
        "statistic" => statistic(options),
        "recent" => recent(options, families),
        "nfacct" => nfacct(options),
        protocol => transport(Protocol::from_lower_name(protocol)?, options),
    }
}

fn comment(options: &[Token<'_>]) -> Option<Match> {
    match options {
        [option, text] if option.raw == "--comment" => Some(Match::Comment(text.value().into())),
        _ => None,
    }
}

fn transport(protocol: Protocol, options: &[Token<'_>]) -> Option<Match> {
    let destination_port = match options {
        [] => None,
        [option, port] if option.raw == "--dport" => Some(Port::parse(port.raw)?),
        _ => return None,
    };
    Some(Match::Transport { protocol, destination_port })
}

/// Takes a `!` from the front.
fn negation<'t, 'a>(options: &'t [Token<'a>]) -> (bool, &'t [Token<'a>]) {
    match options {
        [bang, rest @ ..] if bang.raw == "!" => (true, rest),
        _ => (false, options),
    }
}

fn conntrack(options: &[Token<'_>]) -> Option<Match> {
    let (negated, [option, states]) = negation(options) else {
        return None;
    };
    if option.raw != "--ctstate" {
        return None;
    }
    let names: Vec<&str> = states.raw.split(',').collect();
    Some(Match::ConntrackState { negated, states: StateSet::of(&names)? })
}

fn mark(options: &[Token<'_>]) -> Option<Match> {
    let (negated, [option, value]) = negation(options) else {
        return None;
    };
    if option.raw != "--mark" {
        return None;
    }
    let (value, mask) = match value.raw.split_once('/') {
        Some((value, mask)) => (number(value)?, number(mask)?),
        None => (number(value.raw)?, u32::MAX),
    };
    Some(Match::Mark { negated, value, mask })
}

fn address_type(options: &[Token<'_>]) -> Option<Match> {
    let (negated, [option, kind]) = negation(options) else {
        return None;
    };
    let end = match option.raw {
        "--src-type" => End::Source,
        "--dst-type" => End::Destination,
        _ => return None,
    };
    (kind.raw == "LOCAL").then_some(Match::AddressType { end, negated })
}

fn statistic(options: &[Token<'_>]) -> Option<Match> {
    match options {
        [mode, random, option, probability]
            if mode.raw == "--mode" && random.raw == "random" && option.raw == "--probability" =>
        {
            Probability::parse(probability.raw).map(Match::Probability)
        }
        _ => None,
    }
}

fn nfacct(options: &[Token<'_>]) -> Option<Match> {
    match options {
        [option, name] if option.raw == "--nfacct-name" => Some(Match::Nfacct(name.value().into())),
        _ => None,
    }
}

/// Options of `-m recent`, in any order.
#[derive(Default)]
struct Recent<'a> {
    list: Option<&'a str>,
    mask: Option<&'a str>,
    seconds: Option<&'a str>,
    sets: bool,
    checks: bool,
    reaps: bool,
}

fn recent(options: &[Token<'_>], families: &mut Families) -> Option<Match> {
    let recent = recent_options(options)?;
    let action = match recent {
        Recent { sets: true, checks: false, reaps: false, seconds: None, .. } => RecentAction::Set,
        Recent { checks: true, sets: false, reaps: true, seconds: Some(seconds), .. } => {
            RecentAction::Check { seconds: number(seconds)? }
        }
        _ => return None,
    };
    let list = ChainName::new(recent.list?)?;
    if let Some(mask) = recent.mask {
        families.note(Family::ALL.into_iter().find(|f| host_mask(*f) == mask)?);
    }
    Some(Match::Recent { list, action })
}

fn recent_options<'a>(options: &[Token<'a>]) -> Option<Recent<'a>> {
    let mut recent = Recent::default();
    let mut words = options.iter().map(|w| w.raw);
    while let Some(option) = words.next() {
        match option {
            "--set" => recent.sets = true,
            "--rcheck" => recent.checks = true,
            "--reap" => recent.reaps = true,
            "--rsource" => {}
            "--name" => recent.list = Some(words.next()?),
            "--mask" => recent.mask = Some(words.next()?),
            "--seconds" => recent.seconds = Some(words.next()?),
            _ => return None,
        }
    }
    Some(recent)
}
