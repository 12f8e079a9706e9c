//! Malicious inputs: every one is answered or refused soon, with memory limited by its size.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use kuberules::input::read_text;
use kuberules::net::{Family, Protocol};
use kuberules::ruleset::Ruleset;
use kuberules::walk::{Host, Packet, Walker};
use kuberules::{iptables, nftables};

use crate::support::{self, kuberules, scope, testdata};

/// Far more than any of these takes on an idle machine, and far less than forever.
const SOON: Duration = Duration::from_secs(120);

/// The size of an input: in a quick run only a part, since the unoptimized program is slow.
fn size(full: usize) -> usize {
    if scope::full() { full } else { full / 16 }
}

fn soon<T>(work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let result = work();
    assert!(begun.elapsed() < SOON, "took {:?}", begun.elapsed());
    result
}

fn words(text: impl Into<String>) -> String {
    soon(|| match read_text("input", text) {
        Ok(_) => "fine".to_owned(),
        Err(found) => found.iter().map(ToString::to_string).collect(),
    })
}

#[test]
fn alias_bombs_are_refused() {
    let mut bomb = "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: b}\na0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..40 {
        let uses = vec![format!("*a{}", n - 1); 9].join(", ");
        writeln!(bomb, "a{n}: &a{n} [{uses}]").unwrap();
    }
    for field in ["spec: *a39", "spec: {ports: *a39}", "spec: {externalIPs: *a39}"] {
        let told = words(format!("{bomb}{field}\n"));
        assert!(told.starts_with("error: "), "{field}: {told}");
    }
}

#[test]
fn deep_nesting_is_refused() {
    let list = ("{\"kind\":\"List\",\"items\":[", "]}");
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("- ", ""), list] {
        let deepest = if (open, close) == list { size(100_000) } else { 100_000 };
        for depth in [300, deepest] {
            let told = words(format!("{}1{}", open.repeat(depth), close.repeat(depth)));
            assert!(told.contains("error: "), "{open} {depth}: {told}");
        }
    }
    let mut indented = String::new();
    for depth in 0..1000 {
        writeln!(indented, "{}a:", " ".repeat(depth)).unwrap();
    }
    assert!(words(indented).contains("error: "));
}

#[test]
fn blanks_are_no_input() {
    assert!(words(" ".repeat(size(64 << 20))).contains("the input is empty"));
    assert!(words("\n".repeat(size(16 << 20))).contains("the input is empty"));
}

#[test]
fn many_tiny_documents_are_read_one_after_the_other() {
    assert!(words("---\n".repeat(50_000)).contains("the input is empty"));
    let told = words("---\n{}\n".repeat(5_000));
    assert!(told.starts_with("error: ") || told.starts_with("warning: "), "{}", told.len());
}

fn walked(save: &str, destination: &str) -> Result<usize, String> {
    let capture = iptables::parse::parse(save, None).map_err(|error| error.to_string())?;
    let host = Host::default();
    let ruleset = capture.parts[0].ruleset.clone().into();
    let walker = Walker::new(&ruleset, &host);
    let packet =
        Packet::new(&host, Protocol::Tcp, "198.51.100.7".parse().unwrap(), destination.parse().unwrap());
    soon(|| walker.walk(&packet.unwrap())).map(|outcomes| outcomes.len()).map_err(|error| error.to_string())
}

#[test]
fn jumps_in_a_circle_come_to_an_end() {
    for target in ["-j", "-g"] {
        let save = format!(
            "*nat\n:PREROUTING ACCEPT [0:0]\n:A - [0:0]\n:B - [0:0]\n-A PREROUTING -j A\n-A A {target} B\n-A B {target} A\nCOMMIT\n"
        );
        let told = walked(&save, "10.0.0.1:80").unwrap_err();
        assert!(told.contains("in a circle"), "{told}");
    }
    let own =
        "*nat\n:PREROUTING ACCEPT [0:0]\n:A - [0:0]\n-A PREROUTING -j A\n-A A -j A\n-A A -j A\nCOMMIT\n";
    assert!(walked(own, "10.0.0.1:80").unwrap_err().contains("in a circle"));
}

#[test]
fn a_chain_of_100_000_jumps_comes_to_an_end() {
    for target in ["-j", "-g"] {
        let mut save = "*nat\n:PREROUTING ACCEPT [0:0]\n".to_owned();
        (0..100_000).for_each(|n| writeln!(save, ":C{n} - [0:0]").unwrap());
        save.push_str("-A PREROUTING -j C0\n");
        (1..100_000).for_each(|n| writeln!(save, "-A C{} {target} C{n}", n - 1).unwrap());
        save.push_str("COMMIT\n");
        // Whether it is followed or refused, it is done soon.
        let _ = walked(&save, "10.0.0.1:80");
    }
}

