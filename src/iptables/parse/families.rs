//! The family of a text, as far as its contents show it.

use crate::diagnostic::ParseError;
use crate::net::Family;

/// The families that something in a rule points to.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Families {
    pub(super) ipv4: bool,
    pub(super) ipv6: bool,
}

impl Families {
    pub(super) fn note(&mut self, family: Family) {
        match family {
            Family::Ipv4 => self.ipv4 = true,
            Family::Ipv6 => self.ipv6 = true,
        }
    }
}

/// The first line that points to each family.
#[derive(Default, Clone, Copy)]
pub(super) struct Evidence {
    ipv4: Option<usize>,
    ipv6: Option<usize>,
}

impl Evidence {
    pub(super) fn note(&mut self, families: Families, line: usize) {
        self.ipv4 = self.ipv4.or(families.ipv4.then_some(line));
        self.ipv6 = self.ipv6.or(families.ipv6.then_some(line));
    }

    /// Adds the evidence in lines that are counted from `first`.
    pub(super) fn add(&mut self, later: Evidence, first: usize) {
        self.ipv4 = self.ipv4.or(later.ipv4.map(|line| line + first));
        self.ipv6 = self.ipv6.or(later.ipv6.map(|line| line + first));
    }

    /// The family that everything points to, if anything does.
    pub(super) fn family(self, header: Option<Family>) -> Result<Option<Family>, ParseError> {
        let fault = |line, message: &str| Err(ParseError { line, message: message.to_owned() });
        match (header, self.ipv4, self.ipv6) {
            (Some(Family::Ipv6), Some(line), _) => {
                fault(line, "something of IPv4 in a table that the header gives to ip6tables-save")
            }
            (Some(Family::Ipv4), _, Some(line)) => {
                fault(line, "something of IPv6 in a table that the header gives to iptables-save")
            }
            (None, Some(a), Some(b)) => {
                fault(a.max(b), "the table has addresses of both families, which no table of iptables has")
            }
            (None, Some(_), None) => Ok(Some(Family::Ipv4)),
            (None, None, Some(_)) => Ok(Some(Family::Ipv6)),
            (header, _, _) => Ok(header),
        }
    }
}
