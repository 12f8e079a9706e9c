//! What differs between two rulesets: rule by rule, and packet by packet.

pub mod diff;
mod host;
pub mod listing;
pub mod rules;
pub mod service;
pub mod subject;
pub mod traffic;

pub use host::host;
