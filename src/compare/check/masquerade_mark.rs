//! The firewall mark of packets to be masqueraded: one bit, set by `masqueradeBit`.

use super::{Finding, Kind};

/// Reports that the node's mark is not the configured one.
pub(super) fn finding(configured: u32, found: u32) -> Option<Finding> {
    let bit = |mark: u32| match mark.count_ones() {
        1 => format!("bit {}", mark.trailing_zeros()),
        _ => format!("{mark:#010x}"),
    };
    (configured != found).then(|| {
        let message = format!(
            "packets to be masqueraded are marked by {}, not by {} as configured: masqueradeBit differs (the rest is \
             checked with the mark found)",
            bit(found),
            bit(configured)
        );
        Finding::general(Kind::MasqueradeMark, message)
    })
}
