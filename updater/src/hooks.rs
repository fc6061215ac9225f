//! Runs the hooks of a transition: `check`, `pre`, `post`.
//!
//! A hook is text from the signed transition, never a file of either tree: it is executed from memory.
//! Its environment is exactly what [`Context`] says, plus PATH, HOME and LANG. Exit code 0 is success;
//! 100 from `post` requests a reboot; everything else, 100 from another hook included, is a failure.
//! What it mounts, and what it leaves running, ends with it.
//! Hooks may run again after a crash and must stand it.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use edeploy_format::name::{Role, Version};
use edeploy_format::slot::Slot;
use edeploy_format::transition::{Hook, Rule};

use crate::failure::chain;
use crate::program::{self, End, Ending, last_words};

/// How long a hook may take when its rule does not say.
const DEFAULT_SECONDS: u32 = 600;

/// What a hook is told, each in a variable of this name.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// `EDEPLOY_ROLE`: the role of the machine.
    pub role: &'a Role,
    /// `EDEPLOY_PROFILE`: what the machine was installed as; may be empty.
    pub profile: &'a str,
    /// `EDEPLOY_FROM`: the version that runs.
    pub from: &'a Version,
    /// `EDEPLOY_TO`: the version that is coming.
    pub to: &'a Version,
    /// `EDEPLOY_SLOT`: the slot it comes to, `a` or `b`.
    pub slot: Slot,
    /// `EDEPLOY_ROOT`: where the new root is mounted; `/` for `check`, when there is none yet.
    pub root: &'a Path,
    /// `EDEPLOY_TRIAL`: 1 when the running version is itself still on trial, else 0.
    pub trial: bool,
}

/// A hook that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// What it wants.
    pub wish: Wish,
    /// How it ended, and the last it said.
    pub ending: Ending,
}

/// What a hook that succeeded wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Nothing more.
    Nothing,
    /// A reboot: exit code 100 of `post`.
    Reboot,
}

/// Why a hook failed.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// It has no `#!` line, so the kernel would not know what to do with it.
    #[error("hook `{}` does not begin with #!", .0.name())]
    NotAProgram(Hook),
    /// It could not be started, as its interpreter may be missing, or what it left behind does not end.
    #[error("running hook `{}`, which begins {line:?}", .hook.name())]
    Start {
        /// Which.
        hook: Hook,
        /// Its first line.
        line: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It ended with something else than success.
    #[error("hook `{}` failed: {end}{}", .hook.name(), last(.output))]
    Failed {
        /// Which.
        hook: Hook,
        /// How it ended.
        end: End,
        /// The end of what it printed.
        output: String,
    },
    /// It asked for a reboot and may not.
    #[error("hook `{}` asked for a reboot with exit code 100: only `post` may", .hook.name())]
    NoReboot {
        /// Which.
        hook: Hook,
        /// The end of what it printed.
        output: String,
    },
}

impl HookError {
    /// How the hook ended, and the end of what it printed.
    #[must_use]
    pub fn ending(&self) -> (String, &str) {
        match self {
            Self::NotAProgram(_) | Self::Start { .. } => (chain(self), ""),
            Self::Failed { end, output, .. } => (end.to_string(), output),
            Self::NoReboot { output, .. } => (End::Code(100).to_string(), output),
        }
    }
}

fn last(output: &str) -> String {
    last_words(output).map(|line| format!(" ({line})")).unwrap_or_default()
}

