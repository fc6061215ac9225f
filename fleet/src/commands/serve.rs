//! `serve`: what was typed becomes settings.

use crate::cli::Serve;
use crate::failure::Cause;
use crate::serve::{self, Settings};

pub(super) fn run(args: &Serve) -> Result<(), Cause> {
    Ok(serve::run(settings(args)?)?)
}

fn settings(args: &Serve) -> Result<Settings, Cause> {
    Ok(Settings {
        data: args.data.folder.clone(),
        profiles: args.profiles.clone(),
        listen: args.listen,
        url: url(args)?,
        assets: args.assets.clone().or_else(|| args.site.as_ref().map(|site| site.join("install"))),
        site: args.site.clone(),
        repos: args.repo.iter().map(|repo| address("--repo", repo)).collect::<Result<_, _>>()?,
        root: args.root.clone(),
        arguments: plain("--kernel-arguments", &args.kernel_arguments)?,
        lease: args.lease,
    })
}

/// What machines call the service, if that was said.
fn url(args: &Serve) -> Result<Option<String>, Cause> {
    let Some(url) = &args.url else {
        if args.listen.ip().is_unspecified() {
            return Err(Cause::Usage("--url is needed: machines cannot call 0.0.0.0 or ::".to_owned()));
        }
        return Ok(None);
    };
    address("--url", url).map(Some)
}

/// An address that can stand in a script of iPXE, without a slash at its end.
fn address(option: &str, url: &str) -> Result<String, Cause> {
    let word = url.bytes().all(|byte| byte.is_ascii_graphic()) && !url.contains(['|', '&', '$']);
    if !word || !(url.starts_with("http://") || url.starts_with("https://")) {
        return Err(Cause::Usage(format!("{option}: not an address as http://fleet.example:8420")));
    }
    Ok(url.trim_end_matches('/').to_owned())
}

/// Text that ends up in one line of a script of iPXE.
fn plain(option: &str, text: &str) -> Result<String, Cause> {
    if text.chars().all(|c| c == ' ' || c.is_ascii_graphic()) && !text.contains(['|', '&', '$']) {
        return Ok(text.trim().to_owned());
    }
    Err(Cause::Usage(format!("{option}: only plain characters on one line, without |, & and $")))
}
