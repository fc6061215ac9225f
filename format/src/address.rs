//! Addresses as they may be shown: without what they log in with.
//!
//! `http://user:password@host/` may be an address of a site. Where text leaves the program for people, each address in
//! it loses all that stands before `@`; what is fetched or kept is left whole.

use std::borrow::Cow;

/// What stands in place of a name and a password.
const HIDDEN: &str = "…";

/// `text`, in which no address says who asks.
#[must_use]
pub fn masked(text: &str) -> Cow<'_, str> {
    let mut parts = text.split("://");
    let mut shown = String::from(parts.next().unwrap_or_default());
    let mut hides = false;
    for part in parts {
        // Names of what is published have an `@` of their own, behind the host.
        let end = part.find(|c: char| c == '/' || c == '"' || c.is_ascii_whitespace()).unwrap_or(part.len());
        let from = part[..end].rfind('@');
        shown.push_str("://");
        if let Some(from) = from {
            hides = true;
            shown.push_str(HIDDEN);
            shown.push_str(&part[from..]);
        } else {
            shown.push_str(part);
        }
    }
    if hides { Cow::Owned(shown) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_name_and_password() {
        for (text, shown) in [
            (
                "http://user:pass@host/targets/ab.web@1@pack: not there",
                "http://…@host/targets/ab.web@1@pack: not there",
            ),
            ("fetching \"https://u:p@ss#?@h\": 401", "fetching \"https://…@h\": 401"),
            ("http://a/x, then http://t@b: http://c d@e", "http://a/x, then http://…@b: http://c d@e"),
            ("web@1 is there", "web@1 is there"),
            ("://", "://"),
            ("", ""),
        ] {
            assert_eq!(masked(text), shown);
        }
    }
}
