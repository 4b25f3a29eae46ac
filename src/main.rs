//! The command line; with no subcommand it opens the studio.

mod command;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    kiln::kernels::memory::keep_freed_pages();
    command::main()
}
