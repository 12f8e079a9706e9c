//! What a walk does not exceed, lowered.

use super::{host, tcp};
use crate::capture;
use crate::walk::error::WalkError;
use crate::walk::evaluator::Bounds;
use crate::walk::{Walker, hooks};

/// Each chain leads to the next one twice: 2^30 ways, of which each meets the same rules.
fn doubling() -> String {
    let declared: String = (0..30).map(|n| format!(":c{n} - [0:0]\n")).collect();
    let jumps: String = (1..30).map(|n| format!("-A c{} -j c{n}\n", n - 1).repeat(2)).collect();
    format!("*filter\n:FORWARD ACCEPT [0:0]\n{declared}-A FORWARD -j c0\n{jumps}COMMIT\n")
}

#[test]
fn rules_and_steps_are_bounded() {
    let captured = capture::read(&doubling(), None).unwrap();
    let rules = captured.node_rules(|_| host());
    let walker = Walker::of(rules.ipv4.as_ref().unwrap());
    let packet = tcp("203.0.113.7", "10.244.1.5:80");
    let bounded = |rules, steps, keeps_steps| {
        let mut evaluator = walker.evaluator(&packet).unwrap();
        (evaluator.bounds, evaluator.keeps_steps) = (Bounds { rules, steps }, keeps_steps);
        evaluator.run(hooks::entry(&packet, walker.host)).unwrap_err()
    };
    assert!(matches!(bounded(10_000, 1_000, true), WalkError::TooManySteps));
    assert!(matches!(bounded(10_000, 1_000, false), WalkError::TooManyRules));
    assert!(matches!(bounded(1_000, 10_000, true), WalkError::TooManyRules));
}
