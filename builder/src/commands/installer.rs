//! `rolebuild installer`: what a blank machine boots.

use crate::cli;
use crate::clock;
use crate::failure::Failure;
use crate::installer::{Made, Request, make};
use crate::progress::Progress;
use crate::recipe::Recipe;
use crate::site::{METADATA, ROOT};

/// Makes it.
///
/// # Errors
/// Those of [`make`].
pub fn run(args: &cli::Installer) -> Result<Made, Failure> {
    let version = env!("CARGO_PKG_VERSION").parse().expect("Cargo's versions follow the rule");
    let recipe = Recipe::load(&args.recipe, &version)?;
    let beside = || std::env::current_exe().unwrap_or_default().with_file_name("edeploy-installer");
    let program = args.program.clone().unwrap_or_else(beside);
    let signer = args.sign_key.as_deref().zip(args.sign_certificate.as_deref());
    let request = Request {
        recipe: &recipe,
        epoch: clock::now().seconds(),
        archive: args.from_tar.as_deref(),
        keep: args.keep_base.as_deref(),
        builds: &args.builds,
        site: &args.repo.repo,
        root: &args.repo.repo.join(METADATA).join(ROOT),
        program: &program,
        script: &args.script,
        arguments: &args.arguments,
        settings: &args.settings,
        ca: args.ca.as_deref(),
        signer: signer.map(|(key, certificate)| [key, certificate]),
    };
    make(&request, &Progress::new())
}
