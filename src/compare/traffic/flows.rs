//! Classes that fare differently, folded for people: those to one destination with the same fates are one flow.

use std::collections::BTreeSet;

use serde::Serialize;

use super::names::Names;
use super::reasons::{self, SideFacts};
use super::{Contrast, Difference, Fate, From, To, words};
use crate::walk::Origin;

/// Packets that fare differently in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Flow {
    /// `namespace/name`; none for a destination of no Service.
    pub service: Option<String>,
    /// What the destination is, such as `cluster IP of shop/web:http`; empty for none.
    pub target: String,
    /// Where the packets go to, such as `10.96.0.12:80/tcp`.
    pub to: String,
    /// Where they come from, such as `pods of this node`.
    pub from: Vec<String>,
    /// What becomes of them with the old rules.
    pub before: String,
    /// What becomes of them with the new rules.
    pub after: String,
    /// `outcome`, `affinity` or `chance`
    pub change: &'static str,
    /// Code of a known difference between modes or releases that explains it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// One of the packets: source.
    pub source: String,
    /// One of the packets: destination.
    pub destination: String,
    /// How many classes it takes together.
    pub classes: usize,
}

/// Folds the classes that differ.
pub fn flows(differences: &[Difference], names: &Names, facts: (&SideFacts, &SideFacts)) -> Vec<Flow> {
    let mut folded: Vec<(Key, Vec<&Difference>)> = Vec::new();
    let mut begun = 0;
    for difference in differences {
        // Classes of one destination stand together.
        if folded
            .get(begun)
            .is_some_and(|(_, list)| list.first().is_some_and(|first| first.to != difference.to))
        {
            begun = folded.len();
        }
        let key = Key::of(difference, facts);
        match folded.iter_mut().skip(begun).find(|(other, _)| *other == key) {
            Some((_, list)) => list.push(difference),
            None => folded.push((key, vec![difference])),
        }
    }
    let mut flows: Vec<Flow> = folded.iter().filter_map(|(key, list)| flow(key, list, names)).collect();
    flows.sort_by(|a, b| (a.service.is_none(), &a.service).cmp(&(b.service.is_none(), &b.service)));
    flows
}

/// What classes of one flow agree in.
#[derive(PartialEq)]
struct Key {
    old: Fate,
    new: Fate,
    contrast: Contrast,
    reason: Option<reasons::Reason>,
}

impl Key {
    /// Whether the source of an endpoint that calls itself is rewritten is no difference to others, if both sides agree
    /// in it.
    fn of(difference: &Difference, facts: (&SideFacts, &SideFacts)) -> Key {
        let Difference { old, new, contrast, packet, .. } = difference;
        let itself = |end: &super::End| end.destination.is_some_and(|to| to.ip() == packet.source);
        let others_snat = |fate: &Fate| fate.ends().any(|(_, end, _)| !itself(end) && end.snat);
        let plain = |fate: &Fate| {
            let others = others_snat(fate);
            fate.with_snat(|end| if itself(end) { others } else { end.snat })
        };
        let (plain_old, plain_new) = (plain(old), plain(new));
        let (old, new) = match plain_old.contrast(&plain_new) {
            Some(_) => (plain_old, plain_new),
            None => (old.clone(), new.clone()),
        };
        Key { old, new, contrast: *contrast, reason: reasons::explain(difference, facts) }
    }
}

fn flow(key: &Key, list: &[&Difference], names: &Names) -> Option<Flow> {
    let first = list.first()?;
    let to = &first.to;
    let representative = to.representative;
    let is_own = to.own;
    let name = to.address.zip(to.port).and_then(|(ip, port)| names.find(ip, to.protocol, port, is_own));
    let service = name.map(|name| name.service.to_string());
    Some(Flow {
        service: service.or_else(|| Some(names.cluster_ip(to.address?)?.to_owned())),
        target: name.map_or(String::new(), |name| format!("{} of {}", name.kind, name.service_port)),
        to: destination(to),
        from: sources(list),
        before: words::fate(&key.old, representative),
        after: words::fate(&key.new, representative),
        change: match key.contrast {
            Contrast::Outcome => "outcome",
            Contrast::Affinity => "affinity",
            Contrast::Chance => "chance",
        },
        reason: key.reason.map(reasons::Reason::code),
        source: first.packet.source.to_string(),
        destination: first.packet.destination.to_string(),
        classes: list.len(),
    })
}

fn destination(to: &To) -> String {
    let ip = match to.address {
        Some(ip) if ip.is_ipv6() => format!("[{ip}]"),
        Some(ip) => ip.to_string(),
        None => format!("other addresses such as {}", to.representative.ip()),
    };
    match to.port {
        Some(port) => format!("{ip}:{port}/{}", to.protocol),
        None => format!("{ip}, other {} ports", to.protocol),
    }
}

/// At most this many single sources are listed.
const LISTED: usize = 6;

fn sources(list: &[&Difference]) -> Vec<String> {
    let mut kinds: BTreeSet<(u8, &'static str)> = BTreeSet::new();
    let mut single: BTreeSet<std::net::IpAddr> = BTreeSet::new();
    for From { origin, address, .. } in list.iter().map(|difference| &difference.from) {
        match address {
            Some(ip) => _ = single.insert(*ip),
            None => _ = kinds.insert((rank(*origin), origin.words())),
        }
    }
    let mut sources: Vec<String> = kinds.into_iter().map(|(_, words)| words.to_owned()).collect();
    if sources.len() == Origin::ALL.len() {
        sources = vec!["everywhere".to_owned()];
    }
    if single.len() > LISTED {
        sources.push(format!("{} single addresses", single.len()));
    } else {
        sources.extend(single.iter().map(ToString::to_string));
    }
    sources
}

fn rank(origin: Origin) -> u8 {
    match origin {
        Origin::LocalPod => 0,
        Origin::RemotePod => 1,
        Origin::Node => 2,
        Origin::Outside => 3,
    }
}
