//! The page of all profiles.

use maud::{Markup, html};

use crate::serve::profiles::Shelved;

/// The profiles in their order, with what is left of each.
pub(super) fn page(trouble: Option<&str>, profiles: &[Shelved]) -> Markup {
    html! {
        @if let Some(trouble) = trouble { p.failure { "No profile can be given: " (trouble) } }
        table {
            thead { tr { th { "Profile" } th { "Machines" } th { "Entries" } th { "Errors" } } }
            tbody {
                @for profile in profiles {
                    tr id={ "profile-" (profile.name) } {
                        td { (profile.name) }
                        td { (left(profile)) }
                        td { @if let Some(entries) = profile.entries { (given(profile.given, entries)) } }
                        td.failure { (profile.error.as_deref().unwrap_or("")) }
                    }
                }
            }
        }
    }
}

fn left(profile: &Shelved) -> Markup {
    html! {
        @match (profile.listed, profile.count, profile.left) {
            (false, _, _) => span.quiet { "not in state: no machine gets it" },
            (true, Some(count), Some(0)) => span.failure { "used up: 0 of " (count) " left" },
            (true, Some(count), Some(left)) => { (left) " of " (count) " left" },
            (true, _, _) => "any number",
        }
    }
}

fn given(given: usize, entries: usize) -> Markup {
    html! {
        @if given < entries { (given) " of " (entries) " given" }
        @else { span.failure { "used up: " (given) " of " (entries) " given" } }
    }
}