/// Runs `hook` of `rule`, if it has one; its lines are shown as `  <hook>: <line>`.
///
/// # Errors
/// [`HookError`]: the upgrade must stop.
pub fn run(
    rule: &Rule,
    hook: Hook,
    context: &Context<'_>,
    show: &mut dyn FnMut(&str),
) -> Result<Option<Ran>, HookError> {
    let Some(text) = rule.hook(hook) else { return Ok(None) };
    if !text.starts_with("#!") {
        return Err(HookError::NotAProgram(hook));
    }
    let seconds = if rule.hook_seconds == 0 { DEFAULT_SECONDS } else { rule.hook_seconds };
    let start = |source| HookError::Start { hook, line: first_line(text), source };
    let file = in_memory(hook, text).map_err(start)?;
    let mut command = Command::new(format!("/proc/self/fd/{}", file.as_raw_fd()));
    environment(&mut command, hook, context);
    program::tether::mounts_apart(&mut command);
    let mut prefixed = |line: &str| show(&format!("  {}: {line}", hook.name()));
    let ending = program::run(command, Duration::from_secs(seconds.into()), &mut prefixed).map_err(start)?;
    match (ending.end, hook) {
        (End::Code(0), _) => Ok(Some(Ran { wish: Wish::Nothing, ending })),
        (End::Code(100), Hook::Post) => Ok(Some(Ran { wish: Wish::Reboot, ending })),
        (End::Code(100), Hook::Check | Hook::Pre) => Err(HookError::NoReboot { hook, output: ending.output }),
        (end, _) => Err(HookError::Failed { hook, end, output: ending.output }),
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(80).collect()
}

/// A file without a name, so that neither a read-only root nor a /run mounted noexec is in the way.
fn in_memory(hook: Hook, text: &str) -> io::Result<File> {
    // Not close-on-exec: the interpreter opens the script by the same /proc path.
    let fd = rustix::fs::memfd_create(hook.name(), rustix::fs::MemfdFlags::empty())?;
    let mut file = File::from(fd);
    file.write_all(text.as_bytes())?;
    rustix::fs::fchmod(&file, rustix::fs::Mode::RWXU)?;
    Ok(file)
}

fn environment(command: &mut Command, hook: Hook, context: &Context<'_>) {
    command
        .current_dir("/")
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/root")
        .env("LANG", "C.UTF-8")
        .env("EDEPLOY_HOOK", hook.name())
        .env("EDEPLOY_ROLE", context.role.as_str())
        .env("EDEPLOY_PROFILE", context.profile)
        .env("EDEPLOY_FROM", context.from.as_str())
        .env("EDEPLOY_TO", context.to.as_str())
        .env("EDEPLOY_SLOT", context.slot.to_string())
        .env("EDEPLOY_ROOT", context.root)
        .env("EDEPLOY_TRIAL", if context.trial { "1" } else { "0" });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_text(hook: Hook, text: &str, seconds: u32) -> (Result<Wish, HookError>, Vec<String>) {
        let any = r#"{"from":"any","role":"any","to":"any","exclude":"","add_only":""}"#;
        let mut rule: Rule = serde_json::from_str(any).unwrap();
        rule.hook_seconds = seconds;
        *match hook {
            Hook::Check => &mut rule.check,
            Hook::Pre => &mut rule.pre,
            Hook::Post => &mut rule.post,
        } = Some(text.to_owned()).filter(|text| !text.is_empty());
        let (role, from, to) = ("web".parse().unwrap(), "1".parse().unwrap(), "2".parse().unwrap());
        let context = Context {
            role: &role,
            profile: "rack 4",
            from: &from,
            to: &to,
            slot: Slot::B,
            root: Path::new("/mnt/new"),
            trial: false,
        };
        let mut shown = Vec::new();
        let result = run(&rule, hook, &context, &mut |line| shown.push(line.to_owned()));
        (result.map(|ran| ran.map_or(Wish::Nothing, |ran| ran.wish)), shown)
    }

    #[test]
    fn a_hook_sees_its_environment_and_nothing_else() {
        let (result, shown) = run_text(Hook::Pre, "#!/bin/sh\n/usr/bin/env | sort\n", 0);
        assert_eq!(result.unwrap(), Wish::Nothing);
        let expected = [
            "EDEPLOY_FROM=1",
            "EDEPLOY_HOOK=pre",
            "EDEPLOY_PROFILE=rack 4",
            "EDEPLOY_ROLE=web",
            "EDEPLOY_ROOT=/mnt/new",
            "EDEPLOY_SLOT=b",
            "EDEPLOY_TO=2",
            "EDEPLOY_TRIAL=0",
            "HOME=/root",
            "LANG=C.UTF-8",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "PWD=/",
        ];
        let shown: Vec<_> = shown.iter().filter_map(|l| l.strip_prefix("  pre: ")).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn exit_code_100_is_a_wish_of_post_and_an_error_of_the_others() {
        assert_eq!(run_text(Hook::Post, "#!/bin/sh\nexit 100\n", 0).0.unwrap(), Wish::Reboot);
        for hook in [Hook::Check, Hook::Pre] {
            assert!(
                matches!(run_text(hook, "#!/bin/sh\nexit 100\n", 0).0, Err(HookError::NoReboot { hook: h, .. }) if h == hook)
            );
        }
    }

    #[test]
    fn a_failing_hook_is_named_with_its_code_and_last_words() {
        let error = run_text(Hook::Pre, "#!/bin/sh\necho no disk left; exit 3\n", 0).0.unwrap_err();
        assert_eq!(error.to_string(), "hook `pre` failed: exit code 3 (no disk left)");
    }

    #[test]
    fn a_hook_that_hangs_is_ended() {
        let error = run_text(Hook::Post, "#!/bin/sh\nsleep 600\n", 1).0.unwrap_err();
        assert_eq!(error.to_string(), "hook `post` failed: no end within its time limit");
    }

    #[test]
    fn what_cannot_be_run_is_named() {
        let error = run_text(Hook::Check, "echo hello\n", 0).0.unwrap_err();
        assert_eq!(error.to_string(), "hook `check` does not begin with #!");
        let error = run_text(Hook::Pre, "#!/usr/bin/pithon\n", 0).0.unwrap_err();
        assert_eq!(error.to_string(), "running hook `pre`, which begins \"#!/usr/bin/pithon\"");
    }

    #[test]
    fn a_rule_without_the_hook_wishes_nothing() {
        assert_eq!(run_text(Hook::Pre, "", 0).0.unwrap(), Wish::Nothing);
    }
}
