//! The last lines of `cargo test`: what only the full run covers. No test, so that it is seen without `--nocapture`.

#[path = "../src/testing/scope.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, reason = "the suite uses the rest")]
mod scope;

#[allow(clippy::print_stdout, reason = "this is what it is for")]
fn main() {
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    if scope::full() {
        println!(
            "\nThis was the full run (KUBERULES_FULL=1): what it leaves to runs by hand KUBERULES_FULL=all covers."
        );
        return;
    }
    println!("\nThis was the quick run. Only KUBERULES_FULL=1 cargo test covers:");
    for (test, left_out) in scope::LEFT_OUT {
        println!("  {test}: {left_out}");
    }
}
