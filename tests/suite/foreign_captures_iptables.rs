//! Nodes with the rules of other programs next to kube-proxy's, as the real tools list them: read, printed, walked.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use kuberules::capture::{self, Captured};
use kuberules::cluster::Cluster;
use kuberules::input::{self, InputPath};
use kuberules::iptables;
use kuberules::net::{Cidr, Family, Protocol};
use kuberules::node::{Host, InterfaceName, IpSet, IpSets, Part};
use kuberules::plan::Plan;
use kuberules::settings::{Configuration, HostFacts, Release, Settings};
use kuberules::walk::{Outcome, Packet, Verdict, Walker};

use crate::support::{kuberules, testdata};

/// Listings of iptables 1.8.9 and of 1.8.11.
const LISTINGS: [&str; 2] = ["iptables-save.txt", "iptables-save-1.8.11.txt"];

/// A connection under the rules of a program, and how it ends.
struct Trial {
    program: &'static str,
    from: &'static str,
    to: &'static str,
    /// The given interfaces.
    told: (&'static str, &'static str),
    ends: &'static str,
}

const fn trial(program: &'static str, from: &'static str, to: &'static str, ends: &'static str) -> Trial {
    Trial { program, from, to, told: ("", ""), ends }
}

/// The Pods cart-0 (10.244.1.5) and web-0 (10.244.1.4) connect to cache-0 (10.244.1.7), which only allows cart.
const TRIALS: [Trial; 19] = [
    trial("calico", "10.244.1.5", "10.96.177.234:6379", "accept 10.244.1.7:6379"),
    trial("calico", "10.244.1.4", "10.96.177.234:6379", "drop"),
    trial("calico", "198.51.100.7", "10.244.1.7:6379", "drop"),
    trial("calico", "10.244.1.4", "198.51.100.7:443", "accept 198.51.100.7:443 snat"),
    trial("calico", "10.244.1.4", "10.244.1.5:7070", "accept 10.244.1.5:7070"),
    trial("kube-router", "10.244.1.5", "10.96.177.234:6379", "accept 10.244.1.7:6379"),
    trial("kube-router", "10.244.1.4", "10.96.177.234:6379", "reject"),
    trial("kube-router", "10.244.1.7", "198.51.100.7:443", "accept 198.51.100.7:443 snat"),
    Trial {
        told: ("", "eth0"),
        ..trial("aws-vpc-cni", "10.244.1.5", "198.51.100.7:443", "accept 198.51.100.7:443 snat")
    },
    trial("aws-vpc-cni", "10.244.1.5", "192.168.7.7:443", "accept 192.168.7.7:443"),
    trial("flannel", "10.244.1.5", "198.51.100.7:443", "accept 198.51.100.7:443 snat"),
    trial("flannel", "10.244.1.5", "10.244.2.4:3306", "accept 10.244.2.4:3306"),
    trial("portmap", "198.51.100.7", "192.168.0.11:8443", "accept 10.244.1.9:443"),
    Trial { told: ("eth0", "cni0"), ..trial("docker", "10.244.2.9", "10.244.1.9:80", "drop") },
    Trial {
        told: ("eth0", "docker0"),
        ..trial("docker", "198.51.100.7", "192.168.0.11:8000", "accept 172.17.0.2:80")
    },
    trial("ufw", "198.51.100.7", "192.168.0.11:22", "accept 192.168.0.11:22"),
    trial("ufw", "198.51.100.7", "192.168.0.11:9999", "drop"),
    Trial {
        told: ("eth0", ""),
        ..trial("firewalld", "198.51.100.7", "192.168.0.11:22", "accept 192.168.0.11:22")
    },
    Trial { told: ("eth0", ""), ..trial("firewalld", "198.51.100.7", "192.168.0.11:9999", "reject") },
];

fn path(program: &str, file: &str) -> PathBuf {
    testdata().join(format!("captures/{program}-iptables/{file}"))
}

fn read(program: &str, file: &str) -> (String, Captured) {
    let text = std::fs::read_to_string(path(program, file)).unwrap();
    let captured = capture::read(&text, Some(Family::Ipv4)).unwrap();
    (text, captured)
}

#[test]
fn listings_of_other_programs_rules_print_as_they_were() {
    for program in
        ["aws-vpc-cni", "calico", "docker", "firewalld", "flannel", "kube-router", "portmap", "ufw"]
    {
        for file in LISTINGS {
            let (text, captured) = read(program, file);
            let ruleset = captured.ruleset(Family::Ipv4).and_then(|ruleset| ruleset.as_iptables()).unwrap();
            let mut printed = String::new();
            iptables::save::print(ruleset, &mut printed);
            let lines = |text: &str| -> Vec<String> {
                text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
            };
            assert_eq!(lines(&text), lines(&printed), "{program} {file}");
        }
    }
}

