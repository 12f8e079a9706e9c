//! The `kuberules` binary: glue only, see `kuberules::cli`.

#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    kuberules::cli::main()
}
