//! The software bill of materials of a version: SPDX 2.3, as JSON.
//!
//! One package per Debian package with version, source, supplier and declared licences, all contained in the role.
//! The same tree gives the same document: its time is the build's, its name space a digest of what it lists.

mod dpkg;
mod licence;

use std::collections::BTreeSet;

use edeploy_format::digest::Digest;
use edeploy_format::tuf::Time;
use serde_json::{Value, json};

use crate::recipe::Recipe;
use crate::tree::{Tree, TreeError};
use dpkg::Package;
pub(crate) use dpkg::installed;
use licence::Expression;

const STATUS: &str = "var/lib/dpkg/status";
const DOC: &str = "usr/share/doc";
const UNKNOWN: &str = "NOASSERTION";

/// The document for a tree, before it is finished: documentation and package database are where Debian puts them.
///
/// # Errors
/// [`TreeError`].
pub fn document(tree: &Tree, recipe: &Recipe, epoch: u64) -> Result<Vec<u8>, TreeError> {
    let status = tree.read(STATUS)?.unwrap_or_default();
    let installed = dpkg::installed(&String::from_utf8_lossy(&status));
    let mut named = BTreeSet::new();
    let mut packages = vec![role(recipe)];
    let mut relationships = vec![relationship("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Role")];
    for package in &installed {
        let licence = copyright(tree, &package.name)?.as_deref().and_then(licence::declared);
        named.extend(licence.iter().flat_map(|expression| expression.references.iter().cloned()));
        relationships.push(relationship("SPDXRef-Role", "CONTAINS", &id(package)));
        packages.push(debian_package(package, licence.as_ref(), recipe));
    }
    let listed = serde_json::to_vec(&packages).expect("plain keys");
    let document = json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": format!("{}-{}", recipe.role, recipe.version),
        "documentNamespace": format!("urn:blake3:{}", Digest::of(&listed)),
        "creationInfo": {
            "created": Time::new(epoch).to_string(),
            "creators": [concat!("Tool: rolebuild-", env!("CARGO_PKG_VERSION"))],
        },
        "packages": packages,
        "hasExtractedLicensingInfos": named.iter().map(|name| extracted(name)).collect::<Vec<_>>(),
        "relationships": relationships,
    });
    let mut text = serde_json::to_vec_pretty(&document).expect("plain keys");
    text.push(b'\n');
    Ok(text)
}

/// The copyright file of a package, whose folder may be a link to that of another package.
fn copyright(tree: &Tree, package: &str) -> Result<Option<String>, TreeError> {
    let folder = tree.at(&format!("{DOC}/{package}"))?;
    let target =
        std::fs::read_link(folder).ok().and_then(|target| target.into_os_string().into_string().ok());
    let folder = match &target {
        Some(target) if target.contains('/') => return Ok(None),
        Some(target) => target,
        None => package,
    };
    let text = tree.read(&format!("{DOC}/{folder}/copyright"))?;
    Ok(text.map(|text| String::from_utf8_lossy(&text).into_owned()))
}

fn role(recipe: &Recipe) -> Value {
    json!({
        "SPDXID": "SPDXRef-Role",
        "name": recipe.role,
        "versionInfo": recipe.version,
        "primaryPackagePurpose": "OPERATING-SYSTEM",
        "downloadLocation": UNKNOWN,
        "filesAnalyzed": false,
        "licenseConcluded": UNKNOWN,
        "licenseDeclared": UNKNOWN,
        "copyrightText": UNKNOWN,
    })
}

fn debian_package(package: &Package, licence: Option<&Expression>, recipe: &Recipe) -> Value {
    let Package { name, version, architecture, source, maintainer } = package;
    let distro = recipe.suite.as_ref().map_or(String::new(), |suite| format!("&distro={suite}"));
    let purl = format!("pkg:deb/debian/{name}@{}?arch={architecture}{distro}", escaped(version));
    json!({
        "SPDXID": id(package),
        "name": name,
        "versionInfo": version,
        "supplier": maintainer.as_ref().map_or(UNKNOWN.to_owned(), |name| format!("Organization: {name}")),
        "downloadLocation": UNKNOWN,
        "filesAnalyzed": false,
        "sourceInfo": format!("built from the source package {source}"),
        "licenseConcluded": UNKNOWN,
        "licenseDeclared": licence.map_or(UNKNOWN, |expression| &expression.text),
        "copyrightText": UNKNOWN,
        "externalRefs": [{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": purl,
        }],
    })
}

/// SPDX allows letters, digits, dots and dashes in an id.
fn id(package: &Package) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '-' };
    // A plus is frequent and tells packages apart: libstdc++6.
    let name = package.name.replace('+', ".plus.");
    format!("SPDXRef-{}-{}", name.chars().map(plain).collect::<String>(), package.architecture)
}

/// A version as package URLs want it.
fn escaped(version: &str) -> String {
    version.replace('%', "%25").replace('+', "%2B").replace(':', "%3A").replace('~', "%7E")
}

fn extracted(name: &str) -> Value {
    json!({
        "licenseId": licence::reference(name),
        "name": name,
        "extractedText": format!(
            "Packages name this licence `{name}`; its text is in /usr/share/doc/<package>/copyright."
        ),
    })
}

fn relationship(from: &str, kind: &str, to: &str) -> Value {
    json!({ "spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to })
}

#[cfg(test)]
mod tests;
