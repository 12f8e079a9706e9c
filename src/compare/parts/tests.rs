//! Nothing is lost between the parts: on small clusters whose Services get in each other's way, also between modes and
//! releases, random packets through the whole have the outcome that the parts give.

use super::{Groups, Part, Parts, split};
use crate::compare::traffic::tests::judge;
use crate::compare::traffic::{Alike, Bounds, Comparison, Ground, Scope, Search, compare_within};
use crate::compare::unchanged::tests::{SERVICES, cluster, packet, planned, read, settings};
use crate::net::Family;
use crate::node::{Host, NodePlan};
use crate::settings::release::RELEASES;
use crate::testing::random::Random;
use crate::testing::scope::{part, share};
use crate::walk::Walker;

/// Compares by parts; returns also how many parts there are, and how many addresses stood for others.
fn by_parts(old: NodePlan<'_>, new: NodePlan<'_>) -> (Comparison, usize, usize) {
    let (old_host, new_host) = (old.host, new.host);
    let ground = Ground::new(&old_host, &new_host, Family::Ipv4);
    let Parts { base, parts } = split(old.plan, new.plan);
    let count = parts.len();
    let of_parts = parts.iter().flat_map(Part::addresses).collect();
    let compare = |part: Part<'_, '_>, scope: Scope<'_>, alike: &Alike| {
        let compile = |plan| NodePlan { plan, host: Host::default() }.compile();
        let (old, new) = (compile(part.old), compile(part.new));
        let walkers = (&Walker::new(&old.ruleset, &old_host), &Walker::new(&new.ruleset, &new_host));
        compare_within(walkers, Bounds { ground: &ground, scope, alike, search: Search::All, known: None })
    };
    let base = Part { old: base.0, new: base.1 };
    let mut whole = compare(base, Scope::Rest(&of_parts), &Alike::default());
    for part in parts {
        let (addresses, node_ports) = (part.addresses(), part.node_ports());
        let alike = Alike::of_plans(&part.old, &part.new, &ground);
        let scope = Scope::Part { addresses: &addresses, node_ports: &node_ports };
        let found = compare(part, scope, &alike);
        whole.classes += found.classes;
        whole.differences.extend(found.differences);
    }
    let alike = whole.differences.iter().map(|d| d.to.alike.len() + d.from.alike.len()).sum();
    (whole, count, alike)
}

#[test]
fn random_packets_fare_as_the_parts_say() {
    let (mut parts, mut alike, mut differing) = (0, 0, 0);
    for seed in share("compare::parts", 9, (0..CASES).collect()) {
        let mut random = Random::new(seed * 9_876_543 + 3);
        let mode = |random: &mut Random| random.pick(&["iptables", "nftables"]);
        let (old_mode, new_mode) = (mode(&mut random), mode(&mut random));
        let (old_release, new_release) = (random.pick(&RELEASES), random.pick(&RELEASES));
        let by_interface = random.one_in(4);
        let settings =
            (settings(old_mode, old_release, by_interface), settings(new_mode, new_release, by_interface));
        let case = format!("seed {seed}: {old_mode} {old_release} to {new_mode} {new_release}");
        let changed = Some(seed % (2 * SERVICES));
        let clusters = (read(&cluster(seed, None), &settings.0), read(&cluster(seed, changed), &settings.1));
        let plans = || (planned(&clusters.0, &settings.0), planned(&clusters.1, &settings.1));
        let (old, new) = plans();
        let (found, count, of_others) = by_parts(old, new);
        (parts, alike, differing) = (parts + count, alike + of_others, differing + found.differences.len());
        let (old, new) = plans();
        let whole = (old.compile(), new.compile());
        let walkers = (Walker::of(&whole.0), Walker::of(&whole.1));
        for _ in 0..PACKETS {
            let packet = packet(&mut random, walkers.1.host());
            judge(&found, (&walkers.0, &walkers.1), &packet, &case);
        }
    }
    let cases = part(usize::try_from(CASES).unwrap(), 10);
    assert!(
        parts > 2 * cases && alike > part(20, 20) && differing > part(500, 10),
        "{parts}, {alike}, {differing}"
    );
}

const CASES: u64 = 80;
const PACKETS: usize = 400;

#[test]
fn groups_are_numbered_by_their_first_members() {
    let mut groups = Groups::new(6);
    groups.join(4, 1);
    groups.join(5, 4);
    groups.join(2, 2);
    assert_eq!(groups.numbers(), [0, 1, 2, 3, 1, 1]);
}
