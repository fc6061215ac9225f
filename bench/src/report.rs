//! The page and its plots, from what was measured.
//!
//! In `performance.md`, what stands between `<!-- bench:NAME -->` and the next `<!-- /bench -->` is written anew; all
//! else is left alone.

use std::fs;

use crate::bench::Bench;
use crate::error::{Result, file, unexpected};
use crate::results::Results;
use crate::{plot, tables};

const END: &str = "<!-- /bench -->";

/// A part of the page.
type Block = (&'static str, fn(&Results) -> String);

const BLOCKS: [Block; 13] = [
    ("machine", tables::machine),
    ("figures", tables::figures),
    ("delta", tables::deltas),
    ("any", |results| tables::pairs(results, "any")),
    ("apply", |results| tables::pairs(results, "apply")),
    ("upgrade", |results| tables::pairs(results, "upgrade")),
    ("verify", |results| tables::pairs(results, "verify")),
    ("install", |results| tables::pairs(results, "install")),
    ("build", |results| tables::trees(results, "build")),
    ("growth", tables::growth),
    ("load", tables::load),
    ("match", tables::matching),
    ("fleet", tables::fleet),
];

/// Writes tables and plots.
///
/// # Errors
/// When the page is not there or lacks a place for a table.
pub fn write(bench: &Bench) -> Result<()> {
    let (docs, results) = (&bench.cli.docs, &bench.results);
    let page = docs.join("performance.md");
    let mut text = fs::read_to_string(&page).map_err(file("reading", &page))?;
    for (name, block) in BLOCKS {
        text = filled(&text, name, &block(results))?;
    }
    fs::write(&page, text).map_err(file("writing", &page))?;
    let folder = docs.join("bench");
    fs::create_dir_all(&folder).map_err(file("making", &folder))?;
    for (name, plot) in plot::all(results) {
        let path = folder.join(name);
        fs::write(&path, plot).map_err(file("writing", &path))?;
    }
    Ok(())
}

/// A page with one of its blocks written anew.
fn filled(page: &str, name: &str, block: &str) -> Result<String> {
    let begin = format!("<!-- bench:{name} -->");
    let parts = page.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = parts.ok_or_else(|| unexpected("performance.md", format!("no {begin} … {END}")))?;
    Ok(format!("{before}{begin}\n\n{}\n\n{END}{after}", block.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_written_anew() {
        let page = "a\n<!-- bench:x -->\nold\n<!-- /bench -->\nb\n<!-- bench:y -->\n<!-- /bench -->\n";
        let new = filled(page, "x", "new").unwrap();
        assert_eq!(
            new,
            "a\n<!-- bench:x -->\n\nnew\n\n<!-- /bench -->\nb\n<!-- bench:y -->\n<!-- /bench -->\n"
        );
        assert_eq!(filled(&new, "x", "new").unwrap(), new);
        assert!(filled(page, "z", "").is_err());
    }
}
