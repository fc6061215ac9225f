//! `remember`: what a machine knows of its set-up, changed for good.
//!
//! It lies on the state partition, as the running slot is never written; each upgrade carries it into
//! the slot that it fills.

use edeploy_format::exit::Exit;
use serde_json::json;

use crate::cli::Common;
use crate::disk::mount::Access;
use crate::failure::Failure;
use crate::installed::Installed;
use crate::settings::{certificates, lasting};

pub(super) fn run(common: &Common, profile: Option<&String>) -> Result<Exit, Failure> {
    let installed = Installed::open(common, Access::ReadWrite)?;
    if let Some(reason) = installed.volatile() {
        let text = format!("/var is volatile ({}): what is remembered there is lost", reason.trim());
        return Err(Failure::new(Exit::Refused, text));
    }
    let mut settings = installed.settings.clone();
    if !common.repos.is_empty() {
        // Addresses and the certificates that go with them are one thing.
        (settings.repo, settings.mirrors) = lasting(&common.repos)?;
        settings.ca = None;
    }
    if let Some(file) = &common.ca {
        settings.ca = Some(certificates(file)?);
    }
    if let Some(profile) = profile {
        settings.profile.clone_from(profile);
    }
    settings.remember(installed.root())?;
    let (repo, profile, own_ca) = (&settings.repo, &settings.profile, settings.ca.is_some());
    let json = json!({ "repo": repo, "mirrors": settings.mirrors, "profile": profile, "ca": own_ca });
    let trusts = if own_ca { "those that were given" } else { "the system's" };
    let mut lines = vec![format!("repository    {repo}")];
    lines.extend(settings.mirrors.iter().map(|mirror| format!("mirror        {mirror}")));
    lines.extend([format!("certificates  {trusts}"), format!("profile       {profile}")]);
    super::answer_done(common, &json, &lines);
    Ok(Exit::Done)
}
