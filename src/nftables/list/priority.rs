//! The name that nft gives a chain's priority.

use std::fmt::{self, Display, Formatter};

use super::version::ListingFacts;
use crate::nftables::ruleset::{BaseChain, Hook, TableFamily};

/// nft says `name - 5` up to this distance.
const REACH: u32 = 10;

/// A priority as nft prints it: relative to the nearest name that the family and the hook have (nft's src/rule.c).
pub(super) struct Priority {
    value: i32,
    named: Option<Named>,
}

impl Priority {
    pub(super) fn of(base: &BaseChain, family: TableFamily, facts: ListingFacts) -> Self {
        let near = |named: &&Named| base.priority.abs_diff(named.value) <= REACH;
        let names: &[Named] = if family == TableFamily::Bridge { &BRIDGE } else { &INET };
        Priority {
            value: base.priority,
            named: names.iter().find(near).copied().filter(|named| named.known_to(family, base.hook, facts)),
        }
    }
}

/// The value of a name. The hook does not matter, as newer versions have more names for it.
pub(in crate::nftables) fn value_of(name: &str, family: TableFamily) -> Option<i32> {
    let names: &[Named] = if family == TableFamily::Bridge { &BRIDGE } else { &INET };
    names.iter().find(|named| named.name == name).map(|named| named.value)
}

impl Display for Priority {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(Named { name, value, .. }) = self.named else {
            return self.value.fmt(f);
        };
        match self.value - value {
            0 => f.write_str(name),
            off if off < 0 => write!(f, "{name} - {}", -off),
            off => write!(f, "{name} + {off}"),
        }
    }
}

#[derive(Clone, Copy)]
struct Named {
    name: &'static str,
    value: i32,
    hook: Option<Hook>,
}

impl Named {
    const fn anywhere(name: &'static str, value: i32) -> Self {
        let hook = None;
        Named { name, value, hook }
    }

    const fn at(name: &'static str, value: i32, hook: Hook) -> Self {
        let hook = Some(hook);
        Named { name, value, hook }
    }

    fn known_to(&self, family: TableFamily, hook: Hook, facts: ListingFacts) -> bool {
        let family_knows = match family {
            TableFamily::Arp | TableFamily::Netdev => self.value == 0,
            _ => true,
        };
        let in_output = facts.dstnat_in_output && self.name == "dstnat" && hook == Hook::Output;
        family_knows && (in_output || self.hook.is_none_or(|only| only == hook))
    }
}

/// linux/netfilter_ipv4.h
const INET: [Named; 6] = [
    Named::anywhere("raw", -300),
    Named::anywhere("mangle", -150),
    Named::at("dstnat", -100, Hook::Prerouting),
    Named::anywhere("filter", 0),
    Named::anywhere("security", 50),
    Named::at("srcnat", 100, Hook::Postrouting),
];

/// linux/netfilter_bridge.h
const BRIDGE: [Named; 4] = [
    Named::at("dstnat", -300, Hook::Prerouting),
    Named::anywhere("filter", -200),
    Named::at("out", 100, Hook::Output),
    Named::at("srcnat", 300, Hook::Postrouting),
];