#[test]
fn maps_with_a_million_elements_are_read_and_walked() {
    let mut listing = "table ip kube-proxy {\n\tmap service-ips {\n\t\ttype ipv4_addr . inet_proto . inet_service : verdict\n\t\telements = { ".to_owned();
    let count = size(1_000_000);
    for n in 0..count as u32 {
        let [_, b, c, d] = n.to_be_bytes();
        let comma = if n == 0 { "" } else { ",\n\t\t\t     " };
        write!(listing, "{comma}10.{b}.{c}.{d} . tcp . 80 : goto chain").unwrap();
    }
    listing.push_str(" }\n\t}\n\n\tchain services {\n\t\ttype nat hook prerouting priority dstnat; policy accept;\n\t\tip daddr . meta l4proto . th dport vmap @service-ips\n\t}\n\n\tchain chain {\n\t\taccept\n\t}\n}\n");
    let ruleset = soon(|| nftables::parse::parse_listing(&listing)).unwrap();
    assert_eq!(ruleset.tables[0].sets[0].elements.len(), count);
    let host = Host::default();
    let ruleset = Ruleset::nftables(ruleset, Family::Ipv4);
    let walker = Walker::new(&ruleset, &host);
    let packet =
        Packet::new(&host, Protocol::Tcp, "198.51.100.7".parse().unwrap(), "10.0.9.9:80".parse().unwrap())
            .unwrap();
    assert_eq!(soon(|| walker.walk(&packet)).unwrap().len(), 1);
}

#[test]
fn probabilities_outside_0_and_1_are_no_probabilities() {
    for wrong in ["-0.5", "1.5", "1e400", "NaN", "inf", "", "0x1"] {
        let save = format!(
            "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -m statistic --mode random --probability {wrong} -j ACCEPT\nCOMMIT\n"
        );
        let capture = iptables::parse::parse(&save, None);
        if let Ok(capture) = capture {
            let host = Host::default();
            let ruleset = capture.parts[0].ruleset.clone().into();
            let walker = Walker::new(&ruleset, &host);
            let packet = Packet::new(
                &host,
                Protocol::Tcp,
                "198.51.100.7".parse().unwrap(),
                "10.0.0.1:80".parse().unwrap(),
            );
            let outcomes = walker.walk(&packet.unwrap()).unwrap();
            assert!(outcomes.iter().all(|outcome| (0.0..=1.0).contains(&outcome.chance.as_f64())), "{wrong}");
        }
    }
}

fn piped(arguments: &[&str], pieces: &[&[u8]]) -> Output {
    let mut child = support::piped(Command::new(env!("CARGO_BIN_EXE_kuberules")).args(arguments));
    let mut stdin = child.stdin.take().unwrap();
    for piece in pieces {
        stdin.write_all(piece).unwrap();
        stdin.flush().unwrap();
        std::thread::sleep(Duration::from_millis(200));
    }
    drop(stdin);
    child.wait_with_output().unwrap()
}

/// An input is read to its end, however slowly it grows; a premature end is reported, and never half an answer.
#[test]
fn an_input_that_grows_is_read_whole_and_one_cut_off_is_refused() {
    let text = fs::read(testdata().join("shop/before.yaml")).unwrap();
    let arguments = ["compile", "--node", "worker-1", "--quiet"];
    let whole = kuberules(&[
        "compile",
        testdata().join("shop/before.yaml").to_str().unwrap(),
        "--node",
        "worker-1",
        "--quiet",
    ]);
    let (head, tail) = text.split_at(text.len() / 2);
    assert_eq!(piped(&arguments, &[head, tail]).stdout, whole.stdout);
    let json =
        br#"{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Node", "metadata""#;
    let cut = piped(&arguments, &[json]);
    assert_eq!((cut.status.code(), cut.stdout.len()), (Some(2), 0));
}

#[test]
fn a_link_that_leads_nowhere_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(folder.path().join("gone"), folder.path().join("a.yaml")).unwrap();
    let output = kuberules(&["compile", folder.path().to_str().unwrap(), "--node", "worker-1"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("a.yaml: the symbolic link leads nowhere"), "{told}");
}

/// Interrupted at any moment, it leaves every file complete under its final name, or no file.
#[test]
fn interrupted_runs_leave_no_part_of_a_file() {
    let shop = testdata().join("shop/before.yaml");
    let cluster = ["compile", shop.to_str().unwrap(), "--quiet", "--all-nodes", "--out-dir"];
    let whole = tempfile::tempdir().unwrap();
    assert!(kuberules(&[&cluster[..], &[whole.path().to_str().unwrap()]].concat()).status.success());
    for milliseconds in (0..40).step_by(2) {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_kuberules"))
            .args([&cluster[..], &[folder.path().to_str().unwrap()]].concat())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        Command::new("kill").args(["-INT", &child.id().to_string()]).output().unwrap();
        child.wait().unwrap();
        for entry in fs::read_dir(folder.path()).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if !name.starts_with('.') {
                let expected = fs::read(whole.path().join(&name)).unwrap();
                assert_eq!(fs::read(entry.path()).unwrap(), expected, "{name}");
            }
        }
    }
}

/// A disk that fills up while the files are written.
#[test]
fn a_full_disk_leaves_no_file_of_a_node() {
    let script = format!(
        "mkdir -p /tmp/kuberules-full && mount -t tmpfs -o size=16k none /tmp/kuberules-full && \
         {} compile {} --quiet --all-nodes --out-dir /tmp/kuberules-full; code=$?; ls -A /tmp/kuberules-full; exit $code",
        env!("CARGO_BIN_EXE_kuberules"),
        testdata().join("shop/before.yaml").display()
    );
    let output = Command::new("unshare").args(["-m", "sh", "-c", &script]).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    if told.contains("unshare") || told.contains("mount") {
        crate::support::kernel::tell("skipped: no file system can be mounted here");
        return;
    }
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{told}");
    assert!(told.contains("No space left"), "{told}");
}
