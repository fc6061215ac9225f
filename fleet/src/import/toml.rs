//! The TOML of an imported profile.
//!
//! A line that was not carried over is told by its number alone, at the end.

use super::configure::{Configure, Written};
use super::expression::Part;

/// The text of `<name>.toml`.
pub(super) fn profile(name: &str, configure: &Configure) -> String {
    let mut text = format!("# Made of eDeploy's {name}.configure by `edeploy-fleet import`.\n");
    match &configure.role {
        Some((role, version)) => text += &format!("role = {}\nversion = {}\n", quoted(role), quoted(version)),
        None => text += "# The role and its version are not known:\n# role = \"\"\n# version = \"\"\n",
    }
    if let Some(disk) = &configure.disk {
        text += &format!("\n[disk]\nname = {}\n", quoted(&template(disk)));
    }
    for Written { path, mode, uid, gid, text: content } in &configure.files {
        text += &format!("\n[[file]]\npath = {}\n", quoted(&template(path)));
        if mode != "0644" {
            text += &format!("mode = {}\n", quoted(mode));
        }
        for (key, id) in [("uid", uid), ("gid", gid)].into_iter().filter(|(_, id)| **id != 0) {
            text += &format!("{key} = {id}\n");
        }
        let written = template(content);
        if !has_names(content) && written.contains("{{") {
            text += "plain = true\n";
        }
        text += &format!("text = {}\n", lines(&written));
    }
    if !configure.left.is_empty() {
        // Not the lines themselves: they may hold passwords.
        let numbers: Vec<String> = configure.left.iter().map(|(line, _)| line.to_string()).collect();
        text += &format!("\n# Not carried over from {name}.configure: lines {}.\n", numbers.join(", "));
    }
    text
}

/// Whether braces of its own make it no template.
pub(super) fn is_template(parts: &[Part]) -> bool {
    !has_names(parts) || !parts.iter().any(|part| matches!(part, Part::Text(text) if text.contains("{{")))
}

fn has_names(parts: &[Part]) -> bool {
    parts.iter().any(|part| matches!(part, Part::Variable(_)))
}

fn template(parts: &[Part]) -> String {
    let part = |part: &Part| match part {
        Part::Text(text) => text.clone(),
        Part::Variable(name) => format!("{{{{{name}}}}}"),
    };
    parts.iter().map(part).collect()
}

/// A text in quotes.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted += "\\n",
            '\t' => quoted += "\\t",
            c if c.is_control() => quoted += &format!("\\u{:04X}", u32::from(c)),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

/// A text of several lines as it is, where it can be written so.
fn lines(text: &str) -> String {
    let plain = |c: char| !c.is_control() || c == '\n' || c == '\t';
    if text.contains('\n') && !text.contains("'''") && !text.ends_with('\'') && text.chars().all(plain) {
        return format!("'''\n{text}'''");
    }
    quoted(text)
}
