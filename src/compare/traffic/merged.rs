//! Flows that differ only in their destination, merged.

use std::collections::BTreeSet;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};

use super::{Flow, SharedTraffic, Traffic, Unknown};

impl SharedTraffic {
    /// Joins what was found in parts of a whole. No Service is in two of them, so only flows of no Service can be
    /// alike.
    pub fn of_parts(parts: impl IntoIterator<Item = SharedTraffic>) -> SharedTraffic {
        let (mut classes, mut walked, mut flows, mut unknown) = (0, 0, Vec::new(), Vec::new());
        for mut part in parts {
            classes += part.classes;
            walked += part.walked;
            flows.append(&mut part.flows);
            unknown.append(&mut part.unknown);
        }
        let (mut flows, others): (Vec<Arc<Flow>>, Vec<Arc<Flow>>) =
            flows.into_iter().partition(|flow| flow.service.is_some());
        flows.sort_by(|a, b| a.service.cmp(&b.service));
        flows
            .extend(merged(others.into_iter().map(Arc::unwrap_or_clone).collect()).into_iter().map(Arc::new));
        Traffic { classes, walked, flows, unknown: Unknown::merged(unknown) }
    }
}

/// Merges flows that differ only in their destination.
pub(super) fn merged(all: Vec<Flow>) -> Vec<Flow> {
    let mut flows: Vec<Flow> = Vec::new();
    let mut places: HashMap<Flow, usize> = HashMap::new();
    for new in all {
        match places.get(&new.without_destination()).and_then(|place| flows.get_mut(*place)) {
            Some(like) => like.absorb(new),
            None => {
                places.insert(new.without_destination(), flows.len());
                flows.push(new);
            }
        }
    }
    flows.sort_by(|a, b| (a.service.is_none(), &a.service).cmp(&(b.service.is_none(), &b.service)));
    flows
}

impl Flow {
    /// What flows to several destinations have in common.
    fn without_destination(&self) -> Flow {
        let nothing = String::new;
        Flow {
            to: Vec::new(),
            source: nothing(),
            destination: nothing(),
            classes: 0,
            not_followed: 0,
            open_questions: BTreeSet::new(),
            begins_with_address: false,
            ..self.clone()
        }
    }

    /// A single address comes before one that is only an example of many.
    fn absorb(&mut self, mut other: Flow) {
        self.classes += other.classes;
        self.not_followed += other.not_followed;
        if other.begins_with_address && !self.begins_with_address {
            (other.classes, other.not_followed) = (self.classes, self.not_followed);
            std::mem::swap(self, &mut other);
        }
        self.open_questions.append(&mut other.open_questions);
        self.to.append(&mut other.to);
    }
}
