//! Random routes, routing rules, sysctls and rules that look up routes.

use kuberules::net::Family;

use crate::support::random::Random;

/// The interfaces of the node: to the first and the second network, and to Pods.
pub(super) const INTERFACES: [&str; 3] = ["eth0", "eth1", "cali1"];

/// The networks of addresses, one for each number.
pub(super) fn address(family: Family, network: u8, host: u16) -> String {
    match family {
        Family::Ipv4 => format!("10.{network}.{}.{}", host >> 8, host & 0xff),
        Family::Ipv6 => format!("fd00:{network:x}::{host:x}"),
    }
}

fn network(family: Family, number: u8) -> String {
    match family {
        Family::Ipv4 => format!("10.{number}.0.0/16"),
        Family::Ipv6 => format!("fd00:{number:x}::/32"),
    }
}

/// The networks that packets come from and go to: those of eth0, of eth1, of Pods on this node and on others, of
/// clients, and one for which there is seldom a route.
pub(super) const NETWORKS: [u8; 6] = [1, 2, 11, 12, 50, 60];
/// That of cluster IPs.
pub(super) const CLUSTER_IPS: u8 = 96;

/// A cluster IP for each network, with an endpoint in it, and one whose endpoint is the node.
pub(super) fn endpoint(family: Family, number: usize) -> String {
    match NETWORKS.get(number) {
        Some(network) => address(family, *network, 0x0505),
        None => own(family, 0),
    }
}

/// The node's addresses on eth0 and eth1.
pub(super) fn own(family: Family, interface: usize) -> String {
    address(family, NETWORKS[interface], 0x000b)
}

/// The setup of a node.
pub(super) struct Setup {
    pub(super) family: Family,
    /// Arguments of `ip`, each with `add`.
    pub(super) commands: Vec<String>,
    /// Files under /proc/sys/net, and their values.
    pub(super) sysctls: Vec<(String, String)>,
    /// Input of `iptables-restore`.
    pub(super) iptables: String,
    /// Input of `nft -f`: rules that look up routes.
    pub(super) nftables: String,
}

impl Setup {
    pub(super) fn random(family: Family, dice: &mut Random) -> Setup {
        let mut commands = addresses(family, dice);
        commands.extend(routes(family, dice));
        commands.extend(local_routes(family, dice));
        commands.extend(rules(family, dice));
        let with_nft = dice.one_in(3);
        Setup {
            family,
            commands,
            sysctls: if family == Family::Ipv4 { sysctls(dice) } else { sysctls_of_ipv6(dice) },
            iptables: iptables(family, dice),
            nftables: if with_nft { nftables(family, dice) } else { String::new() },
        }
    }
}

fn addresses(family: Family, dice: &mut Random) -> Vec<String> {
    let prefix = if family == Family::Ipv4 { 24 } else { 64 };
    let mut found = vec![format!("address add {}/{prefix} dev eth0", own(family, 0))];
    if !dice.one_in(3) {
        found.push(format!("address add {}/{prefix} dev eth1", own(family, 1)));
    }
    if dice.one_in(3) {
        let further = address(family, dice.pick(&NETWORKS), 0x000c);
        found.push(format!("address add {further}/{prefix} dev {}", dice.pick(&INTERFACES)));
    }
    // An address that another interface also has, as some programs give the same one to each Pod's interface.
    if dice.one_in(4) {
        found.push(format!("address add {}/{} dev cali1", own(family, 0), family.bits()));
    }
    found
}

fn target(dice: &mut Random) -> String {
    match dice.below(10) {
        0 => "unreachable".into(),
        1 => "prohibit".into(),
        2 => "blackhole".into(),
        3 => "throw".into(),
        n => ["eth0", "eth1", "cali1", "cali1", "eth0", "eth1"][n - 4].into(),
    }
}

fn route(net: &str, target: &str, table: &str) -> String {
    match target {
        "unreachable" | "prohibit" | "blackhole" | "throw" => format!("route add {target} {net} {table}"),
        device => format!("route add {net} dev {device} {table}"),
    }
}

