//! Snapshots of tests, all in the top-level folder `snapshots`.

/// `insta::assert_snapshot!`, whose files stand in `snapshots/`.
macro_rules! assert_snapshot {
    ($($arguments:tt)*) => {
        insta::with_settings!({ snapshot_path => concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots") }, {
            insta::assert_snapshot!($($arguments)*)
        })
    };
}
