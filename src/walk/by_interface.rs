//! Elements of a set or map by the interfaces that they name.

use foldhash::{HashMap, HashMapExt};

use super::interface_case::{InterfaceCase, prefix};
use crate::nftables::ruleset::{Datum, Element};

/// Elements by the interfaces that they name.
pub(super) struct ByInterface<'r> {
    elements: Vec<&'r Element>,
    names: HashMap<&'r str, usize>,
    patterns: Vec<(&'r str, usize)>,
    /// `*`
    pub(super) otherwise: Option<&'r Element>,
    /// The first name.
    pub(super) text: &'r str,
}

impl<'r> ByInterface<'r> {
    /// None where an element asks for something else.
    pub(super) fn new(elements: impl Iterator<Item = &'r Element>) -> Option<ByInterface<'r>> {
        let mut index = ByInterface {
            elements: elements.collect(),
            names: HashMap::new(),
            patterns: Vec::new(),
            otherwise: None,
            text: "",
        };
        for (at, element) in index.elements.iter().enumerate() {
            if let ([Datum::Name(name)], "") = (element.key.as_slice(), index.text) {
                index.text = name;
            }
            match element.key.as_slice() {
                [Datum::Any] => index.otherwise = Some(element),
                [Datum::Name(name)] if prefix(name).is_some() => index.patterns.push((name, at)),
                [Datum::Name(name)] => _ = index.names.entry(name).or_insert(at),
                _ => return None,
            }
        }
        Some(index)
    }

    /// The element at a place.
    pub(super) fn get(&self, at: usize) -> Option<&'r Element> {
        self.elements.get(at).copied()
    }

    /// The place of the first element that the interfaces of a case fit.
    pub(super) fn first(&self, case: &InterfaceCase<'_>) -> Option<usize> {
        let named = match case {
            InterfaceCase::Named(name) => self.names.get(name).copied(),
            InterfaceCase::Prefixed(_) | InterfaceCase::Other => None,
        };
        let fitting = self.patterns.iter().find(|(pattern, _)| case.fits(pattern)).map(|(_, at)| *at);
        named.into_iter().chain(fitting).min()
    }
}
