//! Rules of a listing: which words are a statement that kube-proxy writes; others stay as they are.

use std::net::SocketAddr;

use compact_str::CompactString;

use super::datum;
use super::general;
use super::word::{Word, Words, depth, unquoted};
use crate::net::{Family, Protocol};
use crate::nftables::ruleset::{Addresses, Binary, FibEnd, Field, Interval, Rule, Statement};

/// More parts than nft allows in a key (16 registers of 4 bytes).
const MAX_KEY: usize = 16;

/// A statement, and how many words it takes.
type Found = Option<(Statement, usize)>;

/// Reads the text of a rule after the indentation.
///
/// nft separates statements by one blank, and prints nothing for some matches and targets of iptables: a second blank
/// is an opaque statement without text.
pub(super) fn rule(line: &str) -> Rule {
    let words: Vec<Word<'_>> = Words::of(line).collect();
    let texts: Vec<&str> = words.iter().map(|w| w.text).collect();
    let (body, comment) = match texts.as_slice() {
        [body @ .., "comment", text] if unquoted(text).is_some() => (body, unquoted(text)),
        body => (body, None),
    };
    let mut reader = Reader { line, words: &words, texts: body, statements: Vec::new(), end: None };
    reader.read();
    // The text between the last statement and the comment, or the end of the line.
    match words.get(body.len()) {
        Some(comment) => reader.gap(comment.start),
        None if body.is_empty() => reader.hidden(line.len() + 1),
        None => reader.hidden(line.len() - reader.end.unwrap_or(0).min(line.len())),
    }
    Rule { statements: reader.statements, comment: comment.map(CompactString::from) }
}

struct Reader<'t, 'a> {
    line: &'a str,
    words: &'t [Word<'a>],
    texts: &'t [&'a str],
    statements: Vec<Statement>,
    /// Where the last statement ends.
    end: Option<usize>,
}

impl Reader<'_, '_> {
    fn read(&mut self) {
        let mut at = 0;
        while let Some(rest) = self.texts.get(at..).filter(|rest| !rest.is_empty()) {
            let (statement, length) = match known(rest).or_else(|| general::statement(rest)) {
                Some(found) => found,
                None => self.opaque(at, rest),
            };
            let (start, end) = self.span(at, length);
            self.gap(start);
            self.statements.push(statement);
            self.end = Some(end);
            at += length;
        }
    }

    /// From the first to the last byte of some words.
    fn span(&self, at: usize, length: usize) -> (usize, usize) {
        let start = self.words.get(at).map_or(self.line.len(), |w| w.start);
        let end = self.words.get(at + length - 1).map_or(self.line.len(), Word::end);
        (start, end)
    }

    /// Words up to the next known statement; does not look into braces.
    fn opaque(&self, at: usize, rest: &[&str]) -> (Statement, usize) {
        let mut length = unit(rest);
        while let Some(after) = rest.get(length..).filter(|after| !after.is_empty()) {
            if begins(after) {
                break;
            }
            length += unit(after);
        }
        let (start, end) = self.span(at, length);
        (Statement::Opaque(self.line.get(start..end).unwrap_or_default().into()), length)
    }

    /// Statements that nft hides before the one that begins at `start`.
    fn gap(&mut self, start: usize) {
        let blanks = start - self.end.unwrap_or(0).min(start);
        let separators = usize::from(self.end.is_some());
        self.hidden(blanks.saturating_sub(separators));
    }

    fn hidden(&mut self, count: usize) {
        self.statements.extend(std::iter::repeat_n(Statement::Opaque(CompactString::default()), count));
    }
}

/// How many words are skipped at once: one, or a group in braces.
fn unit(words: &[&str]) -> usize {
    if words.first() != Some(&"{") {
        return 1;
    }
    let mut open = 0;
    let closes = |word: &&str| {
        open += depth(word);
        open == 0
    };
    words.iter().position(closes).map_or(words.len(), |i| i + 1)
}

fn begins(words: &[&str]) -> bool {
    known(words).is_some() || general::statement(words).is_some()
}

