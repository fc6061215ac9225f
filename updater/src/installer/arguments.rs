//! The kernel's arguments that are ours, as data: nothing of them ever comes near a shell.
//!
//! Those of the initrd come first, and what the boot script says counts before them. Arguments of others are passed
//! over; a value of ours that is none is an error, told with its name.

use std::time::Duration;

use edeploy_format::fleet::{OnFailure, OnSuccess};

use super::link::{BadLink, Links};
use crate::detect::system::words;

/// Where the service publishes, if nothing says otherwise, below its own address.
const REPO: &str = "repo";

/// All that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// `edeploy.server=`: the address of the service.
    pub server: Option<String>,
    /// `edeploy.token=`: what the service knows this machine by.
    pub token: Option<String>,
    /// `edeploy.repo=`, once or more: where trust is brought up to date before the plan is believed.
    pub repos: Vec<String>,
    /// `edeploy.on-success=`: counts before the plan's.
    pub on_success: Option<OnSuccess>,
    /// `edeploy.on-failure=`: counts before the plan's.
    pub on_failure: Option<OnFailure>,
    /// `edeploy.verbose`: notes that only help to find out why something fails.
    pub verbose: bool,
    /// `edeploy.upload-log=no`: keep the log to the console.
    pub keep_log: bool,
    /// `edeploy.lldp=`: for so long it listens to what switches say, every 30 seconds, before it reports.
    pub lldp: Duration,
    /// `IP=`, and the gateway and name servers of static addresses.
    pub links: Links,
}

/// A value of ours that is none.
#[derive(Debug, thiserror::Error)]
pub enum BadArgument {
    /// Not one of those there are.
    #[error("the kernel argument {name}={value:?}: it is one of {known}")]
    Value {
        /// The argument.
        name: String,
        /// What it says.
        value: String,
        /// What it may say.
        known: &'static str,
    },
    /// `IP=` or what belongs to it.
    #[error("the kernel argument {name}={value:?}")]
    Link {
        /// The argument.
        name: String,
        /// What it says.
        value: String,
        /// What is wrong with it.
        #[source]
        source: BadLink,
    },
    /// There is no address to ask.
    #[error("no kernel argument edeploy.server= says whom to ask")]
    NoServer,
}

impl Arguments {
    /// Those in `texts`, each a kernel's command line; a later one counts before an earlier one.
    ///
    /// # Errors
    /// [`BadArgument`].
    pub fn parse(texts: &[&str]) -> Result<Self, BadArgument> {
        match Self::read(texts) {
            (arguments, None) => Ok(arguments),
            (_, Some(bad)) => Err(bad),
        }
    }

    /// The same with all that is right, and what is wrong first: whom to tell of that, and what to do then, is said by
    /// arguments too.
    #[must_use]
    pub fn read(texts: &[&str]) -> (Self, Option<BadArgument>) {
        let (mut arguments, mut bad) = (Self::default(), None);
        for text in texts {
            let (mut repos, before) = (Vec::new(), std::mem::take(&mut arguments.links.dns));
            for word in words(text) {
                let (name, value) = word.split_once('=').unwrap_or((&word, ""));
                let taken = arguments.take(name, value, &mut repos);
                bad = bad.or(taken.err());
            }
            if !repos.is_empty() {
                arguments.repos = repos;
            }
            if arguments.links.dns.is_empty() {
                arguments.links.dns = before;
            }
        }
        (arguments, bad)
    }

    fn take(&mut self, name: &str, value: &str, repos: &mut Vec<String>) -> Result<(), BadArgument> {
        let link = |source| BadArgument::Link { name: name.to_owned(), value: value.to_owned(), source };
        match name {
            "edeploy.server" => self.server = Some(value.trim_end_matches('/').to_owned()),
            "edeploy.token" => self.token = Some(value.to_owned()).filter(|token| !token.is_empty()),
            "edeploy.repo" => repos.push(value.to_owned()),
            "edeploy.on-success" => {
                self.on_success = Some(one_of(name, value, "reboot, kexec, halt and console")?);
            }
            "edeploy.on-failure" => self.on_failure = Some(one_of(name, value, "console, halt and reboot")?),
            "edeploy.verbose" => self.verbose = yes(name, value)?,
            "edeploy.upload-log" => self.keep_log = !yes(name, value)?,
            "edeploy.lldp" => self.lldp = seconds(name, value)?,
            "edeploy.gateway" => self.links.gateway(value).map_err(link)?,
            "edeploy.dns" => self.links.name_server(value).map_err(link)?,
            "IP" => self.links.rules(value).map_err(link)?,
            _ => {}
        }
        Ok(())
    }

    /// The address of the service.
    ///
    /// # Errors
    /// [`BadArgument::NoServer`].
    pub fn server(&self) -> Result<&str, BadArgument> {
        self.server.as_deref().filter(|server| !server.is_empty()).ok_or(BadArgument::NoServer)
    }

    /// Where trust is brought up to date: as it was said, else beside the service.
    ///
    /// # Errors
    /// [`BadArgument::NoServer`].
    pub fn repos(&self) -> Result<Vec<String>, BadArgument> {
        if self.repos.is_empty() {
            return Ok(vec![format!("{}/{REPO}", self.server()?)]);
        }
        Ok(self.repos.clone())
    }
}

