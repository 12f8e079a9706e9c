//! Texts that make manifests: read as manifests, they have to be rendered first.

use memchr::memmem;

/// What to do with a text that is no manifest yet.
pub(super) const TEMPLATE: &str =
    "this is a template: render it first, a Helm chart with `helm template CHART | kuberules ...`";

/// Whether a text looks like a template that makes manifests.
pub(super) fn is_template(text: &str) -> bool {
    memmem::find(text.as_bytes(), b"{{").is_some()
}
