//! `kubectl rules`: the same program under the name that kubectl looks for.

#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    kuberules::cli::main()
}
