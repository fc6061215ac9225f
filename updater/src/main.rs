//! The host program; `edeploy_ab` holds all of it.

use std::path::Path;
use std::process::ExitCode;

use edeploy_ab::boot::{self, generator, health, trial};
use edeploy_ab::cli::{Cli, Command, TrialEnd};
use edeploy_ab::help;
use edeploy_format::exit::Exit;
use edeploy_format::units;

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    let name = args.next().unwrap_or_default();
    let exit = if Path::new(&name).ends_with(units::GENERATOR) {
        generate(args.next().as_deref().map(Path::new))
    } else {
        match Cli::parse(args) {
            Ok(cli) => run(cli.command),
            Err(e) => failed(&e.to_string(), Exit::Usage),
        }
    };
    ExitCode::from(exit as u8)
}

fn say(line: &str) {
    eprintln!("edeploy-ab: {line}");
}

fn failed(message: &str, exit: Exit) -> Exit {
    say(message);
    exit
}

fn generate(to: Option<&Path>) -> Exit {
    let Some(to) = to else { return failed("a generator is called with a folder", Exit::Usage) };
    match generator::run(Path::new("/"), to, &mut say) {
        Ok(()) => Exit::Done,
        Err(e) => failed(&format!("writing units to {}: {e}", to.display()), Exit::Failed),
    }
}

fn run(command: Command) -> Exit {
    let root = Path::new("/");
    match command {
        Command::Boot => match boot::start(root, &mut say) {
            Ok(()) => Exit::Done,
            Err(e) => failed(&format!("early boot: {e}"), Exit::Failed),
        },
        Command::Health => health::run(root, std::env::var_os("EDEPLOY_TRIAL").is_some(), &mut say),
        Command::Trial(TrialEnd::Limit) if trial::limit(root, &mut say) => Exit::Done,
        Command::Trial(TrialEnd::Limit) => Exit::Failed,
        Command::Trial(TrialEnd::Emergency) => {
            trial::fail(root, "emergency mode", &mut say);
            Exit::Done
        }
        Command::Help(topic) => {
            print!("{}", topic.and_then(|topic| help::of(&topic)).unwrap_or(help::GENERAL));
            Exit::Done
        }
        Command::ProgramVersion => {
            println!("edeploy-ab {}", env!("CARGO_PKG_VERSION"));
            Exit::Done
        }
        Command::List
        | Command::Status
        | Command::Upgrade(_)
        | Command::TestUpgrade { .. }
        | Command::Verify
        | Command::Rollback { .. }
        | Command::Bless
        | Command::Install(_)
        | Command::Version
        | Command::Role
        | Command::Profile => failed("this build has only the commands of boot", Exit::Usage),
    }
}
