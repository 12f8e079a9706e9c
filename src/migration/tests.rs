//! Facts of nodes, and rules of others.