fn known(words: &[&str]) -> Found {
    match words {
        ["ip" | "ip6" | "th", ..] | ["meta", "l4proto", ..] => keyed(words),
        ["meta", "mark", rest @ ..] => mark(rest).map(|(s, length)| (s, length + 2)),
        ["iif" | "iifname", ..] => interface(words),
        ["ct", "state", states, ..] => Some((conntrack_states(states)?, 3)),
        ["ct", "status", "dnat", ..] => Some((Statement::ConntrackStatusDnat, 3)),
        ["fib", "saddr", "type", "local", ..] => Some((Statement::FibLocal(FibEnd::Source), 4)),
        ["fib", "daddr", "type", "local", ..] => Some((Statement::FibLocal(FibEnd::Destination), 4)),
        ["numgen", "random", "mod", modulus, "vmap", "{", ..] => random_verdict(modulus, words),
        ["dnat", ..] => dnat(words),
        ["update", set, "{", ..] => update(set, words),
        ["masquerade", rest @ ..] => masquerade(rest),
        ["reject", "with", ..] => None,
        ["reject", ..] => Some((Statement::Reject, 1)),
        ["counter", "packets", packets, "bytes", bytes, ..] => {
            let (packets, bytes) = (datum::number(packets)?, datum::number(bytes)?);
            Some((Statement::Counter { packets, bytes }, 5))
        }
        ["counter", "name", name, ..] => Some((Statement::NamedCounter(unquoted(name)?.into()), 3)),
        [protocol, "dport", port, ..] => {
            let protocol = Protocol::from_lower_name(protocol)?;
            Some((Statement::DestinationPort(protocol, datum::port(port)?), 3))
        }
        _ => datum::verdict(words).map(|(verdict, length)| (Statement::Verdict(verdict), length)),
    }
}

fn field(words: &[&str]) -> Option<Field> {
    let family = |word| if word == "ip" { Family::Ipv4 } else { Family::Ipv6 };
    Some(match words {
        [ip @ ("ip" | "ip6"), "saddr", ..] => Field::SourceAddress(family(*ip)),
        [ip @ ("ip" | "ip6"), "daddr", ..] => Field::DestinationAddress(family(*ip)),
        ["meta", "l4proto", ..] => Field::L4Protocol,
        ["th", "dport", ..] => Field::DestinationPort,
        _ => return None,
    })
}

/// Fields of two words each, joined by dots; also returns the words after them.
fn key<'t, 'a>(words: &'t [&'a str]) -> Option<(Vec<Field>, &'t [&'a str])> {
    let mut fields = vec![field(words)?];
    let mut rest = words.get(2..)?;
    while let [".", after @ ..] = rest {
        if fields.len() == MAX_KEY {
            return None;
        }
        fields.push(field(after)?);
        rest = after.get(2..)?;
    }
    Some((fields, rest))
}

/// Takes `!=` off the front.
fn negation<'t, 'a>(words: &'t [&'a str]) -> (bool, &'t [&'a str]) {
    match words {
        ["!=", rest @ ..] => (true, rest),
        _ => (false, words),
    }
}

/// A match of one or more fields, or a lookup by them in a map.
fn keyed(words: &[&str]) -> Found {
    let (key, rest) = key(words)?;
    let taken = |after: &[&str]| words.len() - after.len();
    if let ["vmap", map, after @ ..] = rest {
        let map = map.strip_prefix('@')?.into();
        return Some((Statement::VerdictMap { key, map }, taken(after)));
    }
    let (negated, value) = negation(rest);
    let (first, after) = value.split_first()?;
    match (key.as_slice(), first.strip_prefix('@')) {
        ([field @ (Field::SourceAddress(family) | Field::DestinationAddress(family))], _) => {
            let (addresses, length) = addresses(value, *family)?;
            let field = *field;
            let after = value.get(length..)?;
            Some((Statement::Address { field, negated, addresses }, taken(after)))
        }
        (_, Some(set)) => {
            let set = set.into();
            Some((Statement::InSet { key, negated, set }, taken(after)))
        }
        ([Field::L4Protocol], None) if !negated => {
            let protocol = Protocol::from_lower_name(first)?;
            Some((Statement::L4Protocol(protocol), taken(after)))
        }
        _ => None,
    }
}

fn addresses(words: &[&str], family: Family) -> Option<(Addresses, usize)> {
    match words {
        ["{", rest @ ..] => anonymous(rest, family).map(|(set, length)| (set, length + 1)),
        [word, ..] => {
            let addresses = match word.strip_prefix('@') {
                Some(set) => Addresses::Named(set.into()),
                None => Addresses::One(datum::host_or_network(word).filter(|net| net.family() == family)?),
            };
            Some((addresses, 1))
        }
        [] => None,
    }
}

fn anonymous(words: &[&str], family: Family) -> Option<(Addresses, usize)> {
    let mut intervals: Vec<Interval> = Vec::new();
    for (i, word) in words.iter().enumerate() {
        if *word == "}" {
            return (!intervals.is_empty()).then_some((Addresses::Anonymous(intervals), i + 1));
        }
        let interval = datum::interval(word.strip_suffix(',').unwrap_or(word))?;
        if Family::of(interval.first) != family {
            return None;
        }
        intervals.push(interval);
    }
    None
}

fn interface(words: &[&str]) -> Found {
    let (word, rest) = words.split_first()?;
    let (negated, rest) = negation(rest);
    let (name, after) = rest.split_first()?;
    let name = unquoted(name)?.into();
    let by_name = *word == "iifname";
    Some((Statement::InInterface { by_name, negated, name }, words.len() - after.len()))
}