fn routes(family: Family, dice: &mut Random) -> Vec<String> {
    let mut found = Vec::new();
    match dice.below(4) {
        0 => {}
        1 => found.push(route("default", &target(dice).replace("throw", "eth0"), "")),
        2 => found.push(format!("route add default via {} dev eth0", address(family, 1, 0x0001))),
        _ => found.push(route("default", "eth0", "")),
    }
    for number in NETWORKS.into_iter().chain([CLUSTER_IPS]) {
        let usual = match number {
            1 => "eth0",
            2 => "eth1",
            11 => "cali1",
            12 | 50 => "eth0",
            _ => "",
        };
        let net = network(family, number);
        if dice.one_in(3) {
            found.push(route(&net, &target(dice), ""));
        } else if !usual.is_empty() && !dice.one_in(4) {
            found.push(route(&net, usual, ""));
        }
        if dice.one_in(8) {
            found.push(route(&net, &target(dice), "table 100"));
        }
        if dice.one_in(6) && family == Family::Ipv4 {
            let host = address(family, number, 0x0505);
            found.push(route(&host, &target(dice).replace("throw", "cali1"), "metric 5"));
        }
        if dice.one_in(10) {
            let narrow =
                if family == Family::Ipv4 { net.replace("/16", "/18") } else { net.replace("/32", "/40") };
            found.push(format!("route add {narrow} dev eth0 src {}", own(family, dice.below(2))));
        }
        if dice.one_in(12) && family == Family::Ipv4 {
            found.push(format!(
                "route add {} nexthop dev eth0 weight 1 nexthop dev eth1 weight 1 metric 7",
                net.replace("/16", "/17")
            ));
        }
    }
    if dice.one_in(3) {
        found.push(route("default", ["eth0", "eth1", "unreachable"][dice.below(3)], "table 100"));
    }
    found
}

/// Addresses that are the node's by a route alone.
fn local_routes(family: Family, dice: &mut Random) -> Option<String> {
    if !dice.one_in(4) {
        return None;
    }
    let number = dice.pick(&[11, 12, 50, 60]);
    let (destination, device) = match dice.below(3) {
        0 => (network(family, number).replace("/16", "/17").replace("/32", "/33"), "lo"),
        _ => (address(family, number, 0x0505), dice.pick(&INTERFACES)),
    };
    Some(format!("route add local {destination} dev {device}"))
}

fn rules(family: Family, dice: &mut Random) -> Vec<String> {
    let mut found = Vec::new();
    if !dice.one_in(3) {
        return found;
    }
    for priority in 0..1 + dice.below(3) {
        let net = network(family, dice.pick(&NETWORKS));
        let asked = match dice.below(8) {
            0 | 1 => format!("from {net}"),
            2 | 3 => format!("to {net}"),
            4 => "fwmark 0x1/0x1".into(),
            5 => format!("not from {net}"),
            6 => "iif cali1".into(),
            _ => format!("from {net} to {}", network(family, dice.pick(&NETWORKS))),
        };
        let action = match dice.below(8) {
            0 => "unreachable",
            1 => "prohibit",
            2 => "blackhole",
            3 => "lookup main",
            4 => "lookup main suppress_prefixlength 0",
            _ => "lookup 100",
        };
        found.push(format!("rule add {asked} priority {} {action}", 1000 + priority));
    }
    found
}

fn sysctls(dice: &mut Random) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut set = |name: String, value: usize| found.push((format!("ipv4/{name}"), value.to_string()));
    // This one sets those of all interfaces.
    let forwards = !dice.one_in(5);
    set("ip_forward".into(), usize::from(forwards));
    for name in ["all", "eth0", "eth1", "cali1"] {
        set(format!("conf/{name}/rp_filter"), if dice.one_in(2) { 0 } else { dice.below(3) });
        set(format!("conf/{name}/accept_local"), usize::from(dice.one_in(8)));
        set(format!("conf/{name}/src_valid_mark"), usize::from(dice.one_in(6)));
        if name != "all" && dice.one_in(6) {
            set(format!("conf/{name}/forwarding"), dice.below(2));
        }
    }
    found
}

fn sysctls_of_ipv6(dice: &mut Random) -> Vec<(String, String)> {
    vec![("ipv6/conf/all/forwarding".into(), usize::from(!dice.one_in(4)).to_string())]
}

