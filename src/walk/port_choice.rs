//! The source port that a translation chooses.

use super::packet::SourcePort;

/// The source port that a translation chooses: the packet's own, if that fits and no flag says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct PortChoice {
    /// From first to last; none for any of the usual ones.
    pub(super) range: Option<(u16, u16)>,
    /// Another one in any case.
    pub(super) random: bool,
}

impl PortChoice {
    /// Nothing is known of it.
    pub(super) const UNKNOWN: PortChoice = PortChoice { range: Some((0, u16::MAX)), random: true };

    /// One of the usual ones: its own, if it need not be another in any case.
    pub(super) fn random(random: bool) -> PortChoice {
        PortChoice { range: None, random }
    }

    /// The port afterwards. A privileged port stays one (net/netfilter/nf_nat_core.c, `nf_nat_l4proto_unique_tuple`).
    pub(super) fn of(self, was: SourcePort, own: Option<u16>) -> SourcePort {
        let (first, last) = match (was, own) {
            (SourcePort::Given(first, last), _) => (first, last),
            (SourcePort::Own, Some(port)) => (port, port),
            (SourcePort::Own, None) => (1024, u16::MAX),
        };
        let (from, to) = match (self.range, first, last) {
            (Some(range), ..) => range,
            (None, 1024.., _) => (1024, u16::MAX),
            (None, _, ..512) => (1, 511),
            (None, 512.., ..1024) => (600, 1023),
            (None, ..) => (1, u16::MAX),
        };
        let fits = from <= first && last <= to;
        if fits && !self.random { was } else { SourcePort::Given(from, to) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_fits_is_kept_unless_it_is_random() {
        let choice = |range, random| PortChoice { range, random };
        for (choice, own, expected) in [
            (choice(None, false), None, SourcePort::Own),
            (choice(None, true), None, SourcePort::Given(1024, 65535)),
            (choice(None, true), Some(80), SourcePort::Given(1, 511)),
            (choice(None, true), Some(700), SourcePort::Given(600, 1023)),
            (choice(Some((2000, 3000)), false), Some(2500), SourcePort::Own),
            (choice(Some((2000, 3000)), false), Some(1500), SourcePort::Given(2000, 3000)),
            (choice(Some((2000, 3000)), false), None, SourcePort::Given(2000, 3000)),
            (choice(Some((1024, 65535)), false), None, SourcePort::Own),
            (choice(Some((1024, 65535)), true), None, SourcePort::Given(1024, 65535)),
        ] {
            assert_eq!(choice.of(SourcePort::Own, own), expected, "{choice:?} {own:?}");
        }
        let translated = SourcePort::Given(5, 900);
        assert_eq!(PortChoice::random(true).of(translated, None), SourcePort::Given(1, 65535));
    }
}
