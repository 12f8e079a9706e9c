//! Rules that stand behind each other, of which the later asks for what the earlier did; and forms that tools seldom print.

use super::fragments::{Placed, Rules};

/// A table, a chain and a rule in each line, as they stand in front of kube-proxy's.
const SEQUENCES: [&str; 26] = [
    "mangle PREROUTING -m recent --set --name a\nmangle PREROUTING -m recent --remove --name a\nmangle PREROUTING -m recent --rcheck --name a -j DROP",
    "mangle PREROUTING -m recent --set --name b\nmangle PREROUTING -m recent --set --name b\nmangle PREROUTING -m recent --rcheck --hitcount 2 --name b -j DROP",
    "mangle PREROUTING -m recent --set --name c\nmangle PREROUTING -m recent --rcheck --hitcount 2 --name c -j DROP",
    "mangle PREROUTING -m recent ! --set --name d\nmangle PREROUTING -m recent --rcheck --name d -j DROP",
    "mangle PREROUTING -m recent --set --name e\nmangle PREROUTING -m recent --update --name e\nmangle PREROUTING -m recent --rcheck --hitcount 2 --name e -j DROP",
    "mangle PREROUTING -m recent --set --name f --rdest\nmangle PREROUTING -m recent --rcheck --name f --rdest -j DROP",
    "mangle PREROUTING -m recent --set --name g --rdest\nmangle PREROUTING -m recent --rcheck --name g -j DROP",
    "mangle PREROUTING -m recent --set --name h -m addrtype --dst-type MULTICAST\nmangle PREROUTING -m recent --rcheck --seconds 60 --reap --name h -j DROP",
    "mangle PREROUTING -m recent --set --name i\nmangle POSTROUTING -m recent --rcheck --name i -j DROP",
    "mangle PREROUTING -m recent --set --name k --rsource\nmangle FORWARD -m recent --rcheck --seconds 60 --name k -j DROP",
    "nat INPUT -j SNAT --to-source 192.0.2.99\nsecurity INPUT -s 192.0.2.99 -j DROP",
    "nat PREROUTING -p tcp -j REDIRECT --to-ports 9000-9003 --random",
    "nat PREROUTING -p tcp -j REDIRECT --to-ports 1-9 --random",
    "nat PREROUTING -p tcp -j REDIRECT --random",
    "mangle PREROUTING -j CONNMARK --set-mark 0x5/0xf\nmangle FORWARD -m connmark ! --mark 0x5 -j DROP",
    "mangle PREROUTING -j CONNMARK --or-mark 0x50\nmangle PREROUTING -j CONNMARK --xor-mark 0x41\nmangle PREROUTING -j CONNMARK --and-mark 0x1f\nmangle FORWARD -m connmark --mark 0x11 -j DROP",
    "mangle PREROUTING -j MARK --set-mark 0xf0/0xff\nmangle PREROUTING -j MARK --and-mark 0x3f\nmangle PREROUTING -j MARK --xor-mark 0x1\nmangle PREROUTING -m mark --mark 0x31 -j DROP",
    "filter FORWARD -m conntrack --ctstate INVALID,NEW,RELATED,ESTABLISHED,UNTRACKED,SNAT,DNAT -j DROP",
    "filter FORWARD -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP",
    "filter FORWARD -m conntrack --ctorigdst 10.96.0.0/12 --ctorigdstport 80:90 --ctdir ORIGINAL -j DROP",
    "filter FORWARD -m conntrack ! --ctstatus NONE -j DROP",
    "filter FORWARD -m statistic --mode nth ! --every 2 --packet 0 -j DROP",
    "filter FORWARD -m set --match-set pairs dst -j DROP",
    "filter FORWARD -m set ! --match-set pairs dst -j DROP",
    "filter FORWARD -m set --match-set pairs dst,dst,src -j DROP",
    "filter FORWARD -m hashlimit --hashlimit-upto 500000/sec --hashlimit-rate-match --hashlimit-rate-interval 5 --hashlimit-name rm -j DROP",
];

/// Of one family.
const OF_IPV4: [&str; 2] = [
    "nat PREROUTING -p tcp -j DNAT --to-destination 10.244.2.77:1000-1099/80",
    "nat PREROUTING -p tcp -j DNAT --to-destination 10.244.2.77-10.244.2.79:1000-1007/5000",
];
const OF_IPV6: [&str; 4] = [
    "filter FORWARD -m frag --fragid 1 -j DROP",
    "filter FORWARD -m rt ! --rt-type 0 -j DROP",
    "filter FORWARD -m hbh ! --hbh-len 8 -j DROP",
    "filter FORWARD -m dst --dst-len 8 -j DROP",
];

/// What rules see of a connection that there is not yet: a template. Judged last, so that the random packets of all others
/// stay the same.
const TEMPLATES: [&str; 3] = [
    "raw PREROUTING -j CT --zone 5\nraw PREROUTING -m conntrack --ctstate NEW -j DROP",
    "raw PREROUTING -j CT --zone 5\nraw PREROUTING -m conntrack ! --ctproto 6 -j DROP",
    "raw PREROUTING -j CT --zone 5\nraw PREROUTING -j CT --notrack\nfilter FORWARD -m conntrack --ctstate UNTRACKED -j DROP",
];

/// Source ports that a translation chooses, as later hooks see them.
const PORTS: [&str; 5] = [
    "nat POSTROUTING -p tcp -j MASQUERADE --random-fully\nfilter INPUT -m conntrack --ctstate SNAT -j DROP",
    "nat POSTROUTING -p tcp -j MASQUERADE\nfilter INPUT -m conntrack --ctstate SNAT -j DROP",
    "nat POSTROUTING -p tcp -j MASQUERADE --to-ports 2000-3000\nfilter INPUT -p tcp --sport 2000:3000 -j DROP",
    "nat POSTROUTING -p udp -j MASQUERADE --random\nfilter INPUT -i lo -p udp --sport 1:1023 -j DROP",
    "nat INPUT -p tcp -j SNAT --to-source 192.0.2.99:2000\nsecurity INPUT -p tcp --sport 2000 -j DROP",
];

/// Those that are judged last.
pub(super) fn of_templates_and_ports() -> Vec<Rules> {
    TEMPLATES.iter().chain(&PORTS).map(|text| rules(text)).collect()
}

/// All for a family.
pub(super) fn of_family(is_ipv4: bool) -> Vec<Rules> {
    let own: &[&str] = if is_ipv4 { &OF_IPV4 } else { &OF_IPV6 };
    SEQUENCES.iter().chain(own).map(|text| rules(text)).collect()
}

fn rules(text: &'static str) -> Rules {
    let placed = text.lines().filter_map(|line| {
        let (table, rest) = line.split_once(' ')?;
        let (chain, rule) = rest.split_once(' ')?;
        Some(Placed { table, chain: chain.to_owned(), front: true, rule: rule.to_owned() })
    });
    Rules { placed: placed.collect(), chains: Vec::new() }
}
