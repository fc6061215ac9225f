//! Licences as Debian declares them, as SPDX writes them.
//!
//! Reads copyright files in the machine-readable format 1.0 (DEP-5): the short names of all `License` fields of
//! `Files` paragraphs. Names that SPDX knows under another name are translated, others become `LicenseRef-`s. Other
//! copyright files declare nothing a program could read.

use std::collections::BTreeSet;

/// A licence expression of SPDX.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expression {
    /// The expression.
    pub text: String,
    /// The names in it that SPDX does not know, as Debian writes them.
    pub references: BTreeSet<String>,
}

/// What a copyright file declares: all its licences together.
pub(super) fn declared(copyright: &str) -> Option<Expression> {
    let format = copyright.lines().find(|line| !line.trim().is_empty())?;
    if !format.starts_with("Format:") || !format.contains("copyright-format") {
        return None;
    }
    let mut parts = BTreeSet::new();
    let mut references = BTreeSet::new();
    for synopsis in synopses(copyright) {
        parts.insert(translate(&synopsis, &mut references));
    }
    let bracketed = |part: &String| if part.contains(" OR ") { format!("({part})") } else { part.clone() };
    let text = match parts.len() {
        0 => return None,
        1 => parts.into_iter().collect(),
        _ => parts.iter().map(bracketed).collect::<Vec<_>>().join(" AND "),
    };
    Some(Expression { text, references })
}

/// The first lines of the `License` fields of `Files` paragraphs.
fn synopses(copyright: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut files = false;
    for line in copyright.lines() {
        if line.trim().is_empty() {
            files = false;
        }
        let Some((key, value)) = line.split_once(':') else { continue };
        match key.to_ascii_lowercase().as_str() {
            "files" => files = true,
            "license" if files && !value.trim().is_empty() => found.push(value.trim().to_owned()),
            _ => {}
        }
    }
    found
}

/// One synopsis as an expression. In both languages `and` binds closer than `or`; a comma changes that in Debian's,
/// so such a synopsis stays one name, as does one with an exception.
fn translate(synopsis: &str, references: &mut BTreeSet<String>) -> String {
    let words: Vec<&str> = synopsis.split_whitespace().collect();
    let is = |word: &str, what: &str| word.eq_ignore_ascii_case(what);
    let simple = !synopsis.contains(',')
        && words.iter().enumerate().all(|(i, word)| (i % 2 == 1) == (is(word, "and") || is(word, "or")))
        && words.len() % 2 == 1;
    if !simple {
        return name(&words.join(" "), references);
    }
    let translated = words.iter().map(|word| match *word {
        word if is(word, "and") => "AND".to_owned(),
        word if is(word, "or") => "OR".to_owned(),
        word => name(word, references),
    });
    translated.collect::<Vec<_>>().join(" ")
}

fn name(debian: &str, references: &mut BTreeSet<String>) -> String {
    if let Some(spdx) = known(debian) {
        return spdx;
    }
    references.insert(debian.to_owned());
    reference(debian)
}

/// The `LicenseRef-` of a name that SPDX does not know.
pub(super) fn reference(debian: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '-' };
    format!("LicenseRef-Debian-{}", debian.replace('+', ".plus").chars().map(plain).collect::<String>())
}

/// The names of SPDX for those of the copyright format (its section "License short name").
fn known(debian: &str) -> Option<String> {
    for family in ["AGPL", "LGPL", "GPL", "GFDL"] {
        let Some(rest) = debian.strip_prefix(family).and_then(|rest| rest.strip_prefix('-')) else {
            continue;
        };
        let (number, later) = rest.strip_suffix('+').map_or((rest, false), |number| (number, true));
        let number = match number.strip_suffix(".0").unwrap_or(number) {
            number @ ("1.1" | "1.2" | "1.3" | "2.1") => number.to_owned(),
            number @ ("1" | "2" | "3") => format!("{number}.0"),
            _ => return None,
        };
        return Some(format!("{family}-{number}-{}", if later { "or-later" } else { "only" }));
    }
    let spdx = match debian {
        "Apache-2" | "Apache-2.0" => "Apache-2.0",
        "Artistic" | "Artistic-1" => "Artistic-1.0-Perl",
        "Artistic-2" | "Artistic-2.0" => "Artistic-2.0",
        "BSD-2-clause" | "BSD-2-Clause" => "BSD-2-Clause",
        "BSD-3-clause" | "BSD-3-Clause" => "BSD-3-Clause",
        "BSD-4-clause" | "BSD-4-Clause" => "BSD-4-Clause",
        "BSL-1" | "BSL-1.0" => "BSL-1.0",
        "CC0" | "CC0-1.0" => "CC0-1.0",
        "Expat" | "MIT" => "MIT",
        "ISC" => "ISC",
        "MPL-1.1" => "MPL-1.1",
        "MPL-2" | "MPL-2.0" => "MPL-2.0",
        "OpenSSL" => "OpenSSL",
        "PSF-2" | "Python-2" => "PSF-2.0",
        "Zlib" | "zlib" => "Zlib",
        _ => return None,
    };
    Some(spdx.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(licences: &[&str]) -> String {
        let head = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nLicense: of-the-whole\n";
        let files =
            licences.iter().map(|l| format!("\nFiles: *\nCopyright: x\nLicense: {l}\n Text: of it.\n"));
        head.to_owned() + &files.collect::<String>() + "\nLicense: GPL-3\n The text.\n"
    }

    fn text(licences: &[&str]) -> String {
        declared(&file(licences)).unwrap().text
    }

    #[test]
    fn short_names_become_those_of_spdx() {
        for (debian, spdx) in [
            ("GPL-2+", "GPL-2.0-or-later"),
            ("GPL-3", "GPL-3.0-only"),
            ("LGPL-2.1+", "LGPL-2.1-or-later"),
            ("LGPL-2.0", "LGPL-2.0-only"),
            ("GFDL-1.3+", "GFDL-1.3-or-later"),
            ("Expat", "MIT"),
            ("GPL-2+ or Expat and ISC", "GPL-2.0-or-later OR MIT AND ISC"),
            ("public-domain", "LicenseRef-Debian-public-domain"),
            ("GPL-2+ with OpenSSL exception", "LicenseRef-Debian-GPL-2.plus-with-OpenSSL-exception"),
            ("GPL-2, or Expat", "LicenseRef-Debian-GPL-2--or-Expat"),
            ("GPL-2+3", "LicenseRef-Debian-GPL-2.plus3"),
        ] {
            assert_eq!(text(&[debian]), spdx);
        }
    }

    #[test]
    fn all_licences_of_a_package_are_declared_once() {
        assert_eq!(
            text(&["Expat", "GPL-2+ or ISC", "Expat", "ISC"]),
            "(GPL-2.0-or-later OR ISC) AND ISC AND MIT"
        );
        let references = declared(&file(&["mine or Expat", "MIT"])).unwrap().references;
        assert_eq!(references.into_iter().collect::<Vec<_>>(), ["mine"]);
    }

    #[test]
    fn what_no_program_can_read_declares_nothing() {
        assert_eq!(declared("This package was debianized by hand.\nLicense: GPL-2\n"), None);
        assert_eq!(declared(""), None);
        assert_eq!(declared(&file(&[])), None);
    }
}
