//! Base chains, in the order in which a kernel runs them.

use std::cmp::Reverse;
use std::ops::Range;

use super::hook::Hook;
use super::rule_part::ChainId;

/// Where connection tracking looks at a packet (NF_IP_PRI_CONNTRACK).
pub(super) const CONNTRACK: i32 = -200;

/// Whose chain it is. A listing has the chains of one backend in the order in which they were registered; of those of
/// two, nothing tells which was registered first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Backend {
    Iptables,
    /// The second ruleset of iptables: that of the legacy variant.
    Legacy,
    Nftables,
}

/// The orders in which the chains of backends can run: as usual first.
const ORDERS: [[Backend; 3]; 6] = {
    use Backend::{Iptables, Legacy, Nftables};
    [
        [Iptables, Legacy, Nftables],
        [Nftables, Iptables, Legacy],
        [Iptables, Nftables, Legacy],
        [Legacy, Iptables, Nftables],
        [Legacy, Nftables, Iptables],
        [Nftables, Legacy, Iptables],
    ]
};

/// A base chain.
#[derive(Debug, Clone, Copy)]
pub(super) struct BaseChain {
    pub(super) chain: ChainId,
    pub(super) priority: i32,
    /// What the chain asks for: ranks nat chains among themselves.
    pub(super) own_priority: i32,
    pub(super) backend: Backend,
    /// Ascending in the order in which chains of the backend were registered.
    pub(super) registered: u32,
    pub(super) nat: bool,
    /// Whether a packet whose mark changes in it is routed again (net/ipv4/netfilter/iptable_mangle.c, `ipt_mangle_out`;
    /// net/netfilter/nft_chain_route.c).
    pub(super) routes_again: bool,
    pub(super) drops: bool,
    /// Whether it does nothing to any packet.
    pub(super) idle: bool,
}

/// Base chains of one priority that run one after the other, in one of several orders.
#[derive(Debug)]
pub(super) struct Tie {
    /// Where they stand among the chains of the hook.
    pub(super) places: Range<usize>,
    /// All orders in which they can run, two at least; the first is that of [`BaseChains::at`].
    pub(super) orders: Vec<Vec<BaseChain>>,
}

impl Tie {
    /// The chains in the order of [`BaseChains::at`].
    pub(super) fn usual(&self) -> &[BaseChain] {
        self.orders.first().map_or(&[], Vec::as_slice)
    }
}

/// The base chains of every hook, in the order in which they run.
#[derive(Default)]
pub(super) struct BaseChains {
    chains: [Vec<BaseChain>; 5],
    ties: [Vec<Tie>; 5],
}

impl BaseChains {
    pub(super) fn add(&mut self, hook: Hook, base: BaseChain) {
        if let Some(bases) = self.chains.get_mut(hook as usize) {
            bases.push(base);
        }
    }

    /// Sorts by priority, and finds the chains for which that leaves several orders.
    pub(super) fn sort(&mut self) {
        let mut backends = self.chains.iter().flatten().map(|base| base.backend);
        let first = backends.next();
        let count = if backends.any(|backend| Some(backend) != first) { ORDERS.len() } else { 1 };
        let all: Vec<_> = ORDERS.iter().take(count).map(|order| self.sorted(order)).collect();
        if let [usual, others @ ..] = all.as_slice() {
            self.ties = std::array::from_fn(|hook| {
                let at = |all: &[Vec<BaseChain>; 5]| all.get(hook).cloned().unwrap_or_default();
                ties(&at(usual), &others.iter().map(at).collect::<Vec<_>>())
            });
            self.chains = usual.clone();
        }
    }

    /// The chains by priority; of those of one priority the one that was registered last runs first
    /// (net/netfilter/core.c, `nf_hook_entries_grow`). The first nat chain at any hook has translation registered at all
    /// of them (net/netfilter/nf_nat_core.c, `nf_nat_register_fn`).
    fn sorted(&self, order: &[Backend; 3]) -> [Vec<BaseChain>; 5] {
        let place = |base: &BaseChain| {
            let of_listing = order.iter().position(|backend| *backend == base.backend);
            (of_listing, Reverse(base.registered))
        };
        let nat = self.chains.iter().flatten().filter(|base| base.nat);
        let first_nat = nat.map(place).max();
        self.chains.clone().map(|mut bases| {
            bases.sort_by_key(|base| {
                let translation = first_nat.filter(|_| base.nat).unwrap_or_else(|| place(base));
                (base.priority, translation, base.own_priority, place(base))
            });
            bases
        })
    }

