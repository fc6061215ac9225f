//! How long health may take: a small file a role lays into its tree.
//!
//! Lines `key value`, in any order, each at most once; `#` begins a comment line. What is left out has
//! its default. The file is read at boot, so what is wrong in it is reported and the default taken:
//! `rolebuild` is where a mistake must be found.

/// Where a role lays it.
pub const PATH: &str = "usr/lib/edeploy/limits";

/// The limits of a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Seconds one health check may take: `check-seconds`, 60 by default.
    pub check: u32,
    /// Seconds from the start of userspace within which a trial must have reached
    /// `boot-complete.target`: `trial-seconds`, 900 by default. Size it well above a slow boot.
    pub trial: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { check: 60, trial: 900 }
    }
}

/// A line that is no limit.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "limits line {line}: {text:?} is not `check-seconds` or `trial-seconds` with a number from 1 to 86400, once"
)]
pub struct BadLimit {
    /// Counted from 1.
    pub line: usize,
    /// What stands there.
    pub text: String,
}

impl std::str::FromStr for Limits {
    type Err = BadLimit;

    fn from_str(text: &str) -> Result<Self, BadLimit> {
        let (mut check, mut trial) = (None, None);
        for (at, line) in text.lines().enumerate() {
            let bad = || BadLimit { line: at + 1, text: line.chars().take(80).collect() };
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let (key, value) = line.split_once(' ').ok_or_else(bad)?;
            let seconds: u32 = value.trim().parse().map_err(|_| bad())?;
            let place = match key {
                "check-seconds" => &mut check,
                "trial-seconds" => &mut trial,
                _ => return Err(bad()),
            };
            if !(1..=86400).contains(&seconds) || place.replace(seconds).is_some() {
                return Err(bad());
            }
        }
        let default = Self::default();
        Ok(Self { check: check.unwrap_or(default.check), trial: trial.unwrap_or(default.trial) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_has_its_default() {
        assert_eq!("".parse(), Ok(Limits { check: 60, trial: 900 }));
        assert_eq!("# fast\n\ncheck-seconds 5\n".parse(), Ok(Limits { check: 5, trial: 900 }));
        assert_eq!("trial-seconds 90\ncheck-seconds 5".parse(), Ok(Limits { check: 5, trial: 90 }));
    }

    #[test]
    fn a_line_that_is_no_limit_is_named() {
        for bad in [
            "check-seconds",
            "check-seconds 0",
            "check-seconds -1",
            "check-seconds 90000",
            "check 5",
            "trial-seconds 5s",
            "check-seconds 5\ncheck-seconds 6",
        ] {
            let line = bad.lines().count();
            assert_eq!(bad.parse::<Limits>().map_err(|e| e.line), Err(line), "{bad}");
        }
    }
}
