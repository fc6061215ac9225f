//! Documents for trees made here.

use super::*;

fn document_of(tree: &Tree) -> Value {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("web")).unwrap();
    std::fs::write(folder.path().join("web/recipe.toml"), "role = 'web'\nsuite = 'bookworm'\n").unwrap();
    let recipe = Recipe::load(&folder.path().join("web"), &"D12-1.0.0".parse().unwrap()).unwrap();
    let text = document(tree, &recipe, 1_780_000_000).unwrap();
    assert_eq!(document(tree, &recipe, 1_780_000_000).unwrap(), text);
    serde_json::from_slice(&text).unwrap()
}

#[test]
fn every_package_is_listed_with_version_source_and_licence() {
    let folder = tempfile::tempdir().unwrap();
    let tree = Tree::new(folder.path().to_owned());
    let status = "Package: g++\nStatus: install ok installed\nArchitecture: amd64\nVersion: 4:12.2~1+b1\n\n\
                  Package: gcc\nStatus: install ok installed\nArchitecture: amd64\nVersion: 12\n\n\
                  Package: old\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n";
    tree.write(STATUS, status.as_bytes(), 0o644).unwrap();
    let copyright = b"Format: https://x/copyright-format/1.0/\n\nFiles: *\nLicense: GPL-3+ or own\n";
    tree.write("usr/share/doc/gcc/copyright", copyright, 0o644).unwrap();
    tree.link("usr/share/doc/g++", "gcc").unwrap();
    let document = document_of(&tree);

    let of = |n: usize, key: &str| document["packages"][n][key].as_str().unwrap().to_owned();
    assert_eq!((of(0, "name"), of(0, "versionInfo")), ("web".to_owned(), "D12-1.0.0".to_owned()));
    assert_eq!(of(1, "SPDXID"), "SPDXRef-g.plus..plus.-amd64");
    assert_eq!(of(1, "licenseDeclared"), "GPL-3.0-or-later OR LicenseRef-Debian-own");
    assert_eq!(of(1, "sourceInfo"), "built from the source package g++ 4:12.2~1+b1");
    assert_eq!(
        document["packages"][1]["externalRefs"][0]["referenceLocator"],
        "pkg:deb/debian/g++@4%3A12.2%7E1%2Bb1?arch=amd64&distro=bookworm"
    );
    assert_eq!(of(3, "licenseDeclared"), "NOASSERTION");
    assert_eq!(document["hasExtractedLicensingInfos"][0]["licenseId"], "LicenseRef-Debian-own");
    assert_eq!(document["relationships"].as_array().unwrap().len(), 4);
    assert_eq!(document["creationInfo"]["created"], "2026-05-28T20:26:40Z");
}

#[test]
fn a_tree_without_packages_has_an_empty_bill() {
    let folder = tempfile::tempdir().unwrap();
    let document = document_of(&Tree::new(folder.path().to_owned()));
    assert_eq!(document["packages"].as_array().unwrap().len(), 1);
    assert_eq!(document["relationships"][0]["relationshipType"], "DESCRIBES");
}
