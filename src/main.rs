//! The `kuberules` binary: glue only, see `kuberules::cli`.

fn main() -> std::process::ExitCode {
    kuberules::cli::main()
}
