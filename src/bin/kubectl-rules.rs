//! `kubectl rules`: the same program under the name that kubectl looks for.

fn main() -> std::process::ExitCode {
    kuberules::cli::main()
}
