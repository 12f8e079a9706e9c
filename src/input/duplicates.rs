//! The same object twice: copies count once, contradictions are refused. In one JSON list, which no person writes, the
//! last one counts, as for kube-proxy, whose store has one entry for each name.

use super::Options;
use super::object::Object;
use super::position::Located;
use super::snapshot::Snapshot;
use super::source::Sources;
use crate::diagnostic::{Diagnostic, Diagnostics, ObjectRef, message};

/// Keeps one of several objects with the same name; reports what contradicts it.
pub(super) fn remove(snapshot: &mut Snapshot, options: &Options, diagnostics: &mut Diagnostics) {
    let sources = &snapshot.sources;
    let mut remove = Remove { sources, options, diagnostics };
    remove.from(&mut snapshot.services, |_| "Service");
    remove.from(&mut snapshot.endpoint_slices, |_| "EndpointSlice");
    remove.from(&mut snapshot.endpoints, |_| "Endpoints");
    remove.from(&mut snapshot.nodes, |_| "Node");
    remove.from(&mut snapshot.service_cidrs, |_| "ServiceCIDR");
    remove.from(&mut snapshot.pods, |_| "Pod");
    remove.from(&mut snapshot.workloads, |workload| workload.kind.name());
    remove.from(&mut snapshot.autoscalers, |_| "HorizontalPodAutoscaler");
}

/// Kind, namespace and name.
fn full_name<T: Object>(object: &Located<T>, kind: fn(&T) -> &'static str) -> (&'static str, &str, &str) {
    let metadata = object.object.metadata();
    (kind(&object.object), &metadata.namespace, &metadata.name)
}

struct Remove<'a> {
    sources: &'a Sources,
    options: &'a Options,
    diagnostics: &'a mut Diagnostics,
}

impl Remove<'_> {
    fn from<T: Object + PartialEq>(&mut self, objects: &mut Vec<Located<T>>, kind: fn(&T) -> &'static str) {
        // As kubectl lists them.
        if objects.is_sorted_by(|a, b| full_name(a, kind) < full_name(b, kind)) {
            return;
        }
        let name = |at: &usize| objects.get(*at).map(|object| full_name(object, kind));
        let mut order: Vec<usize> = (0..objects.len()).collect();
        order.sort_by(|a, b| name(a).cmp(&name(b)).then(a.cmp(b)));
        let mut surplus = vec![false; objects.len()];
        let mut first = None;
        for at in order {
            let Some(original) = first.filter(|original| name(original) == name(&at)) else {
                first = Some(at);
                continue;
            };
            let loser = match (objects.get(original), objects.get(at)) {
                (Some(original_object), Some(copy)) if self.replaces(copy, original_object, kind) => {
                    first = Some(at);
                    original
                }
                (original, copy) => {
                    self.compare(original, copy, kind);
                    at
                }
            };
            if let Some(flag) = surplus.get_mut(loser) {
                *flag = true;
            }
        }
        if surplus.contains(&true) {
            let mut surplus = surplus.into_iter();
            objects.retain(|_| surplus.next() != Some(true));
        }
    }

    /// Whether a later object of one JSON list replaces an earlier one that differs; this is reported.
    fn replaces<T: Object + PartialEq>(
        &mut self,
        later: &Located<T>,
        earlier: &Located<T>,
        kind: fn(&T) -> &'static str,
    ) -> bool {
        if later.object == earlier.object
            || !self.sources.in_one_json_document(later.position, earlier.position)
        {
            return false;
        }
        let place =
            self.sources.place(earlier.position).map_or(String::new(), |place| format!(" at {place}"));
        let message = message!("replaces another object with this name in the same list{place}");
        let told =
            Diagnostic::warning(message).help("the last of one name counts, as it does for kube-proxy");
        let told = told.about(later.object.metadata().object_ref(kind(&later.object)));
        self.diagnostics.push(told.at(self.sources.place(later.position)));
        true
    }

    fn compare<T: Object + PartialEq>(
        &mut self,
        original: Option<&Located<T>>,
        copy: Option<&Located<T>>,
        kind: fn(&T) -> &'static str,
    ) {
        let (Some(original), Some(copy)) = (original, copy) else {
            return;
        };
        if original.object == copy.object {
            return;
        }
        let metadata = original.object.metadata();
        let object: ObjectRef = metadata.object_ref(kind(&original.object));
        let message = match self.sources.place(original.position) {
            Some(place) => message!("differs from the same object at {place}"),
            None => "differs from the same object read before".into(),
        };
        let diagnostic = if self.options.for_lint {
            Diagnostic::warning(message.within(|message| format!("{message}, which counts")))
                .help("leave one of them out with --exclude, or look at folders apart with --each")
        } else {
            Diagnostic::error(message).help("leave one of them out, as with --exclude")
        };
        let diagnostic = diagnostic.about(object);
        self.diagnostics.push(diagnostic.at(self.sources.place(copy.position)));
    }
}
