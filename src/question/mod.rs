//! What a person asks, in their words, and what is meant: names of Services, Pods and nodes as people write them, the
//! packet of a question, and what was not said and can be inferred.
//!
//! A question such as "from `pod/cart-0` to `web:http`" is first read as it is written ([`Source`], [`Target`]), without
//! looking at anything. A [`Scene`] is where it is asked: the objects of a cluster, one node of it, and what is known of
//! that node. Only there a name is looked for, and a [`Packet`](crate::walk::Packet) comes of it.
//!
//! What was not said is inferred where only one thing can be meant, and each such [`Inference`] is a value, so that who
//! asks is told: the namespace of a name that only one has, the node on which the Pod of the question runs, the protocol
//! of the only Service port at an address, the pods' network that the Nodes' `podCIDRs` lie in.

pub mod around;
pub mod inference;
pub mod names;
pub mod node;
mod objects;
pub mod protocol;
pub mod scene;
pub mod source;
pub mod target;
pub mod written;

pub use inference::Inference;
pub use objects::Objects;
pub use scene::Scene;
pub use source::Packets;
pub use written::{Source, Target, Written};
