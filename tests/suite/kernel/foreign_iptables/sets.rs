//! Sets of ipset, of each kind that kernels have in common, and rules that look into them.

use kuberules::net::Family;

/// One set of each kind, for IPv4; [`super::family::of_family`] makes them for IPv6.
const SETS: &str = "\
create hosts hash:ip family inet
add hosts 198.51.100.7
add hosts 10.244.2.77
create wide hash:ip family inet netmask 24
add wide 10.244.1.0
create nets hash:net family inet
add nets 10.244.0.0/16
add nets 10.244.1.0/24 nomatch
add nets 198.51.100.7/32
create services hash:net family inet
add services 10.96.0.0/12
create pairs hash:ip,port family inet
add pairs 198.51.100.7,tcp:10007
add pairs 10.244.2.77,tcp:8080
add pairs 10.244.2.77,udp:5353
create netports hash:net,port family inet
add netports 10.96.0.0/12,tcp:80
add netports 10.244.0.0/16,tcp:8080-8090
add netports 10.244.1.0/24,tcp:8080 nomatch
create ends hash:ip,port,ip family inet
add ends 198.51.100.7,tcp:10007,10.244.2.77
add ends 10.244.2.77,tcp:8080,198.51.100.7
create triples hash:ip,port,net family inet
add triples 198.51.100.7,tcp:80,10.96.0.0/12
add triples 10.244.2.77,tcp:8080,10.244.0.0/16
create pods hash:net,iface family inet
add pods 10.244.0.0/16,pods0
add pods 198.51.100.7/32,eth0
create ports bitmap:port range 0-65535
add ports 80
add ports 53
add ports 8080-8090
add ports 10000-10100
create all list:set size 8
add all hosts
add all services
";

/// A kind for IPv4 alone.
const OF_IPV4: &str = "\
create range bitmap:ip range 10.244.1.0/24
add range 10.244.1.0-10.244.1.127
";

/// What makes the sets of a family.
pub(super) fn script(family: Family) -> String {
    let sets = super::family::of_family(SETS, family);
    if family == Family::Ipv4 { sets + OF_IPV4 } else { sets }
}

/// Matches of sets.
pub(super) const MATCHES: [&str; 25] = [
    "-m set --match-set hosts src",
    "-m set --match-set hosts dst",
    "-m set ! --match-set hosts src",
    "-m set --match-set wide src",
    "-m set ! --match-set wide dst",
    "-m set --match-set nets src",
    "-m set --match-set nets dst",
    "-m set ! --match-set nets src",
    "-m set --match-set services dst",
    "-m set --match-set pairs src,src",
    "-m set --match-set pairs dst,dst",
    "-m set ! --match-set pairs dst,dst",
    "-m set --match-set netports dst,dst",
    "-m set ! --match-set netports dst,dst",
    "-m set --match-set ends src,src,dst",
    "-m set --match-set ends dst,dst,src",
    "-m set --match-set triples src,dst,dst",
    "-m set --match-set triples dst,dst,src",
    "-m set --match-set pods src,src",
    "-m set --match-set ports dst",
    "-m set --match-set ports src",
    "-m set ! --match-set ports dst",
    "-m set --match-set all src",
    "-m set --match-set all dst",
    "-m set ! --match-set all dst",
];
