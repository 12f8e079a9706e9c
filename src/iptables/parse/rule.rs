//! The options of a rule.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::diagnostic::{Excerpt, Fault};
use crate::iptables::ruleset::{
    AddressMatch, Counters, InterfaceMatch, Match, ProtocolMatch, ProtocolName, Rule,
};
use crate::net::{Cidr, Protocol, parse_ip_lenient};

use super::families::Families;
use super::target::Scope;
use super::token::{Token, split};
use super::{matches, target};

/// Reads rules, reusing its buffers.
#[derive(Default)]
pub(super) struct RuleReader<'a> {
    tokens: Vec<Token<'a>>,
    /// Tokens of matches, without options of the rule itself that are between them.
    rest: Vec<Token<'a>>,
    matches: Vec<Match>,
}

/// Options of the rule itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Own {
    Source,
    Destination,
    InInterface,
    OutInterface,
    Protocol,
    Counters,
}

impl Own {
    fn of(option: &str) -> Option<Own> {
        Some(match option {
            "-s" | "--source" | "--src" => Own::Source,
            "-d" | "--destination" | "--dst" => Own::Destination,
            "-i" | "--in-interface" => Own::InInterface,
            "-o" | "--out-interface" => Own::OutInterface,
            "-p" | "--protocol" | "--proto" => Own::Protocol,
            "-c" | "--set-counters" => Own::Counters,
            _ => return None,
        })
    }
}

/// A rule that is being read, and the families that it points to.
#[derive(Default)]
pub(super) struct Reading {
    pub(super) rule: Rule,
    pub(super) counters: Option<Counters>,
    pub(super) families: Families,
}

impl<'a> RuleReader<'a> {
    /// Reads what follows `-A CHAIN`.
    pub(super) fn read(&mut self, options: &'a str, scope: &Scope<'_>) -> Result<Reading, Fault> {
        self.tokens.clear();
        self.rest.clear();
        self.matches.clear();
        split(options, &mut self.tokens)?;
        let mut reading = Reading::default();
        let mut words: &[Token<'a>] = &self.tokens;
        while let [word, ..] = words {
            if target::is_option(word.raw) {
                reading.rule.target = Some(target::read(words, options, scope, &mut reading.families)?);
                break;
            }
            words = reading.step(words, &mut self.rest)?;
        }
        let mut rest: &[Token<'a>] = &self.rest;
        while let [_, ..] = rest {
            let (group, after) = rest.split_at(matches::group_length(rest)?);
            self.matches.push(matches::read(group, options, &mut reading.families));
            rest = after;
        }
        reading.rule.matches = self.matches.drain(..).collect();
        Ok(reading)
    }
}

impl Reading {
    /// Takes an option of the rule itself, or passes a word on to the matches. Returns the words after it.
    fn step<'t, 'a>(
        &mut self,
        words: &'t [Token<'a>],
        rest: &mut Vec<Token<'a>>,
    ) -> Result<&'t [Token<'a>], Fault> {
        let (negated, after_bang) = match words {
            [bang, after @ ..] if bang.raw == "!" => (true, after),
            _ => (false, words),
        };
        if let [option, after @ ..] = after_bang
            && let Some(own) = Own::of(option.raw)
        {
            return self.own(own, negated, option.raw, after);
        }
        // What follows --comment may look like an option: a word without blanks is not quoted.
        let length = if words.first().is_some_and(|w| w.raw == "--comment") { 2 } else { 1 };
        let (passed, after) = words.split_at(length.min(words.len()));
        rest.extend_from_slice(passed);
        Ok(after)
    }

    fn own<'t, 'a>(
        &mut self,
        own: Own,
        negated: bool,
        option: &str,
        words: &'t [Token<'a>],
    ) -> Result<&'t [Token<'a>], Fault> {
        let [word, after @ ..] = words else {
            return Err(format!("nothing follows {option}"));
        };
        let value = word.value();
        let rule = &mut self.rule;
        match own {
            Own::Source => once(&mut rule.source, option, address(&mut self.families, negated, &value)?)?,
            Own::Destination => {
                once(&mut rule.destination, option, address(&mut self.families, negated, &value)?)?
            }
            Own::InInterface => once(&mut rule.in_interface, option, interface(negated, &value)?.into())?,
            Own::OutInterface => once(&mut rule.out_interface, option, interface(negated, &value)?.into())?,
            Own::Protocol => once(&mut rule.protocol, option, protocol(negated, &value)?)?,
            Own::Counters => return self.counters(&value, after),
        }
        Ok(after)
    }

    fn counters<'t, 'a>(&mut self, packets: &str, words: &'t [Token<'a>]) -> Result<&'t [Token<'a>], Fault> {
        let number = |text: &str| text.parse().map_err(|_| format!("{} is not a count", Excerpt(text)));
        let [bytes, after @ ..] = words else {
            return Err("-c without packets and bytes".to_owned());
        };
        self.counters = Some(Counters { packets: number(packets)?, bytes: number(bytes.raw)? });
        Ok(after)
    }
}

fn address(families: &mut Families, negated: bool, text: &str) -> Result<AddressMatch, Fault> {
    let net = network(text)
        .ok_or_else(|| format!("{} is not an address or network that can be read here", Excerpt(text)))?;
    families.note(net.family());
    Ok(AddressMatch { negated, net, written: None })
}

fn once<T>(place: &mut Option<T>, option: &str, value: T) -> Result<(), Fault> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("{option} stands twice")),
    }
}

/// Reads an address, perhaps with a length or a mask without gaps.
fn network(text: &str) -> Option<Cidr> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (ip(address)?, Some(length)),
        None => (ip(text)?, None),
    };
    match length {
        None => Some(Cidr::host(address)),
        Some(length) if length.contains(['.', ':']) => Cidr::new(address, mask_length(ip(length)?)?),
        Some(length) => Cidr::new(address, length.parse().ok()?),
    }
}

/// An IPv4-mapped IPv6 address stays as it is: ip6tables accepts no other IPv4 addresses.
fn ip(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        return text.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    text.parse::<Ipv4Addr>().ok().map(IpAddr::V4).or_else(|| parse_ip_lenient(text))
}

fn mask_length(mask: IpAddr) -> Option<u8> {
    ipnet::ip_mask_to_prefix(mask).ok()
}

fn interface(negated: bool, name: &str) -> Result<InterfaceMatch, Fault> {
    Ok(InterfaceMatch { negated, name: word(name, "interface")?.into() })
}

fn protocol(negated: bool, name: &str) -> Result<ProtocolMatch, Fault> {
    let protocol = match Protocol::from_lower_name(name) {
        Some(known) => ProtocolName::Known(known),
        None => ProtocolName::Other(word(name, "protocol")?.into()),
    };
    Ok(ProtocolMatch { negated, protocol })
}

/// A name that `iptables-save` prints without quotes: it must still be a single word when it is read again.
fn word<'a>(name: &'a str, what: &str) -> Result<&'a str, Fault> {
    let whole =
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\' | b'\''));
    if whole { Ok(name) } else { Err(format!("{} is no {what}", Excerpt(name))) }
}
