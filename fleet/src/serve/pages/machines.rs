//! The page of all machines.

use edeploy_format::fleet::Stage;
use maud::{Markup, html};

use crate::store::Host;

/// The machines, one line each, and how many that are new may be installed.
pub(super) fn page(hosts: &[Host], new: u32) -> Markup {
    html! {
        @match new {
            0 => {}
            1 => p #new { "The next machine that is new may be installed." }
            _ => p #new { "The next " (new) " machines that are new may be installed." }
        }
        table {
            thead { tr { th { "Machine" } th { "Hardware" } th { "Profile" } th { "Stage" } th { "Seen" } } }
            tbody {
                @for host in hosts {
                    tr id={ "machine-" (host.name) } {
                        td { a href={ "/machines/" (host.name) } { (host.name) } }
                        td { (host.summary) }
                        td { (host.profile.as_deref().unwrap_or("")) }
                        td { (stage(host)) }
                        td.quiet { (host.seen.time()) }
                    }
                }
            }
        }
        @if hosts.is_empty() { p.quiet { "No machine was seen yet." } }
    }
}

/// Where its install is, with a bar where it is known how far, and why it ended.
pub(super) fn stage(host: &Host) -> Markup {
    html! {
        @match host.stage {
            None => span.quiet { "not asked for" },
            Some(Stage::Installed) => span.done { "installed" },
            Some(stage) => {
                span { (name(stage)) }
                @if host.total > 0 && host.failure.is_none() {
                    " " progress max=(host.total) value=(host.done.min(host.total)) {}
                    " " (percent(host)) " %"
                }
            }
        }
        @if let Some(failure) = &host.failure { div.failure { (failure) } }
        @if let Some(right) = &host.permission {
            div.quiet { "may be installed" @if right.attempts > 0 { ", attempt " (right.attempts) } }
        }
    }
}

fn percent(host: &Host) -> u128 {
    u128::from(host.done.min(host.total)) * 100 / u128::from(host.total.max(1))
}

fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Booted => "installer asked for",
        Stage::Detected => "hardware reported",
        Stage::Planned => "plan given",
        Stage::Prepared => "prepared",
        Stage::Writing => "writing",
        Stage::Verifying => "verifying",
        Stage::Armed => "boot entry made",
        Stage::Installed => "installed",
    }
}
