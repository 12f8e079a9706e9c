//! Base chains, in the order in which a kernel runs them.

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

    /// Sorts by priority; chains of the same keep the order of the listing.
    pub(super) fn sort(&mut self) {
        for bases in &mut self.0 {
            bases.sort_by_key(|base| (base.priority, base.own_priority));
        }
    }

    pub(super) fn at(&self, hook: Hook) -> &[BaseChain] {
        self.0.get(hook as usize).map_or(&[], Vec::as_slice)
    }
}
