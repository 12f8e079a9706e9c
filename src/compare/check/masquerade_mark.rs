//! The firewall mark by which packets to be masqueraded are known: one bit, by `masqueradeBit`.

use super::{Finding, Kind};

/// That the node's mark is another than the configuration's.
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