/// One of the words that the plan knows too.
fn one_of<T: serde::de::DeserializeOwned>(
    name: &str,
    value: &str,
    known: &'static str,
) -> Result<T, BadArgument> {
    let parsed = serde_json::from_value(serde_json::Value::String(value.to_owned()));
    parsed.map_err(|_| BadArgument::Value { name: name.to_owned(), value: value.to_owned(), known })
}

fn yes(name: &str, value: &str) -> Result<bool, BadArgument> {
    match value {
        "" | "1" | "yes" => Ok(true),
        "0" | "no" => Ok(false),
        other => {
            let (name, value) = (name.to_owned(), other.to_owned());
            Err(BadArgument::Value { name, value, known: "1, yes, 0 and no" })
        }
    }
}

/// No switch is listened to for longer.
const LONGEST: u64 = 600;

fn seconds(name: &str, value: &str) -> Result<Duration, BadArgument> {
    let seconds = value.parse().ok().filter(|seconds| *seconds <= LONGEST).map(Duration::from_secs);
    let (name, value) = (name.to_owned(), value.to_owned());
    seconds.ok_or(BadArgument::Value { name, value, known: "the seconds from 0 to 600" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Arguments, String> {
        Arguments::parse(&[text]).map_err(|e| crate::failure::chain(&e))
    }

    #[test]
    fn ours_are_found_among_those_of_others() {
        let text = "BOOT_IMAGE=vmlinuz console=ttyS0 edeploy.server=http://10.0.0.1:8080/ edeploy.token=ab=c \
                    edeploy.on-success=kexec edeploy.on-failure=halt edeploy.verbose edeploy.upload-log=0 edeploy.lldp=35 quiet\n";
        let arguments = parsed(text).unwrap();
        assert_eq!(arguments.server().unwrap(), "http://10.0.0.1:8080");
        assert_eq!(arguments.repos().unwrap(), ["http://10.0.0.1:8080/repo"]);
        assert_eq!(arguments.token.as_deref(), Some("ab=c"));
        assert_eq!(
            (arguments.on_success, arguments.on_failure),
            (Some(OnSuccess::Kexec), Some(OnFailure::Halt))
        );
        assert_eq!((arguments.verbose, arguments.keep_log, arguments.lldp.as_secs()), (true, true, 35));
    }

    #[test]
    fn beside_one_that_is_wrong_the_others_say_whom_to_tell_and_what_to_do() {
        let text = "IP=x edeploy.lldp=y edeploy.server=http://a edeploy.token=t edeploy.on-failure=reboot";
        let (arguments, bad) = Arguments::read(&[text]);
        assert!(bad.unwrap().to_string().starts_with("the kernel argument IP="));
        assert_eq!((arguments.server().unwrap(), arguments.token.as_deref()), ("http://a", Some("t")));
        assert_eq!((arguments.on_failure, arguments.links), (Some(OnFailure::Reboot), Links::default()));
    }

    #[test]
    fn what_the_boot_script_says_counts_before_the_initrd() {
        let initrd =
            "edeploy.server=http://a edeploy.repo=http://a/1 edeploy.repo=http://a/2 edeploy.verbose";
        let arguments = Arguments::parse(&[initrd, "edeploy.repo=http://b edeploy.verbose=no"]).unwrap();
        assert_eq!(arguments.server().unwrap(), "http://a");
        assert_eq!(arguments.repos().unwrap(), ["http://b"]);
        assert!(!arguments.verbose);
        let alone = Arguments::parse(&[initrd, "quiet"]).unwrap();
        assert_eq!(alone.repos().unwrap(), ["http://a/1", "http://a/2"]);
        let servers = |boot: &str| Arguments::parse(&["edeploy.dns=10.0.0.1", boot]).unwrap().links.dns.len();
        assert_eq!(
            ["quiet", "edeploy.dns=10.0.0.2", "edeploy.dns=10.0.0.2 edeploy.dns=10.0.0.3"].map(servers),
            [1, 1, 2]
        );
        // None is none: it is asked for.
        assert_eq!(parsed("edeploy.token=").unwrap().token, None);
    }

    #[test]
    fn values_are_data_whatever_they_say() {
        let text = "edeploy.token=\"$(reboot) `id`; x\" edeploy.server=\"http://a/$HOME\"";
        let arguments = parsed(text).unwrap();
        assert_eq!(arguments.token.as_deref(), Some("$(reboot) `id`; x"));
        assert_eq!(arguments.server.as_deref(), Some("http://a/$HOME"));
    }

    #[test]
    fn a_value_that_is_none_is_named() {
        let wrong = |text| parsed(text).unwrap_err();
        assert_eq!(
            wrong("edeploy.on-success=dance"),
            "the kernel argument edeploy.on-success=\"dance\": it is one of reboot, kexec, halt and console"
        );
        assert_eq!(
            wrong("edeploy.lldp=601"),
            "the kernel argument edeploy.lldp=\"601\": it is one of the seconds from 0 to 600"
        );
        assert_eq!(
            wrong("edeploy.verbose=maybe"),
            "the kernel argument edeploy.verbose=\"maybe\": it is one of 1, yes, 0 and no"
        );
        assert_eq!(
            wrong("IP=eth0:10.0.0.1"),
            "the kernel argument IP=\"eth0:10.0.0.1\": \"10.0.0.1\" is neither dhcp, none nor an address with /length"
        );
        let nobody = parsed("quiet").unwrap().server().unwrap_err().to_string();
        assert_eq!(nobody, "no kernel argument edeploy.server= says whom to ask");
    }
}
