//! The page of one machine.

use maud::{Markup, html};

use super::machines::stage;
use crate::store::{Host, Log};

/// All that is known of it.
pub(super) fn page(host: &Host, log: Option<&Log>) -> Markup {
    html! {
        table {
            tr { th { "Stage" } td { (stage(host)) } }
            tr { th { "Profile" } td { (host.profile.as_deref().unwrap_or("")) } }
            tr { th { "Hardware" } td { (host.summary) } }
            tr { th { "Network cards" } td { (host.macs.join(", ")) } }
            tr { th { "Serial number" } td { (host.serial) } }
            tr { th { "UUID" } td { (host.uuid) } }
            tr { th { "Started by" } td { (host.platform) } }
            tr { th { "Seen" } td { (host.seen.time()) } }
            @if let Some(at) = host.installed { tr { th { "Installed" } td { (at.time()) } } }
        }
        (tried(host))
        @if let Some(log) = log {
            h2 { "Log of " (log.at.time()) }
            pre id="log" { (log.text) }
        }
        @if !host.hardware.is_empty() {
            h2 { "Hardware" }
            table id="hardware" {
                @for [class, item, attribute, value] in &host.hardware {
                    tr { td { (class) } td { (item) } td { (attribute) } td { (value) } }
                }
            }
        }
    }
}

/// Why it is none of the profiles that it was not given, as far as that was kept.
fn tried(host: &Host) -> Markup {
    html! {
        @for tried in &host.tried {
            h2 { "Why it is no " (tried.profile) }
            p.failure[host.failure.is_some()] { (tried.reason) }
            @if !tried.explained.is_empty() { pre.tried { (tried.explained) } }
        }
    }
}
