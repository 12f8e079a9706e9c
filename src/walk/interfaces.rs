//! The interfaces that rules name, and which of them a packet can have.
//!
//! There is one case for each interface or pattern that rules name and that the packet could have, and one for any other.

use std::net::IpAddr;
use std::sync::{Mutex, OnceLock, PoisonError};

use foldhash::HashMap;

use super::interface_case::{InterfaceCase, prefix};
use super::interface_kinds::InterfaceKinds;
use super::packet::Interface;
use crate::node::{InterfaceName, PodInterface};

/// Names and patterns (`cali+`, `cali*`) that the rules of a program match on, in either direction.
#[derive(Debug, Default)]
pub(super) struct Interfaces<'r> {
    names: Vec<&'r str>,
    prefixes: Vec<&'r str>,
    /// Those of `POD_PREFIXES` that some name begins with.
    pod_prefixes: OnceLock<Vec<&'static str>>,
    kinds: OnceLock<InterfaceKinds<'r>>,
    /// The interfaces of Pods that were looked up so far.
    of_pods: Mutex<HashMap<IpAddr, Option<InterfaceName>>>,
}

/// The prefixes that CNI plugins give to the node's end of a Pod's interface: Calico (felix/config, `InterfacePrefix`),
/// AWS VPC CNI (`AWS_VPC_K8S_CNI_VETHPREFIX`).
const POD_PREFIXES: [&str; 2] = ["cali", "eni"];

/// An interface that a packet can cross, with others that rules treat like it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct LikeCases<'r> {
    pub(super) first: InterfaceCase<'r>,
    pub(super) others: Vec<InterfaceCase<'r>>,
}

impl<'r> LikeCases<'r> {
    /// One that is like no other.
    pub(super) fn one(first: InterfaceCase<'r>) -> LikeCases<'r> {
        LikeCases { first, others: Vec::new() }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = InterfaceCase<'r>> {
        std::iter::once(self.first).chain(self.others.iter().copied())
    }
}

impl<'r> Interfaces<'r> {
    pub(super) fn of(asked: impl Iterator<Item = &'r str>) -> Interfaces<'r> {
        let mut found = Interfaces::default();
        for name in asked {
            match prefix(name) {
                Some(prefix) => found.prefixes.push(prefix),
                None => found.names.push(name),
            }
        }
        for list in [&mut found.names, &mut found.prefixes] {
            list.sort_unstable();
            list.dedup();
        }
        found
    }

    /// Together with those that other rules name.
    pub(super) fn with(&self, other: &Interfaces<'r>) -> Interfaces<'r> {
        let joined = |these: &[&'r str], others: &[&'r str]| {
            let mut all = [these, others].concat();
            all.sort_unstable();
            all.dedup();
            all
        };
        Interfaces {
            names: joined(&self.names, &other.names),
            prefixes: joined(&self.prefixes, &other.prefixes),
            ..Interfaces::default()
        }
    }

    pub(super) fn words(case: &InterfaceCase<'_>) -> String {
        match case {
            InterfaceCase::Named(name) => (*name).to_owned(),
            InterfaceCase::Prefixed(prefix) => format!("{prefix}+"),
            InterfaceCase::Other => "any other".to_owned(),
        }
    }

    /// Whether rules ask for an interface by its whole name.
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.names.binary_search(&name).is_ok()
    }

    /// The case of an interface.
    pub(super) fn case_of<'n>(&self, name: &'n str) -> InterfaceCase<'n>
    where
        'r: 'n,
    {
        if self.is_named(name) { InterfaceCase::Named(name) } else { self.unnamed(name) }
    }

