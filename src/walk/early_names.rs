//! The interfaces that rules before routing ask for.

use std::sync::OnceLock;

use super::hook::Hook;
use super::program::Program;
use crate::net::Family;
use crate::node::PerFamily;

/// Names and patterns that rules before routing ask for; none where they ask for more of an interface than its name.
#[derive(Default)]
pub(super) struct EarlyNames<'r>(PerFamily<OnceLock<Option<Vec<&'r str>>>>);

impl<'r> EarlyNames<'r> {
    pub(super) fn of(&self, program: &Program<'r>, family: Family) -> Option<&[&'r str]> {
        let found = || {
            let mut names = Vec::new();
            if let Some(iptables) = program.iptables_part() {
                names.extend(iptables.interfaces_asked_at(&[Hook::Prerouting, Hook::Output])?);
            }
            if let Some(nftables) = program.nftables_part() {
                names.extend(nftables.interfaces_asked_at(&[Hook::Prerouting, Hook::Output], family)?);
            }
            names.sort_unstable();
            names.dedup();
            Some(names)
        };
        self.0.get(family).get_or_init(found).as_deref()
    }
}
