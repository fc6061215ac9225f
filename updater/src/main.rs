//! The host program; `edeploy_ab` holds all of it.

use std::path::Path;
use std::process::ExitCode;

use edeploy_ab::cli::Cli;
use edeploy_ab::commands;
use edeploy_ab::failure::Failure;
use edeploy_format::exit::Exit;
use edeploy_format::units;

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    let name = args.next().unwrap_or_default();
    #[cfg(feature = "installer")]
    if let Some(exit) = edeploy_ab::installer::main(&name, std::env::args_os().nth(1).as_deref()) {
        return exit;
    }
    let result = if Path::new(&name).ends_with(units::GENERATOR) {
        commands::generate(args.next().as_deref().map(Path::new))
    } else {
        Cli::parse(args).map_err(|e| Failure::new(Exit::Usage, e)).and_then(commands::run)
    };
    match result {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(failure) => {
            commands::say(&format!("edeploy-ab: {failure}"));
            ExitCode::from(failure.exit as u8)
        }
    }
}
