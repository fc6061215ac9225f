//! Debian packages become a tree: mmdebstrap makes an archive of it.
//!
//! As root it works in a plain chroot, otherwise in a user namespace of its own; no service starts in either. The
//! packages come from the recipe's sources, or from those that this machine's apt knows for the suite.

use std::path::Path;

use edeploy_format::exit::Exit;

use crate::failure::Fault;
use crate::recipe::value::{SourceLine, Suite};
use crate::recipe::{Ids, Recipe};
use crate::tool::{Call, Tool, ToolError};

/// Why there is no tree of packages.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The recipe names no suite.
    #[error("the recipe of {0} names no suite: only an imported tree can be built from it")]
    NoSuite(String),
    /// apt on this machine does not know the suite.
    #[error("apt on this machine has no source for {0}: name sources in the recipe")]
    NoSource(String),
    /// A source names a variable that is not set.
    #[error("sources: the variable {0} is not set")]
    Variable(String),
    /// A program failed.
    #[error(transparent)]
    Tool(#[from] ToolError),
}

impl Fault for InstallError {
    fn exit(&self) -> Exit {
        match self {
            Self::NoSuite(_) | Self::NoSource(_) | Self::Variable(_) => Exit::Input,
            Self::Tool(error) => error.exit(),
        }
    }
}

/// Installs the packages of a recipe into the archive `to`.
///
/// # Errors
/// [`InstallError`].
pub fn install(recipe: &Recipe, epoch: u64, to: &Path) -> Result<(), InstallError> {
    let suite = recipe.suite.as_ref().ok_or_else(|| InstallError::NoSuite(recipe.role.to_string()))?;
    let sources = match &recipe.sources[..] {
        [] => own_sources(suite)?,
        lines => lines.iter().map(expand).collect::<Result<_, _>>()?,
    };
    let mode = if rustix::process::geteuid().is_root() { "root" } else { "unshare" };
    let mut call = Call::new(Tool::Mmdebstrap)
        .env("SOURCE_DATE_EPOCH", epoch.to_string())
        .option("--mode", mode)
        .option("--variant", recipe.variant.name())
        .option("--architectures", recipe.architecture.as_str())
        .option("--format", "tar")
        // A build that is cut off is begun anew: no package needs to be synced on its own.
        .option("--dpkgopt", "force-unsafe-io");
    for hook in account_hooks(&recipe.ids) {
        call = call.option("--essential-hook", hook);
    }
    for option in proxies()? {
        call = call.option("--aptopt", option);
    }
    let packages = recipe.packages.iter().map(|package| format!("--include={package}"));
    call.args(packages).arg(suite.as_str()).arg(to).args(sources).run()?;
    Ok(())
}

/// The sources this machine's apt has for a suite, its updates and its security fixes.
fn own_sources(suite: &Suite) -> Result<Vec<String>, InstallError> {
    let format = "$(CREATED_BY) $(CODENAME) $(REPO_URI) $(COMPONENT)";
    let targets = Call::new(Tool::AptGet).args(["indextargets", "--format", format]).run()?;
    let sources = sources(suite, &String::from_utf8_lossy(&targets));
    if sources.is_empty() {
        return Err(InstallError::NoSource(suite.to_string()));
    }
    Ok(sources)
}

fn sources(suite: &Suite, targets: &str) -> Vec<String> {
    let suites = [suite.to_string(), format!("{suite}-updates"), format!("{suite}-security")];
    let line = |target: &str| {
        let mut fields = target.split(' ');
        let (Some("Packages"), Some(codename), Some(uri), Some(component), None) =
            (fields.next(), fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return None;
        };
        let place = suites.iter().position(|s| s == codename)?;
        Some((place, format!("deb {uri} {codename} {component}")))
    };
    let mut found: Vec<_> = targets.lines().filter_map(line).collect();
    found.sort();
    found.dedup();
    found.into_iter().map(|(_, line)| line).collect()
}

/// Replaces every `${NAME}` by the variable of that name.
fn expand(line: &SourceLine) -> Result<String, InstallError> {
    let mut parts = line.as_str().split("${");
    let mut expanded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').ok_or_else(|| InstallError::Variable(part.to_owned()))?;
        let value = std::env::var(name).map_err(|_| InstallError::Variable(name.to_owned()))?;
        expanded = expanded + &value + rest;
    }
    Ok(expanded)
}

