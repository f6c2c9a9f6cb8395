//! Arguments in, exit code out.

fn main() -> std::process::ExitCode {
    spyhole::cli::main()
}
