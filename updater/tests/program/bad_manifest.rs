//! Manifests that are signed and make no sense: refused before anything is written.

use edeploy_format::digest::Digest;
use edeploy_format::manifest::{Kind, Record};
use edeploy_format::path::TreePath;
use serde_json::json;

use crate::lab::{Lab, rule, tree};

/// Publishes version 3 with a hard link changed like this, and tries to take it.
fn with_link(first: &str, change: impl FnOnce(&mut Record)) -> (Lab, (i32, String)) {
    let mut lab = Lab::installed();
    let mut tree = tree("3");
    tree.file("etc/z-first", b"content");
    tree.symlink("etc/z-link", "version");
    change(tree.hard_link("etc/zz", first));
    lab.publish("3", 3, &tree, &rule("3", &json!({})), |_| ());
    let ran = lab.run(&["upgrade", "3"]);
    let (code, said) = ran.failed();
    let said = said.to_owned();
    (lab, (code, said))
}

#[test]
fn a_hard_link_to_an_earlier_file_that_it_is_like_is_taken() {
    let (_, (code, said)) = with_link("etc/z-first", |_| ());
    assert_eq!(code, 0, "{said}");
}

#[test]
fn a_hard_link_to_anything_else_is_refused_before_anything_is_written() {
    let to = |first: &str| {
        let first = TreePath::new(first).unwrap();
        move |record: &mut Record| {
            let (size, digest) = record.content().unwrap();
            record.kind = Kind::HardLink { size, digest, first };
        }
    };
    let refused = |(lab, ran): (Lab, (i32, String)), first: &str| {
        let text = format!(
            "the manifest links etc/zz to {first}, which is no earlier file with the same metadata and content"
        );
        assert_eq!(ran, (5, text));
        let names: Vec<_> = lab.journal().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["installed", "failed"]);
    };
    refused(with_link("etc/z-first", to("etc/z-none")), "etc/z-none");
    refused(with_link("etc/z-first", to("etc/z-link")), "etc/z-link");
    refused(with_link("etc/z-first", to("etc")), "etc");
    refused(with_link("etc/z-first", |record| record.mode = 0o600), "etc/z-first");
    let other = |record: &mut Record| {
        let first = TreePath::new("etc/z-first").unwrap();
        record.kind = Kind::HardLink { size: 7, digest: Digest::of(b"another"), first };
    };
    refused(with_link("etc/z-first", other), "etc/z-first");
}

#[test]
fn a_tree_without_its_kernel_or_of_another_size_is_refused() {
    let mut lab = Lab::installed();
    let path = |text: &str| TreePath::new(text).unwrap();
    for (n, (kernel, loader, more, said)) in [
        ("boot/none", "boot/loader.efi", 0, "the manifest holds no file boot/none, which is to boot"),
        ("boot/vmlinuz", "boot", 0, "the manifest holds no file boot, which is to boot"),
        ("boot/vmlinuz", "boot/loader.efi", 1, "the manifest's files have 135 bytes, its head says 136"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = (n + 3).to_string();
        lab.publish(&name, n as u64 + 3, &tree("3"), &rule(&name, &json!({})), |head| {
            (head.kernel, head.loader) = (path(kernel), path(loader));
            head.bytes += more;
        });
        let ran = lab.run(&["upgrade", &name]);
        assert_eq!(ran.failed(), (5, said));
    }
}
