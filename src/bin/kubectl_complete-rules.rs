//! What kubectl's completion asks for the arguments of `kubectl rules`.

#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    kuberules::cli::main()
}
