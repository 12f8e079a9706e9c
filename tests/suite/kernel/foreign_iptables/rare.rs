//! Matches and targets that programs seldom use, out of all in the specification.

/// Matches that the walk answers.
pub(super) const MATCHES: [&str; 14] = [
    "-p tcp -m connlimit --connlimit-above 5000 --connlimit-mask 32 --connlimit-saddr",
    "-p tcp -m connlimit --connlimit-upto 5000 --connlimit-mask 32 --connlimit-saddr",
    "-m addrtype --dst-type LOCAL --limit-iface-out",
    "-m addrtype ! --dst-type LOCAL --limit-iface-out",
    "-m addrtype --src-type LOCAL --limit-iface-in",
    "-p sctp -m sctp --dport 80",
    "-p dccp -m dccp --dport 80",
    "-p esp -m esp --espspi 5",
    "! -p ah",
    "-m set ! --match-set nets src --return-nomatch",
    "-m set --match-set nets dst --return-nomatch",
    "-m mark --mark 0x0/0x10",
    "-m statistic --mode nth --every 2 --packet 0",
    "-m helper --helper ftp",
];

/// Matches on what is not known of the packet.
pub(super) const NOT_TOLD: [&str; 18] = [
    "-m bpf --bytecode \"1,6 0 0 1\"",
    "-m string --string abc --algo bm",
    "-m mac --mac-source 00:11:22:33:44:55",
    "-m cgroup --cgroup 5",
    "-m realm --realm 5",
    "-m policy --dir in --pol none",
    "-m policy --dir out --pol none",
    "-m socket --transparent",
    "-m cpu --cpu 0",
    "-m devgroup --src-group 0x0",
    "-m connbytes --connbytes 0:1000 --connbytes-mode bytes --connbytes-dir both",
    "-m connlabel --label 5",
    "-p tcp -m osf --genre Linux",
    "-m time --timestart 00:00",
    "-p tcp -m tcpmss --mss 1:100",
    "-p tcp -m tcp --tcp-option 8",
    "-p tcp -m ecn --ecn-tcp-cwr",
    "-m tos --tos 0x10/0x3f",
];

/// Targets of the table mangle that let a packet go on unchanged.
pub(super) const HARMLESS: [&str; 6] = [
    "-p tcp -j ECN --ecn-tcp-remove",
    "-p udp -j CHECKSUM --checksum-fill",
    "-j IDLETIMER --timeout 600 --label judged",
    "-j AUDIT --type accept",
    "-j TTL --ttl-set 64",
    "-j CONNSECMARK --save",
];

/// Targets of the table mangle that change what later rules see.
pub(super) const CHANGING: [&str; 5] = [
    "-j MARK --or-mark 0x10",
    "-j SET --add-set hosts src",
    "-j SET --del-set hosts dst",
    "-j SET --add-set pairs dst,dst --exist",
    "-j HMARK --hmark-tuple src --hmark-mod 2 --hmark-offset 1 --hmark-rnd 5",
];

/// Targets that hand the packet to a program or a socket.
pub(super) const HANDING_OVER: [&str; 4] = [
    "-j NFQUEUE --queue-num 3",
    "-j NFQUEUE --queue-num 3 --queue-bypass",
    "-p tcp -j TPROXY --on-port 5000 --tproxy-mark 0x1/0x1",
    "-p tcp -j SYNPROXY --sack-perm --mss 1460",
];

/// Whether the kernel accepts a match or target in a table and at a hook.
pub(super) fn fits(text: &str, (table, chain): (&str, &str)) -> bool {
    let has_in = matches!(chain, "PREROUTING" | "INPUT" | "FORWARD");
    let has_out = matches!(chain, "OUTPUT" | "POSTROUTING" | "FORWARD");
    let known = [
        ("--limit-iface-out", has_out),
        ("--limit-iface-in", has_in),
        ("--dir out", has_out),
        ("--dir in", has_in),
        ("-m mac", has_in),
        // Linux 6.18 loads it in a chain that OUTPUT jumps to, and then reads the interface that is not there
        // (net/netfilter/xt_devgroup.c): the sender is killed, and its network namespace never freed.
        ("-m devgroup", has_in),
        ("-m cgroup", matches!(chain, "OUTPUT" | "POSTROUTING" | "INPUT")),
        ("-m realm", chain != "PREROUTING"),
        ("-m socket", matches!(chain, "PREROUTING" | "INPUT")),
        ("-j TPROXY", (table, chain) == ("mangle", "PREROUTING")),
        ("-j SYNPROXY", table != "nat" && matches!(chain, "FORWARD" | "INPUT")),
        ("-j NFQUEUE", table != "nat"),
    ];
    known.iter().all(|(word, is_known)| *is_known || !text.contains(word))
}
