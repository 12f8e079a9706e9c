//! Base chains, in the order in which a kernel runs them.

use std::cmp::Reverse;

use super::hook::Hook;
use super::rule_part::ChainId;

/// Where connection tracking looks at a packet (NF_IP_PRI_CONNTRACK).
pub(super) const CONNTRACK: i32 = -200;

/// A base chain.
#[derive(Debug, Clone, Copy)]
pub(super) struct BaseChain {
    pub(super) chain: ChainId,
    pub(super) priority: i32,
    /// What the chain asks for: ranks nat chains among themselves.
    pub(super) own_priority: i32,
    /// Ascending in the order in which chains were registered.
    pub(super) registered: u32,
    pub(super) nat: bool,
    /// Whether a packet whose mark changes in it is routed again (net/ipv4/netfilter/iptable_mangle.c, `ipt_mangle_out`;
    /// net/netfilter/nft_chain_route.c).
    pub(super) routes_again: bool,
    pub(super) drops: bool,
}

/// The base chains of every hook, in the order in which they run.
#[derive(Default)]
pub(super) struct BaseChains([Vec<BaseChain>; 5]);

impl BaseChains {
    pub(super) fn add(&mut self, hook: Hook, base: BaseChain) {
        if let Some(bases) = self.0.get_mut(hook as usize) {
            bases.push(base);
        }
    }

    /// Sorts by priority; of chains of the same the one that was registered last runs first (net/netfilter/core.c,
    /// `nf_hook_entries_grow`). The first nat chain at any hook has translation registered at all of them
    /// (net/netfilter/nf_nat_core.c, `nf_nat_register_fn`).
    pub(super) fn sort(&mut self) {
        let nat = self.0.iter().flatten().filter(|base| base.nat);
        let first_nat = nat.map(|base| base.registered).min();
        for bases in &mut self.0 {
            bases.sort_by_key(|base| {
                let place = first_nat.filter(|_| base.nat).unwrap_or(base.registered);
                (base.priority, Reverse(place), base.own_priority, Reverse(base.registered))
            });
        }
    }

    pub(super) fn at(&self, hook: Hook) -> &[BaseChain] {
        self.0.get(hook as usize).map_or(&[], Vec::as_slice)
    }
}
