//! The package database of dpkg: what is installed.

/// An installed package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub name: String,
    pub version: String,
    pub architecture: String,
    /// Name and version of the source package.
    pub source: String,
    /// The maintainer's name, without address.
    pub maintainer: Option<String>,
}

/// The installed packages of a status file, sorted by name and architecture.
pub(crate) fn installed(status: &str) -> Vec<Package> {
    let mut packages: Vec<_> = status.split("\n\n").filter_map(package).collect();
    packages.sort_by(|a, b| (&a.name, &a.architecture).cmp(&(&b.name, &b.architecture)));
    packages
}

fn package(paragraph: &str) -> Option<Package> {
    let field = |name: &str| {
        let mut lines = paragraph.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(value.trim().to_owned())
    };
    if field("Status")? != "install ok installed" {
        return None;
    }
    let (name, version) = (field("Package")?, field("Version")?);
    // `Source: glibc (2.36-9)` names a version only where it differs from the package's.
    let source = match field("Source") {
        None => format!("{name} {version}"),
        Some(source) => match source.split_once(" (") {
            Some((source, other)) => format!("{source} {}", other.trim_end_matches(')')),
            None => format!("{source} {version}"),
        },
    };
    let maintainer = field("Maintainer").map(|m| m.split(" <").next().unwrap_or_default().to_owned());
    Some(Package { architecture: field("Architecture")?, name, version, source, maintainer })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installed_packages_are_read_with_their_source() {
        let status = "Package: zlib1g\nStatus: install ok installed\nArchitecture: amd64\nSource: zlib (1:1.2)\n\
                      Version: 1:1.2+b1\nMaintainer: Mark Brown <broonie@debian.org>\nDescription: x\n  more: y\n\n\
                      Package: gone\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 1\n\n\
                      Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.2\n";
        let package = |name: &str, version: &str, source: &str, maintainer: Option<&str>| Package {
            name: name.to_owned(),
            version: version.to_owned(),
            architecture: "amd64".to_owned(),
            source: source.to_owned(),
            maintainer: maintainer.map(str::to_owned),
        };
        let expected = [
            package("bash", "5.2", "bash 5.2", None),
            package("zlib1g", "1:1.2+b1", "zlib 1:1.2", Some("Mark Brown")),
        ];
        assert_eq!(installed(status), expected);
    }
}
