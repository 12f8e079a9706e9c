//! What kubectl's completion asks for the arguments of `kubectl rules`.

fn main() -> std::process::ExitCode {
    kuberules::cli::main()
}
