//! Numbers that stand for values: equal for equal values, and different for others as good as certainly.

use std::hash::{DefaultHasher, Hash, Hasher};

/// A number for a value.
pub(super) fn number(value: &impl Hash) -> u128 {
    let half = |seed: u8| {
        let mut hasher = DefaultHasher::new();
        (seed, value).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}
