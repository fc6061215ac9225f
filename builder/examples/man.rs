//! Writes the man pages: one for `rolebuild` and each of its commands, and edeploy-ab(8) from what it says itself.
//!
//! `man FOLDER EDEPLOY-AB`, where the second is the host binary. `just man` calls this. A command that
//! `edeploy-ab help` lists and that has no help of its own is an error.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

use clap::CommandFactory;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use rolebuild::cli::Cli;

/// Pages are the same whenever they are made. An empty argument would be dropped, and the next taken for it.
const NO_DATE: &str = "\"\"";
const RELEASE: &str = concat!("eDeploy ", env!("CARGO_PKG_VERSION"));

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(folder), Some(updater)) = (arguments.next(), arguments.next()) else {
        return Err("usage: man FOLDER EDEPLOY-AB".into());
    };
    let folder = Path::new(&folder);
    let mut rolebuild = Cli::command().disable_help_subcommand(true);
    rolebuild.build();
    pages(&rolebuild, folder)?;
    fs::write(folder.join("edeploy-ab.8"), edeploy_ab(Path::new(&updater))?)?;
    Ok(())
}

/// The page of a command, and those of the commands below it.
fn pages(command: &clap::Command, folder: &Path) -> Result<(), Box<dyn Error>> {
    command.get_subcommands().try_for_each(|below| pages(below, folder))?;
    Man::new(command.clone()).date(NO_DATE).source(RELEASE).generate_to(folder)?;
    Ok(())
}

/// The page of the host binary.
fn edeploy_ab(updater: &Path) -> Result<String, Box<dyn Error>> {
    let general = help(updater, &[])?;
    let mut paragraphs = general.split("\n\n").map(str::trim_end);
    let (about, usage) = (paragraphs.next().unwrap_or_default(), paragraphs.next().unwrap_or_default());
    let mut page = Roff::new();
    page.control("TH", ["edeploy-ab", "8", NO_DATE, RELEASE]);
    section(&mut page, "NAME");
    page.text([roman("edeploy-ab - keeps the root file system of a server in two slots")]);
    section(&mut page, "SYNOPSIS");
    page.text([bold(usage.trim_start_matches("Usage: "))]);
    section(&mut page, "DESCRIPTION");
    paragraph(&mut page, about);
    let titled =
        |part| str::split_once(part, ":\n").ok_or_else(|| format!("a part of the help has no title: {part}"));
    let parts: Vec<(&str, &str)> = paragraphs.map(titled).collect::<Result<_, _>>()?;
    let titles: Vec<&str> = parts.iter().map(|(title, _)| *title).collect();
    let limits = "Limits of list, test-upgrade, upgrade and install";
    if titles != ["Looking", "Doing", "Options of every command", limits, "Exit codes"] {
        return Err(format!("the parts of the help are {titles:?}").into());
    }
    let (commands, tables) = parts.split_at(2);
    section(&mut page, "COMMANDS");
    for (names, _) in commands.iter().flat_map(|(_, lines)| rows(lines)) {
        let name = names.split([' ', ',']).next().unwrap_or_default();
        command(&mut page, &names, &help(updater, &[name])?)?;
    }
    for (title, lines) in tables {
        section(&mut page, &title.to_uppercase());
        let rows = if *title == "Exit codes" { codes(lines) } else { rows(lines) };
        rows.iter().for_each(|(term, text)| row(&mut page, term, text));
    }
    Ok(page.render())
}

/// The exit codes, side by side on a terminal: a number and a meaning, which may go on in the next line.
fn codes(lines: &str) -> Vec<(String, String)> {
    let mut codes: Vec<(String, String)> = Vec::new();
    for part in lines.lines().flat_map(|line| line.trim().split("   ")) {
        match (part.split_once(' '), codes.last_mut()) {
            (Some((number, meaning)), _) if number.parse::<u8>().is_ok() => {
                codes.push((number.to_owned(), meaning.to_owned()));
            }
            (_, Some((_, meaning))) => *meaning = format!("{meaning} {part}"),
            (_, None) => {}
        }
    }
    codes
}

/// What the program says to `help`.
fn help(updater: &Path, command: &[&str]) -> Result<String, Box<dyn Error>> {
    let output = Command::new(updater).arg("help").args(command).output()?;
    let said = String::from_utf8(output.stdout)?;
    if !output.status.success() || !said.contains("Usage: edeploy-ab ") {
        return Err(
            format!("`edeploy-ab help {}` does not help: {}", command.join(" "), output.status).into()
        );
    }
    Ok(said)
}

/// The part of one command: how it is typed, then paragraphs and lists of options.
fn command(page: &mut Roff, names: &str, help: &str) -> Result<(), Box<dyn Error>> {
    let (usage, text) = help.split_once("\n\n").ok_or_else(|| format!("`help {names}` says too little"))?;
    page.control("SS", [names]);
    page.control("nf", []);
    for line in usage.lines() {
        let typed = line.strip_prefix("Usage: ").or_else(|| line.strip_prefix("       "));
        page.text([bold(typed.unwrap_or(line))]);
    }
    page.control("fi", []);
    for part in text.split("\n\n") {
        if part.starts_with('-') {
            rows(part).iter().for_each(|(term, text)| row(page, term, text));
        } else {
            paragraph(page, part);
        }
    }
    Ok(())
}

fn section(page: &mut Roff, title: &str) {
    page.control("SH", [title]);
}

fn paragraph(page: &mut Roff, text: &str) {
    page.control("PP", []);
    text.lines().for_each(|line| {
        page.text([roman(line)]);
    });
}

fn row(page: &mut Roff, term: &str, text: &str) {
    page.control("TP", []);
    page.text([bold(term)]);
    page.text([roman(text)]);
}

/// The rows of a table: a term, two spaces or more, what it is about; a line that begins further in goes on with that.
fn rows(lines: &str) -> Vec<(String, String)> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let least = lines.lines().map(indent).min().unwrap_or(0);
    let mut rows: Vec<(String, String)> = Vec::new();
    for line in lines.lines() {
        let (term, text) = line.trim().split_once("  ").unwrap_or((line.trim(), ""));
        match rows.last_mut() {
            Some((_, before)) if indent(line) > least => *before = format!("{before} {}", line.trim()),
            Some(_) | None => rows.push((term.to_owned(), text.trim().to_owned())),
        }
    }
    rows
}
