//! Texts that generate manifests: before they can be read as manifests, they must be rendered.

use memchr::memmem;

/// What to do with a text that is not a manifest yet.
pub(super) const TEMPLATE: &str =
    "this is a template: render it first, a Helm chart with `helm template CHART | kuberules ...`";

/// Whether a text looks like a template that makes manifests.
pub(super) fn is_template(text: &str) -> bool {
    memmem::find(text.as_bytes(), b"{{").is_some()
}
