//! Loads many rulesets with the real tools in one network namespace.

use std::fs;
use std::path::Path;

use kuberules::diagnostic::{Diagnostics, Severity};
use kuberules::net::Family;
use kuberules::settings::ProxyMode;

use super::difference;
use super::kernel::with_loaders;
use super::library::{Compiled, Texts};
use super::nft::{blocks, with_small_sets, without_comments_of_objects};

/// For each file: the ruleset is loaded and listed, its script is loaded on top, and it is listed again. A tool that
/// refuses leaves its message.
const SCRIPT: &str = r"
nfacct add ct_state_invalid_dropped_pkts; nfacct add localhost_nps_accepted_pkts
for f in *.Ipv4.save *.Ipv6.save; do
  [ -e $f ] || continue
  n=${f%.save}; case $f in *.Ipv4.*) t=iptables;; *) t=ip6tables;; esac
  if $t-restore < $f 2> $n.refused; then
    rm $n.refused; $t-save > $n.listed
    if $t-restore --noflush --counters < $n.script 2> $n.refused-again; then rm $n.refused-again; fi
    $t-save > $n.again
  fi
done
for f in *.nft; do
  [ -e $f ] || continue
  n=${f%.nft}; nft flush ruleset
  if nft -f $f 2> $n.refused && nft -f $f 2> $n.refused; then
    rm $n.refused; nft list ruleset > $n.listed
    nft flush ruleset
    if nft -j -f $n.json 2> $n.refused-again; then rm $n.refused-again; fi
    nft list ruleset > $n.again
  fi
done";

/// Rulesets that were loaded, those refused as expected, and what went wrong.
#[derive(Default)]
pub struct Judgement {
    pub loaded: usize,
    pub refused: usize,
    pub faults: Vec<String>,
}

/// The real tools' judgement of compiled clusters, each with its name.
pub fn judge(compiled: &[(String, Compiled)]) -> Judgement {
    let folder = tempfile::tempdir().unwrap();
    for (i, (_, compiled)) in compiled.iter().enumerate() {
        write(folder.path(), i, compiled);
    }
    let output = with_loaders(&format!("cd {}; {SCRIPT}", folder.path().display()), "");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut judgement = Judgement::default();
    for (i, (name, compiled)) in compiled.iter().enumerate() {
        let of_texts = |texts: &[&Texts], file: String| judge_one(folder.path(), &file, compiled, texts);
        match compiled.mode {
            ProxyMode::Iptables => {
                for texts in &compiled.families {
                    judgement.add(
                        name,
                        &compiled.told,
                        texts.unloadable,
                        of_texts(&[texts], file_of(i, texts.family)),
                    );
                }
            }
            ProxyMode::Nftables => {
                let refused = compiled.families.iter().any(|texts| texts.unloadable);
                let all: Vec<&Texts> = compiled.families.iter().collect();
                judgement.add(name, &compiled.told, refused, of_texts(&all, i.to_string()));
            }
        }
    }
    judgement
}

fn file_of(i: usize, family: Family) -> String {
    format!("{i}.{family:?}")
}

fn write(folder: &Path, i: usize, compiled: &Compiled) {
    let write = |name: String, text: &str| fs::write(folder.join(name), text).unwrap();
    match compiled.mode {
        ProxyMode::Iptables => {
            for texts in &compiled.families {
                write(format!("{}.save", file_of(i, texts.family)), &texts.listing);
                write(format!("{}.script", file_of(i, texts.family)), &texts.script);
            }
        }
        ProxyMode::Nftables => {
            let scripts: String = compiled.families.iter().map(|texts| texts.script.as_str()).collect();
            write(format!("{i}.nft"), &with_small_sets(&scripts));
            write(format!("{i}.json"), &with_small_sets(&compiled.json));
        }
    }
}

fn said(told: &Diagnostics) -> String {
    let unloadable = told.iter().filter(|diagnostic| diagnostic.severity == Severity::Unloadable);
    unloadable.map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

enum Verdict {
    Same,
    Refused(String),
    Differs(String),
}

impl Judgement {
    fn add(&mut self, name: &str, told: &Diagnostics, unloadable: bool, verdict: Verdict) {
        match (verdict, unloadable) {
            (Verdict::Same, false) => self.loaded += 1,
            (Verdict::Refused(_), true) => self.refused += 1,
            (Verdict::Same, true) => {
                self.faults.push(format!("{name}: loads, though said to be refused: {}", said(told)))
            }
            (Verdict::Refused(words), false) => self.faults.push(format!("{name}: refused: {words}")),
            (Verdict::Differs(what), _) => self.faults.push(format!("{name}: {what}")),
        }
    }

    /// Adds another.
    pub fn append(&mut self, other: Judgement) {
        self.loaded += other.loaded;
        self.refused += other.refused;
        self.faults.extend(other.faults);
    }
}

fn judge_one(folder: &Path, file: &str, compiled: &Compiled, texts: &[&Texts]) -> Verdict {
    let read = |ending: &str| fs::read_to_string(folder.join(format!("{file}.{ending}")));
    if let Ok(words) = read("refused") {
        return Verdict::Refused(words);
    }
    if let Ok(words) = read("refused-again") {
        return Verdict::Differs(format!("the second text is refused: {words}"));
    }
    let expected: String = texts.iter().map(|texts| texts.listing.as_str()).collect();
    let (listed, again) = (read("listed").unwrap(), read("again").unwrap());
    let differences = match compiled.mode {
        ProxyMode::Iptables => {
            format!(
                "{}{}",
                difference(&rules(&expected), &rules(&listed)),
                difference(&rules(&expected), &rules(&again))
            )
        }
        ProxyMode::Nftables => {
            let expected = with_small_sets(&expected);
            format!(
                "{}{}",
                difference(&blocks(&expected), &blocks(&listed)),
                difference(&without_comments_of_objects(&expected), &without_comments_of_objects(&again))
            )
        }
    };
    if differences.is_empty() { Verdict::Same } else { Verdict::Differs(differences) }
}

/// Every line but comments, in order.
fn rules(text: &str) -> Vec<String> {
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}