fn conntrack_states(text: &str) -> Option<Statement> {
    let names: Vec<CompactString> = text.split(',').map(CompactString::from).collect();
    names.iter().all(|name| datum::is_conntrack_state(name)).then_some(Statement::ConntrackState(names))
}

/// What follows `meta mark`.
fn mark(words: &[&str]) -> Found {
    match words {
        // More than one operation is read as an expression.
        ["set", "meta", "mark", _, _, sign, ..] if Binary::from_sign(sign).is_some() => None,
        ["set", "meta", "mark", "|", bits, ..] => Some((Statement::SetMarkOr(datum::mark(bits)?), 5)),
        ["set", "meta", "mark", "^", bits, ..] => Some((Statement::SetMarkXor(datum::mark(bits)?), 5)),
        ["&", mask, operator @ ("==" | "!="), value, ..] => {
            let (mask, value) = (datum::mark(mask)?, datum::mark(value)?);
            Some((Statement::Mark { mask, negated: *operator == "!=", value }, 4))
        }
        _ => {
            let (negated, rest) = negation(words);
            let (value, mask) = prefixed_mark(rest.first()?)?;
            Some((Statement::Mark { mask, negated, value }, 1 + usize::from(negated)))
        }
    }
}

/// A mark by itself or, with a mask of leading ones, with the length of the mask, as nft 1.0.6 prints it.
fn prefixed_mark(text: &str) -> Option<(u32, u32)> {
    let Some((value, length)) = text.split_once('/') else {
        return Some((datum::mark(text)?, u32::MAX));
    };
    let length: u32 = datum::number(length).filter(|l| (1..u32::BITS).contains(l))?;
    Some((datum::mark(value)?, u32::MAX << (u32::BITS - length)))
}

fn random_verdict(modulus: &str, words: &[&str]) -> Found {
    let modulus = datum::number(modulus)?;
    let (verdicts, length) = numbered(words.get(6..)?, datum::verdict)?;
    Some((Statement::RandomVerdict { modulus, verdicts }, length + 6))
}

/// Pairs `0 : value, 1 : value }`, with how many words they take.
fn numbered<T>(
    words: &[&str],
    value: impl Fn(&[&str]) -> Option<(T, usize)>,
) -> Option<(Vec<(u32, T)>, usize)> {
    let mut pairs = Vec::new();
    let mut rest = words;
    loop {
        let [number, ":", after @ ..] = rest else { return None };
        // No value is longer than three words.
        let mut head: Vec<&str> = after.iter().take(3).copied().collect();
        let ends = head.iter().position(|w| w.ends_with(','));
        if let Some(word) = ends.and_then(|i| head.get_mut(i)) {
            *word = word.strip_suffix(',').unwrap_or(word);
        }
        let (value, length) = value(&head)?;
        pairs.push((datum::number(number)?, value));
        rest = after.get(length..)?;
        match (ends, rest.first()) {
            (Some(end), _) if end + 1 == length => {}
            (_, Some(&"}")) => return Some((pairs, words.len() - rest.len() + 1)),
            _ => return None,
        }
    }
}

fn dnat(words: &[&str]) -> Found {
    match words {
        ["dnat", "to", destination, ..] => {
            let address = destination.parse().ok().filter(|_| !destination.contains('%'))?;
            Some((Statement::Dnat(address), 3))
        }
        ["dnat", ip @ ("ip" | "ip6"), "to", "numgen", "random", "mod", modulus, "map", "{", rest @ ..] => {
            let family = if *ip == "ip" { Family::Ipv4 } else { Family::Ipv6 };
            let modulus = datum::number(modulus)?;
            let (destinations, length) = numbered(rest, |words| pair(words, family))?;
            Some((Statement::RandomDnat { family, modulus, destinations }, length + 9))
        }
        _ => None,
    }
}

fn pair(words: &[&str], family: Family) -> Option<(SocketAddr, usize)> {
    let [ip, ".", port, ..] = words else { return None };
    let ip = datum::address(ip).filter(|ip| Family::of(*ip) == family)?;
    Some((SocketAddr::new(ip, datum::number(port)?), 3))
}

fn update(set: &str, words: &[&str]) -> Found {
    let body = words.get(3..)?;
    let field = field(body)?;
    let set = set.strip_prefix('@')?.into();
    (body.get(2) == Some(&"}")).then_some((Statement::UpdateSet { set, field }, 6))
}

fn masquerade(rest: &[&str]) -> Found {
    match rest {
        ["fully-random", ..] => Some((Statement::Masquerade { fully_random: true }, 2)),
        [word, ..] if *word == "to" || word.starts_with("random") || is_flag_list(word) => None,
        _ => Some((Statement::Masquerade { fully_random: false }, 1)),
    }
}

fn is_flag_list(word: &str) -> bool {
    word.starts_with("persistent") || word.starts_with("fully-random")
}