/// The proxies that apt on this machine uses, as options of apt.
fn proxies() -> Result<Vec<String>, ToolError> {
    let dump = Call::new(Tool::AptConfig).args(["dump", "--format", "%f \"%v\";%n", "Acquire"]).run()?;
    Ok(proxy_options(&String::from_utf8_lossy(&dump)))
}

fn proxy_options(dump: &str) -> Vec<String> {
    let proxy =
        |line: &&str| line.split(' ').next().is_some_and(|key| key.to_lowercase().contains("::proxy"));
    dump.lines().filter(proxy).filter(|line| !line.ends_with(" \"\";")).map(str::to_owned).collect()
}

/// Commands that make the fixed users and groups before any package asks for one: packages then keep them.
///
/// The names and paths in them were checked when the recipe was parsed; none holds a quote.
fn account_hooks(ids: &Ids) -> Vec<String> {
    let add = |file: &str, name: &str, line: String| {
        format!("grep -q '^{name}:' \"$1/etc/{file}\" || printf '%s\\n' '{line}' >> \"$1/etc/{file}\"")
    };
    let groups = ids.groups.iter().map(|(name, gid)| add("group", name.as_str(), format!("{name}:x:{gid}:")));
    let users = ids.users.iter().map(|(name, user)| {
        let (home, shell) = (user.home.path(), user.shell.path());
        add("passwd", name.as_str(), format!("{name}:x:{}:{}::/{home}:/{shell}", user.uid, user.gid))
    });
    groups.chain(users).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_the_suite_its_updates_and_its_security_fixes() {
        let targets = "Packages bookworm-security http://a/debian-security/ main\n\
                       Translations bookworm http://a/debian/ main\n\
                       Packages bookworm http://a/debian/ main\n\
                       Packages bookworm http://a/debian/ main\n\
                       Packages bookworm-backports http://a/debian/ main\n\
                       Packages trixie http://a/debian/ main\n\
                       Packages bookworm-updates http://a/debian/ main\n\
                       Packages nodistro https://b/ main\n";
        let suite = Suite::try_from("bookworm".to_owned()).unwrap();
        let expected = [
            "deb http://a/debian/ bookworm main",
            "deb http://a/debian/ bookworm-updates main",
            "deb http://a/debian-security/ bookworm-security main",
        ];
        assert_eq!(sources(&suite, targets), expected);
    }

    #[test]
    fn the_proxies_of_this_machine_are_kept() {
        let dump = "Acquire \"\";\nAcquire::Retries \"3\";\nAcquire::http \"\";\nAcquire::http::Proxy \"http://p:1/\";\n\
                    Acquire::https::Proxy \"\";\nAcquire::http::proxy::deb.example.org \"DIRECT\";\n";
        let expected =
            ["Acquire::http::Proxy \"http://p:1/\";", "Acquire::http::proxy::deb.example.org \"DIRECT\";"];
        assert_eq!(proxy_options(dump), expected);
    }

    #[test]
    fn fixed_accounts_are_made_before_packages_ask_for_them() {
        let text = "groups = { _ssh = 106 }\nusers = { sshd = { uid = 105, home = '/run/sshd' } }";
        let expected = [
            "grep -q '^_ssh:' \"$1/etc/group\" || printf '%s\\n' '_ssh:x:106:' >> \"$1/etc/group\"",
            "grep -q '^sshd:' \"$1/etc/passwd\" || printf '%s\\n' \
             'sshd:x:105:65534::/run/sshd:/usr/sbin/nologin' >> \"$1/etc/passwd\"",
        ];
        assert_eq!(account_hooks(&toml::from_str(text).unwrap()), expected);
    }

    #[test]
    fn a_variable_that_is_not_set_is_named() {
        let expand = |text: &str| expand(&SourceLine::try_from(text.to_owned()).unwrap());
        assert_eq!(
            expand("deb http://a ${NO_SUCH_SUITE} main").unwrap_err().to_string(),
            "sources: the variable NO_SUCH_SUITE is not set"
        );
        let path = std::env::var("PATH").unwrap();
        assert_eq!(expand("deb http://a${PATH}/x b main").unwrap(), format!("deb http://a{path}/x b main"));
        assert!(expand("deb http://a${PATH b main").is_err());
    }
}