fn iptables(family: Family, dice: &mut Random) -> String {
    let bits = family.bits();
    let mut text = String::from("*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n");
    if dice.one_in(3) {
        let options = dice.pick(&["", "--loose ", "--validmark ", "--accept-local ", "--loose --validmark "]);
        let interface = dice.pick(&["", "-i eth0 ", "-i cali1 "]);
        text += &format!("-A PREROUTING {interface}-m rpfilter {options}--invert -j DROP\n");
    }
    text += "COMMIT\n*mangle\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n";
    if dice.one_in(2) {
        let net = network(family, dice.pick(&NETWORKS));
        let end = dice.pick(&["-s", "-d"]);
        text += &format!("-A PREROUTING {end} {net} -j MARK --set-xmark 0x1/0x1\n");
    }
    if dice.one_in(4) {
        let kind = dice.pick(&["LOCAL", "UNICAST"]);
        text += &format!("-A PREROUTING -m addrtype --dst-type {kind} --limit-iface-in -j DROP\n");
    }
    text += &marks_of_output(family, dice);
    text += "COMMIT\n*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n";
    for number in 0..=NETWORKS.len() {
        let from = address(family, CLUSTER_IPS, number as u16 + 1);
        let to = endpoint(family, number);
        let to = if family == Family::Ipv6 { format!("[{to}]") } else { to };
        for (protocol, chain) in
            [("udp", "PREROUTING"), ("udp", "OUTPUT"), ("tcp", "PREROUTING"), ("tcp", "OUTPUT")]
        {
            text += &format!(
                "-A {chain} -d {from}/{bits} -p {protocol} -m {protocol} --dport 80 -j DNAT --to-destination {to}:8080\n"
            );
        }
    }
    // Another one is redirected to the node itself.
    let redirected = address(family, CLUSTER_IPS, NETWORKS.len() as u16 + 2);
    text += &format!("-A PREROUTING -d {redirected}/{bits} -p tcp -j REDIRECT --to-ports 8080\n");
    text + "COMMIT\n"
}

/// A packet of the node is routed again if its mark changes in the table mangle, but not if it changes in filter.
fn marks_of_output(family: Family, dice: &mut Random) -> String {
    let mark = |text: &mut String, dice: &mut Random| {
        if dice.one_in(3) {
            let net = network(family, dice.pick(&[1, 2, 12, 50, CLUSTER_IPS]));
            let mark = dice.pick(&["0x1/0x1", "0x1/0x1", "0x0/0x1", "0x10/0x10"]);
            *text += &format!("-A OUTPUT -d {net} -j MARK --set-xmark {mark}\n");
        }
    };
    let mut text = String::new();
    mark(&mut text, dice);
    mark(&mut text, dice);
    text += "COMMIT\n*filter\n:OUTPUT ACCEPT [0:0]\n";
    mark(&mut text, dice);
    text
}

fn nftables(family: Family, dice: &mut Random) -> String {
    let own = if family == Family::Ipv4 { "ip" } else { "ip6" };
    let test = dice.pick(&[
        "fib saddr . iif oif missing drop",
        "fib saddr . mark . iif oif missing drop",
        "fib saddr oif missing drop",
        "fib saddr oifname \"eth1\" drop",
        "fib saddr . iif oif exists fib daddr oif missing drop",
        "fib daddr . iif type local drop",
        "fib daddr . iif type != local fib daddr type local drop",
        "fib saddr . iif type local drop",
        "fib daddr type != { local, unicast } drop",
        "fib daddr . iif type vmap { local : drop, unreachable : drop, prohibit : drop }",
    ]);
    let later = dice.pick(&[
        "fib saddr . iif oif missing drop",
        "fib daddr oifname \"cali1\" drop",
        "fib saddr . oif type local drop",
        "accept",
    ]);
    let here = dice.pick(&["fib daddr . iif type local drop", "fib daddr . iif type unicast drop", "accept"]);
    format!(
        "table {own} asks {{\n chain pre {{\n type filter hook prerouting priority -160; policy accept;\n {test}\n }}\n \
         chain fwd {{\n type filter hook forward priority 0; policy accept;\n {later}\n }}\n \
         chain here {{\n type filter hook input priority 0; policy accept;\n {here}\n }}\n}}\n"
    )
}
