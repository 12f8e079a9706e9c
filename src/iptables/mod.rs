//! The iptables rule language: a typed ruleset, its compiler, its texts.

mod build;
mod chain_name;
pub(crate) mod chains;
mod compile;
pub mod foreign;
pub mod json;
pub mod loadable;
pub mod parse;
mod probability;
pub mod restore;
pub mod ruleset;
pub mod save;
pub mod saved;
#[cfg(test)]
pub(crate) mod strategies;
mod stretches;
mod values;

pub(crate) use compile::{Sink, write};
pub use compile::{compile, compile_around};
