//! The example of the lecture: a pod of web on one node, db behind a cluster IP with its pod on another.

/// Its objects.
pub const TEXT: &str = include_str!("example.yaml");

/// What its text is called in messages.
pub const NAME: &str = "<example>";

/// The node to look from: that of web, the client.
pub const NODE: &str = "node-1";

/// The Service that is explained where none is named.
pub const SERVICE: &str = "default/db";
