#!/bin/sh
# Makes mixed-backends/ anew: unshare -n sh testdata/captures/mixed-backends.sh
set -e
HERE=$(cd "$(dirname "$0")/../.." && pwd)
K=$HERE/target/debug/kuberules C=$HERE/testdata/shop/before.yaml
ip link set lo up
echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
ip link add eth0 type bridge; ip addr add 192.168.0.11/24 dev eth0; ip link set eth0 up; ip route add default via 192.168.0.1
$K compile $C --node worker-1 --config $HERE/testdata/shop/before-worker-1/kube-proxy.iptables.json --no-nfacct --family ipv4 -q | iptables-nft-restore
# An administrator's rule from before the change to iptables-nft, and Docker's policy.
iptables-legacy -A FORWARD -d 10.244.1.0/24 -p tcp --dport 8080 -j DROP
iptables-legacy -N DOCKER-USER; iptables-legacy -A FORWARD -j DOCKER-USER; iptables-legacy -A DOCKER-USER -j RETURN
# Calico's way of asking a set.
ipset create cali40denied hash:ip; ipset add cali40denied 10.244.3.66
iptables-nft -N cali-tw-cali0a1b2c3d4e5; iptables-nft -A cali-tw-cali0a1b2c3d4e5 -m comment --comment "cali:abc" -m set --match-set cali40denied src -j DROP
iptables-nft -A FORWARD -d 10.244.1.3/32 -j cali-tw-cali0a1b2c3d4e5
# A table of nftables beside both.
nft add table inet firewalld
nft add chain inet firewalld filter_FORWARD '{ type filter hook forward priority 10; policy accept; }'
nft add chain inet firewalld filter_FWD_public_deny
nft add rule inet firewalld filter_FORWARD ip daddr 10.244.2.0/24 jump filter_FWD_public_deny
nft add rule inet firewalld filter_FWD_public_deny reject
nft -f - <<'E'
table ip raw-guard {
	chain pre {
		type filter hook prerouting priority -310; policy accept;
		ip daddr 10.96.177.234 drop
	}
}
E
ct() { conntrack -I -t 300 "$@"; }
ct -p udp -s 10.244.1.77 -d 10.96.0.10 --sport 40001 --dport 53 -g 10.244.9.9
ct -p udp -s 10.244.1.78 -d 10.96.0.10 --sport 40002 --dport 53 -g 10.244.9.9
ct -p udp -s 10.244.1.77 -d 10.96.0.10 --sport 40003 --dport 53 -g 10.244.1.3
ct -p udp -s 10.244.1.79 -d 10.96.0.10 --sport 40004 --dport 53 --reply-src 10.96.0.10 --reply-dst 10.244.1.79 --reply-port-src 53 --reply-port-dst 40004
ct -p tcp -s 10.244.1.77 -d 10.96.0.12 --sport 40005 --dport 3306 --state ESTABLISHED -u ASSURED,SEEN_REPLY -g 10.244.8.8
$K collect | sh -s "$HERE/testdata/captures/mixed-backends"