/// The members in `ipset save`: only addresses and networks.
fn sets(program: &str) -> Option<IpSets> {
    let text = std::fs::read_to_string(path(program, "ipset-save.txt")).ok()?;
    let mut sets = IpSets::default();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["create", name, kind, ..] => {
                let set = IpSet::new(kind, Some(Family::Ipv4)).unwrap();
                sets.insert((*name).into(), set);
            }
            ["add", name, member, ..] => {
                let address = member.parse().map(Cidr::host).ok();
                let net = address.or_else(|| Cidr::parse_lenient(member)).unwrap();
                sets.get_mut(name).unwrap().add(Part::Network(net), Vec::new(), false);
            }
            _ => {}
        }
    }
    Some(sets)
}

fn ends(outcomes: &[Outcome<'_>]) -> Vec<String> {
    let end = |outcome: &Outcome<'_>| {
        let snat = if outcome.snat { " snat" } else { "" };
        let end = match outcome.verdict {
            Verdict::Accept => format!("accept {}{snat}", outcome.destination),
            Verdict::Drop => "drop".to_owned(),
            Verdict::Reject(_) => "reject".to_owned(),
        };
        let open = |condition: &&kuberules::walk::Condition<'_>| {
            matches!(condition, kuberules::walk::Condition::Opaque { .. })
        };
        let given: Vec<String> = outcome.given.iter().filter(open).map(|c| format!(" if {c:?}")).collect();
        end + &given.concat()
    };
    outcomes.iter().map(end).collect()
}

#[test]
fn what_other_programs_deny_and_allow_is_told() {
    let cluster = testdata().join("shop/after.yaml");
    let (snapshot, _) = input::read(&[InputPath::from(cluster.into_os_string())], std::io::empty()).unwrap();
    let release: Release = "1.36".parse().unwrap();
    let facts = HostFacts { addresses: vec!["192.168.0.11".parse().unwrap()], ..HostFacts::default() };
    let (settings, _) = Settings::resolve(&Configuration::default(), release, facts, None).unwrap();
    let (cluster, _) = Cluster::build(&snapshot, &settings).unwrap();
    let node = cluster.node("worker-1").unwrap().clone();
    let plan = Plan::new(&cluster, &settings, &node, Family::Ipv4).unwrap().0;
    let plain = Host::of_node(&cluster, &node, [&plan]);
    for trial in &TRIALS {
        for file in LISTINGS {
            let host = Host { sets: sets(trial.program).map(Into::into), ..plain.clone() };
            let (_, captured) = read(trial.program, file);
            let rules = captured.node_rules(|_| host.clone()).ipv4.unwrap();
            let walker = Walker::new(&rules.ruleset, &host);
            let from: IpAddr = trial.from.parse().unwrap();
            let to: SocketAddr = trial.to.parse().unwrap();
            let mut packet = Packet::new(&host, Protocol::Tcp, from, to).unwrap();
            packet.in_interface = InterfaceName::new(trial.told.0);
            packet.out_interface = InterfaceName::new(trial.told.1);
            let found = ends(&walker.walk(&packet).unwrap());
            assert_eq!(found, [trial.ends], "{} {file}: {} to {}", trial.program, trial.from, trial.to);
        }
    }
}

/// What a trace from cart-0 to the Service web says, in one line.
fn traced(program: &str) -> String {
    let (cluster, captured) = (testdata().join("shop/before.yaml"), path(program, "iptables-save.txt"));
    let (cluster, captured) = (cluster.to_str().unwrap(), captured.to_str().unwrap());
    let answer = kuberules(&[
        "trace",
        cluster,
        "--captured",
        captured,
        "--node",
        "worker-1",
        "--from",
        "pod/cart-0",
        "--to",
        "svc/web",
    ]);
    String::from_utf8(answer.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn outcomes_of_one_meaning_are_told_once() {
    let told = traced("ufw");
    let all = "What happens to it: 100 % times out: the packet is dropped and the client hears nothing (\"timeout\") \
               (outcomes 1 to 5) Outcome 1: 20 %";
    assert!(told.contains(all), "{told}");
}

#[test]
fn a_question_without_an_answer_is_told_once() {
    let told = traced("docker");
    let first = "depends: works or times out: it is not known whether rule 1 in chain DOCKER-ISOLATION-STAGE-1 (table \
                 filter) matches: in interface docker0 why: ";
    assert!(told.starts_with(first), "{told}");
}
