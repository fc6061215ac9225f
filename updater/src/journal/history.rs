//! What the journal answers: is a version refused, why did a trial end.

use edeploy_format::digest::Digest;
use edeploy_format::name::Version;

use super::event::{Deployment, Event, Line};

/// All versions fallen back from and not blessed since.
#[must_use]
pub fn all_refused(lines: &[Line]) -> Vec<Digest> {
    lines.iter().fold(Vec::new(), |mut found, line| {
        match &line.event {
            Event::FellBack { from, .. } if !found.contains(&from.manifest) => found.push(from.manifest),
            Event::Blessed { running } => found.retain(|digest| *digest != running.manifest),
            _ => {}
        }
        found
    })
}

/// The version whose manifest this is, if the machine ever had it.
#[must_use]
pub fn version_of(lines: &[Line], manifest: &Digest) -> Option<Version> {
    let known = |deployment: &Deployment| match &deployment.version {
        Some(version) if deployment.manifest == *manifest => Some(version.clone()),
        _ => None,
    };
    lines.iter().rev().find_map(|line| line.event.deployments().into_iter().find_map(known))
}

/// The fall-back from exactly this deployment, if it was recorded.
#[must_use]
pub fn fall_back<'a>(lines: &'a [Line], given_up: &Deployment) -> Option<&'a Event> {
    let told = |event: &Event| matches!(event, Event::FellBack { from, .. } if from.is(given_up));
    lines.iter().rev().map(|line| &line.event).find(|event| told(event))
}

/// The last complaint of `deployment` about itself, and how often it came as far as early userspace.
#[must_use]
pub fn last_report<'a>(lines: &'a [Line], deployment: &Deployment) -> (Option<&'a str>, usize) {
    let armed = |line: &Line| matches!(&line.event, Event::Armed { to, .. } if to.is(deployment));
    let since = lines.iter().rposition(armed).unwrap_or(0);
    lines[since..].iter().fold((None, 0), |(reason, boots), line| match &line.event {
        Event::Booted { running, .. } if running.is(deployment) => (reason, boots + 1),
        Event::Unhealthy { running, reason, .. } if running.is(deployment) => (Some(&**reason), boots),
        _ => (reason, boots),
    })
}

/// The lines of `old` that must be kept for what they forbid, once each version.
pub(super) fn still_refused<'a>(old: &'a [Line], young: &[Line]) -> Vec<&'a Line> {
    let counts = |at: usize| {
        let Event::FellBack { from, .. } = &old[at].event else { return false };
        let later = || old[at + 1..].iter().chain(young);
        !later().any(|line| match &line.event {
            Event::FellBack { from: again, .. } => again.manifest == from.manifest,
            Event::Blessed { running } => running.manifest == from.manifest,
            _ => false,
        })
    };
    (0..old.len()).filter(|at| counts(*at)).map(|at| &old[at]).collect()
}