    pub(super) fn at(&self, hook: Hook) -> &[BaseChain] {
        self.chains.get(hook as usize).map_or(&[], Vec::as_slice)
    }

    /// The chains at a hook whose order is not known, if this place is theirs.
    pub(super) fn tie(&self, hook: Hook, place: usize) -> Option<&Tie> {
        self.ties.get(hook as usize)?.iter().find(|tie| tie.places.contains(&place))
    }
}

/// Where the chains of a hook can run in another order than the usual one, not counting those that do nothing.
fn ties(usual: &[BaseChain], others: &[Vec<BaseChain>]) -> Vec<Tie> {
    let mut ties = Vec::new();
    let mut end = 0;
    for group in usual.chunk_by(|a, b| a.priority == b.priority) {
        let places = end..end + group.len();
        end = places.end;
        let mut orders = vec![group.to_vec()];
        for order in others.iter().filter_map(|other| other.get(places.clone())) {
            if orders.iter().all(|known| acting(known) != acting(order)) {
                orders.push(order.to_vec());
            }
        }
        if orders.len() > 1 {
            ties.push(Tie { places, orders });
        }
    }
    ties
}

fn acting(chains: &[BaseChain]) -> Vec<ChainId> {
    chains.iter().filter(|base| !base.idle).map(|base| base.chain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(chain: u32, backend: Backend, priority: i32) -> BaseChain {
        BaseChain {
            chain: ChainId(chain),
            priority,
            own_priority: priority,
            backend,
            registered: chain,
            nat: false,
            routes_again: false,
            drops: false,
            idle: false,
        }
    }

    fn orders(chains: impl IntoIterator<Item = BaseChain>) -> Vec<Vec<u32>> {
        let mut all = BaseChains::default();
        chains.into_iter().for_each(|base| all.add(Hook::Input, base));
        all.sort();
        let numbers = |bases: &[BaseChain]| bases.iter().map(|base| base.chain.0).collect::<Vec<_>>();
        let place = (0..all.at(Hook::Input).len()).find_map(|place| all.tie(Hook::Input, place));
        place.map_or_else(Vec::new, |tie| tie.orders.iter().map(|order| numbers(order)).collect())
    }

    #[test]
    fn of_one_listing_the_order_is_known() {
        use Backend::{Iptables, Nftables};
        assert_eq!(orders([base(1, Nftables, 0), base(2, Nftables, 0)]), [[0; 0]; 0]);
        assert_eq!(orders([base(1, Iptables, 0), base(2, Nftables, 1)]), [[0; 0]; 0]);
        let idle = BaseChain { idle: true, ..base(1, Iptables, 0) };
        assert_eq!(orders([idle, base(2, Nftables, 0)]), [[0; 0]; 0]);
    }

    #[test]
    fn of_several_listings_each_can_be_first() {
        use Backend::{Iptables, Legacy, Nftables};
        let [a, b, c] = [base(1, Iptables, 0), base(2, Nftables, 0), base(3, Nftables, 0)];
        assert_eq!(orders([a, b, c]), [[1, 3, 2], [3, 2, 1]]);
        assert_eq!(orders([base(1, Iptables, 0), base(2, Legacy, 0), base(3, Nftables, 0)]).len(), 6);
    }

    /// Translation stands where the first of its chains was registered, whichever that is.
    #[test]
    fn chains_between_those_of_translation_run_before_or_behind_all() {
        use Backend::{Iptables, Nftables};
        let nat = |base: BaseChain| BaseChain { nat: true, ..base };
        let chains = [nat(base(1, Iptables, 0)), base(2, Nftables, 0), nat(base(3, Nftables, 0))];
        assert_eq!(orders(chains), [[1, 3, 2], [2, 3, 1]]);
    }
}
