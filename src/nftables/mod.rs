//! The nftables rule language: a typed ruleset, its compiler, its texts.

pub(crate) mod chain_name;
mod compile;
mod interval;
pub mod json;
pub mod list;
pub mod loadable;
pub mod order;
pub mod parse;
pub mod ruleset;
pub mod script;
#[cfg(test)]
pub(crate) mod strategies;

pub use compile::{TABLE, compile, compile_around, is_loopback_object};
