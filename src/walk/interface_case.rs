//! An interface, as rules can tell it from others by its name.

/// The text before `+` of iptables or `*` of nftables.
pub(super) fn prefix(name: &str) -> Option<&str> {
    name.strip_suffix(['+', '*'])
}

/// Whether an interface has this name or fits this pattern.
pub(super) fn fits(interface: &str, pattern: &str) -> bool {
    match prefix(pattern) {
        Some(prefix) => interface.starts_with(prefix),
        None => interface == pattern,
    }
}

/// Interfaces that no rule tells from one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum InterfaceCase<'r> {
    /// The one with this name.
    Named(&'r str),
    /// Any that no rule names and that begins with this, the longest prefix in rules that it fits.
    Prefixed(&'r str),
    /// Any other.
    Other,
}

impl<'r> InterfaceCase<'r> {
    /// Whether the interfaces of this case fit a name or pattern in rules.
    pub(super) fn fits(&self, pattern: &str) -> bool {
        match (self, prefix(pattern)) {
            (InterfaceCase::Named(name), _) => fits(name, pattern),
            (InterfaceCase::Prefixed(begin), Some(prefix)) => begin.starts_with(prefix),
            (InterfaceCase::Other, Some(prefix)) => prefix.is_empty(),
            (_, None) => false,
        }
    }

    /// Whether its names begin like this.
    pub(super) fn begins(&self, with: &str) -> bool {
        match self {
            InterfaceCase::Named(name) | InterfaceCase::Prefixed(name) => name.starts_with(with),
            InterfaceCase::Other => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_fits_the_patterns_that_it_begins_with() {
        assert!(InterfaceCase::Prefixed("cali1").fits("cali+"));
        assert!(!InterfaceCase::Prefixed("cali").fits("cali1*"));
        assert!(!InterfaceCase::Prefixed("cali").fits("cali"));
        assert!(InterfaceCase::Other.fits("+"));
        assert!(InterfaceCase::Named("").fits("+"));
        assert!(!InterfaceCase::Named("").fits("eth0"));
    }
}
