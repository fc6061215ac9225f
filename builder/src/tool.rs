//! The programs of Debian that rolebuild runs, as one enum, and the only way to run them.
//!
//! Every error holds the command line and the last lines the program wrote.

use std::ffi::{OsStr, OsString};
use std::io;
use std::process::{Command, ExitStatus, Stdio};

use edeploy_format::exit::Exit;

use crate::failure::Fault;

/// How many of a failed program's last lines are shown.
const TAIL: usize = 20;

/// A program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// Tells the sources of this machine.
    AptGet,
    /// Tells the settings of apt on this machine.
    AptConfig,
    /// Makes a Debian tree.
    Mmdebstrap,
    /// Packs and unpacks archives.
    Tar,
    /// Copies a tree with all attributes.
    Cp,
    /// Runs a program in namespaces of its own.
    Unshare,
    /// Signs what a boot firmware verifies.
    Openssl,
}

impl Tool {
    /// The name of the program.
    #[must_use]
    pub fn program(self) -> &'static str {
        match self {
            Self::AptGet => "apt-get",
            Self::AptConfig => "apt-config",
            Self::Mmdebstrap => "mmdebstrap",
            Self::Tar => "tar",
            Self::Cp => "cp",
            Self::Unshare => "unshare",
            Self::Openssl => "openssl",
        }
    }

    /// The package that has it.
    fn package(self) -> &'static str {
        match self {
            Self::AptGet | Self::AptConfig => "apt",
            Self::Mmdebstrap => "mmdebstrap",
            Self::Tar => "tar",
            Self::Cp => "coreutils",
            Self::Unshare => "util-linux",
            Self::Openssl => "openssl",
        }
    }
}

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It is not installed.
    #[error("{program} is not installed: apt-get install {package}")]
    Missing {
        /// The program.
        program: &'static str,
        /// The package that has it.
        package: &'static str,
    },
    /// It could not be started.
    #[error("starting `{line}`")]
    Start {
        /// The command line.
        line: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It failed.
    #[error("`{line}` ended with {status}:\n{tail}")]
    Failed {
        /// The command line.
        line: String,
        /// How it ended.
        status: ExitStatus,
        /// The last lines it wrote.
        tail: String,
    },
}

impl Fault for ToolError {
    fn exit(&self) -> Exit {
        match self {
            Self::Missing { .. } => Exit::Unsuitable,
            Self::Start { .. } | Self::Failed { .. } => Exit::Failed,
        }
    }
}

/// A command line in the making. Its environment is that of this program.
#[derive(Debug)]
pub struct Call {
    tool: Tool,
    command: Command,
}

impl Call {
    /// A call of `tool` without arguments.
    #[must_use]
    pub fn new(tool: Tool) -> Self {
        let mut command = Command::new(tool.program());
        command.stdin(Stdio::null()).env("LC_ALL", "C.UTF-8");
        Self { tool, command }
    }

    /// Appends an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Appends arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item: AsRef<OsStr>>) -> Self {
        self.command.args(args);
        self
    }

    /// Appends an option and its value as one argument: `--name=value`.
    #[must_use]
    pub fn option(self, name: &str, value: impl AsRef<OsStr>) -> Self {
        let mut arg = OsString::from(name);
        arg.push("=");
        arg.push(value);
        self.arg(arg)
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Starts it with no environment but what is set after this.
    #[must_use]
    pub fn without_environment(mut self) -> Self {
        self.command.env_clear();
        self
    }

    /// Runs it to its end and gives what it wrote to standard output.
    ///
    /// # Errors
    /// [`ToolError`] unless it ended with 0.
    pub fn run(mut self) -> Result<Vec<u8>, ToolError> {
        let output = self.command.output().map_err(|e| self.not_started(e))?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<&str> = said.lines().collect();
        let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n");
        Err(ToolError::Failed { line: self.line(), status: output.status, tail })
    }

    /// Runs it with this program's own output streams and gives how it ended.
    ///
    /// # Errors
    /// [`ToolError::Missing`] or [`ToolError::Start`].
    pub fn status(mut self) -> Result<ExitStatus, ToolError> {
        self.command.status().map_err(|e| self.not_started(e))
    }

    fn not_started(&self, source: io::Error) -> ToolError {
        if source.kind() == io::ErrorKind::NotFound {
            return ToolError::Missing { program: self.tool.program(), package: self.tool.package() };
        }
        ToolError::Start { line: self.line(), source }
    }

    /// The command line as it would be typed.
    fn line(&self) -> String {
        let quoted = |part: &OsStr| {
            let text = part.to_string_lossy();
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_=/.,:+@%".contains(c);
            if !text.is_empty() && text.chars().all(plain) {
                return text.into_owned();
            }
            format!("'{}'", text.replace('\'', r"'\''"))
        };
        let parts = [self.command.get_program()].into_iter().chain(self.command.get_args());
        parts.map(quoted).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_program_shows_its_command_line_and_last_words() {
        let error = Call::new(Tool::Cp).args(["/nonexistent/it's", "there"]).run().unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with(r"`cp '/nonexistent/it'\''s' there` ended with exit status: 1:"), "{text}");
        assert!(text.contains("No such file or directory"), "{text}");
    }
}
