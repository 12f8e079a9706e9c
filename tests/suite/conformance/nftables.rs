//! What `compile` prints is what the real kube-proxy left on the node, byte for byte except for the order of Services:
//! every nftables run of the corpus.

use crate::support::nft::blocks;
use crate::support::scope::share;
use crate::support::{Case, cases, difference, in_parallel};

/// File, family, and which tool listed it.
const FILES: [(&str, &str, &str); 4] = [
    ("nft-ip.txt", "ipv4", "1.0.6"),
    ("nft-ip6.txt", "ipv6", "1.0.6"),
    ("nft-ip.nft-1.1.txt", "ipv4", "1.1.3"),
    ("nft-ip6.nft-1.1.txt", "ipv6", "1.1.3"),
];

#[test]
fn every_captured_table_is_reproduced() {
    let cases = cases("nftables");
    assert!(cases.len() > 100, "the corpus is incomplete");
    let faults: Vec<String> =
        in_parallel(&share("conformance::nftables", 13, cases), faults).into_iter().flatten().collect();
    assert!(faults.is_empty(), "{} files differ\n{}", faults.len(), faults.join("\n"));
}

fn faults(case: &Case) -> Vec<String> {
    let mut found = Vec::new();
    for (file, family, nft) in FILES {
        let Ok(expected) = std::fs::read_to_string(case.expected.join(file)) else { continue };
        let actual = case.listed_by(nft, family);
        let difference = difference(&blocks(&expected), &blocks(&actual));
        if !difference.is_empty() {
            found.push(format!("{}/{file}: {difference}", case.name()));
        }
    }
    found
}

/// kube-proxy up to 1.33.5 sends `iif != cali*`, and nft refuses it: there is no table to compare with.
#[test]
fn what_nft_refuses_is_named() {
    let case = cases("nftables").into_iter().find(|case| case.name().starts_with("random/20/")).unwrap();
    let refused = Case { version: "1.31".to_owned(), ..case };
    let arguments = refused.arguments("ipv4", "list");
    let result = crate::support::kuberules(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let told = String::from_utf8(result.stderr).unwrap();
    assert_eq!(result.status.code(), Some(2), "{told}");
    assert!(
        told.contains("detectLocal.interfaceNamePrefix: kube-proxy 1.31 looks for one interface"),
        "{told}"
    );
    assert!(result.stdout.is_empty());
}