    /// Which interfaces are treated alike, found once.
    pub(super) fn kinds(&self, find: impl FnOnce() -> InterfaceKinds<'r>) -> &InterfaceKinds<'r> {
        self.kinds.get_or_init(find)
    }

    /// All that rules can tell apart by name.
    pub(super) fn cases(&self) -> impl Iterator<Item = InterfaceCase<'r>> {
        let names = self.names.iter().map(|name| InterfaceCase::Named(name));
        let prefixes = self.prefixes.iter().filter(|prefix| !prefix.is_empty());
        names.chain(prefixes.map(|prefix| InterfaceCase::Prefixed(prefix))).chain([InterfaceCase::Other])
    }

    /// The case of interfaces that no rule names and that begin like this.
    fn unnamed(&self, with: &str) -> InterfaceCase<'r> {
        let longest = self.prefixes.iter().filter(|prefix| !prefix.is_empty() && with.starts_with(**prefix));
        longest
            .max_by_key(|prefix| prefix.len())
            .map_or(InterfaceCase::Other, |prefix| InterfaceCase::Prefixed(prefix))
    }

    /// The prefixes of the names of Pods' interfaces, from CNI plugins and the rules.
    pub(super) fn pod_prefixes(&self) -> impl Iterator<Item = &'static str> {
        let named = |prefix: &&str| self.cases().any(|case| case.begins(prefix));
        let found = self.pod_prefixes.get_or_init(|| POD_PREFIXES.into_iter().filter(named).collect());
        found.iter().copied()
    }

    /// The interface of a Pod, looked up only once.
    pub(super) fn of_pod(
        &self,
        ip: IpAddr,
        find: impl FnOnce() -> Option<InterfaceName>,
    ) -> Option<InterfaceName> {
        *self.of_pods.lock().unwrap_or_else(PoisonError::into_inner).entry(ip).or_insert_with(find)
    }

    /// The possible cases for a packet that crosses an interface of this kind.
    pub(super) fn possible(&self, kind: Interface, pods: Option<&PodInterface>) -> Vec<InterfaceCase<'r>> {
        let prefixes: Vec<&str> = match pods {
            Some(PodInterface::Prefix(prefix)) => vec![prefix],
            Some(PodInterface::Name(_)) => Vec::new(),
            None => self.pod_prefixes().collect(),
        };
        let of_pods = |case: &InterfaceCase<'_>| match pods {
            Some(PodInterface::Name(name)) => *case == InterfaceCase::Named(name),
            _ => prefixes.iter().any(|prefix| case.begins(prefix) || *case == self.unnamed(prefix)),
        };
        let for_others = |case: &InterfaceCase<'_>| match case {
            // Interfaces that fit a wider pattern are not all of Pods.
            InterfaceCase::Prefixed(begin) => !prefixes.iter().any(|prefix| begin.starts_with(prefix)),
            InterfaceCase::Other => true,
            InterfaceCase::Named(_) => !of_pods(case),
        };
        let tells = pods.is_some() || !prefixes.is_empty();
        let fits = |case: &InterfaceCase<'_>| match kind {
            Interface::PodSide => !tells || of_pods(case),
            _ => for_others(case),
        };
        self.cases().filter(|case| *case != InterfaceCase::Named("lo") && fits(case)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases(kind: Interface, pods: Option<PodInterface>) -> Vec<String> {
        let names = ["cali0", "eth0", "lo", "cali+", "ca+", "br-+", "+"];
        let interfaces = Interfaces::of(names.into_iter());
        interfaces.possible(kind, pods.as_ref()).iter().map(Interfaces::words).collect()
    }

    #[test]
    fn a_packet_can_have_the_interfaces_of_its_kind() {
        assert_eq!(cases(Interface::PodSide, None), ["cali0", "cali+"]);
        assert_eq!(cases(Interface::External, None), ["eth0", "br-+", "ca+", "any other"]);
        let bridge = Some(PodInterface::Prefix("br-1".into()));
        assert_eq!(cases(Interface::PodSide, bridge.clone()), ["br-+"]);
        assert_eq!(
            cases(Interface::External, bridge),
            ["cali0", "eth0", "br-+", "ca+", "cali+", "any other"]
        );
    }
}
