//! Values that matches of kube-proxy and of other programs have in common.

/// An end of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "plain")]
pub enum End {
    Source,
    Destination,
}

/// A set of conntrack states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StateSet(u8);

impl StateSet {
    /// Names in the order in which `iptables-save` prints them, with their bits.
    pub const NAMES: [&'static str; 7] =
        ["INVALID", "NEW", "RELATED", "ESTABLISHED", "UNTRACKED", "SNAT", "DNAT"];

    /// The set of these states; none if a name is unknown.
    pub fn of(names: &[&str]) -> Option<StateSet> {
        let bit = |name: &&str| StateSet::NAMES.iter().position(|n| n == name).map(|i| 1u8 << i);
        names.iter().map(bit).try_fold(0, |set, bit| Some(set | bit?)).map(StateSet)
    }

    /// Names of its members, in printed order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().enumerate().filter(move |(i, _)| self.0 & (1 << i) != 0).map(|(_, n)| n)
    }

    /// Whether a state is a member.
    pub fn contains(self, name: &str) -> bool {
        self.names().any(|n| n == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_print_in_the_order_of_the_tool() {
        let set = StateSet::of(&["RELATED", "DNAT", "INVALID"]).unwrap();
        assert_eq!(set.names().collect::<Vec<_>>(), ["INVALID", "RELATED", "DNAT"]);
        assert_eq!(StateSet::of(&["BOGUS"]), None);
    }
}
