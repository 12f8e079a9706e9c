//! The example of the lecture: a pod of web on one node, db behind a cluster IP with its pod on another.

/// Its objects.
pub const TEXT: &str = include_str!("example.yaml");

/// The name of its text in messages.
pub const NAME: &str = "<example>";

/// The node whose view is shown: the one with web, the client.
pub const NODE: &str = "node-1";

/// The Service that is explained if none is named.
pub const SERVICE: &str = "default/db";
