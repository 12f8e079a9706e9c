#!/bin/sh
# Gathers what `kuberules check --captured` and `kuberules trace --captured` read. Made by `kuberules collect`.
#
#   ssh worker-1 sudo sh -s < collect.sh > worker-1.tar     a tar on standard output
#   sudo sh collect.sh FOLDER                               files in FOLDER
#
# It only reads. Run it as root on the node itself (not in a Pod's network namespace).
set -u
umask 077
PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin

say() { echo "collect: $*" >&2; }

if [ $# -gt 0 ]; then
    folder=$1 scratch=
elif [ -t 1 ]; then
    say "give a FOLDER, or send standard output to a file: sh collect.sh > node.tar"
    exit 2
elif ! command -v tar >/dev/null; then
    say "there is no tar here: give a FOLDER"
    exit 2
else
    scratch=$(mktemp -d) || exit 2
    folder=$scratch
    trap 'rm -rf "$scratch"' EXIT
    trap 'exit 2' HUP INT TERM
fi
mkdir -p "$folder" || exit 2
[ "$(id -u)" = 0 ] || say "not root: most of this will be missing"

# gather FILE COMMAND...: the command's output, if there is such a command and it says anything
gather() {
    file=$folder/$1
    shift
    command -v "$1" >/dev/null || { say "no $1 here"; return 0; }
    "$@" >"$file" 2>"$file.err" || say "$*: $(head -n 1 "$file.err")"
    rm -f "$file.err"
    [ -s "$file" ] || rm -f "$file"
}

if command -v iptables-nft-save >/dev/null; then
    gather iptables-nft-save iptables-nft-save
    gather ip6tables-nft-save ip6tables-nft-save
else
    gather iptables-save iptables-save
    gather ip6tables-save ip6tables-save
fi
# Where the legacy modules are not loaded, asking would load them.
[ -e /proc/net/ip_tables_names ] && command -v iptables-legacy-save >/dev/null &&
    gather iptables-legacy-save iptables-legacy-save
[ -e /proc/net/ip6_tables_names ] && command -v ip6tables-legacy-save >/dev/null &&
    gather ip6tables-legacy-save ip6tables-legacy-save
gather nft-list-ruleset nft list ruleset
gather ipset-save ipset save
gather ip-addr ip addr
gather ip-route ip route show table all
gather ip-rule ip rule
gather ip6-rule ip -6 rule
if command -v conntrack >/dev/null; then
    gather conntrack conntrack -L
    gather conntrack6 conntrack -L -f ipv6
elif [ -r /proc/net/nf_conntrack ]; then
    cat /proc/net/nf_conntrack >"$folder/conntrack"
fi
command -v ipvsadm >/dev/null && gather ipvsadm ipvsadm -Ln
for setting in /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding \
    /proc/sys/net/ipv4/conf/*/rp_filter /proc/sys/net/ipv4/conf/*/route_localnet \
    /proc/sys/net/ipv4/conf/*/accept_local /proc/sys/net/ipv4/conf/*/src_valid_mark \
    /proc/sys/net/ipv4/conf/*/forwarding \
    /proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal /proc/sys/net/bridge/bridge-nf-call-iptables; do
    [ -r "$setting" ] || continue
    name=${setting#/proc/sys/}
    # sysctl writes a dot in the name of an interface as a slash.
    echo "$(echo "$name" | tr ./ /.) = $(cat "$setting")"
done >"$folder/sysctl"

if [ -n "$scratch" ]; then
    tar -C "$scratch" -cf - .
else
    say "gathered in $folder"
fi
