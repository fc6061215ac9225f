//! No private key and no passphrase in what the program prints, nor in what it publishes, whatever goes wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use base64ct::{Base64Unpadded, Encoding};
use edeploy_format::digest::hex;
use edeploy_format::manifest::{Kind, Reader, Record, Writer, Xattr};
use rolebuild::failure::Fault as _;
use rolebuild::publish::{PublishError, publish};

use crate::fixture::*;

const PASSPHRASE: &str = "tortoise-umbrella-granite-9";

/// Every way in which 16 bytes of a secret in a row could stand in a text.
fn traces(secret: &[u8]) -> Vec<Vec<u8>> {
    let windows = secret.windows(16).flat_map(|part| {
        let digits = hex(part);
        let upper = digits.to_uppercase();
        // 15 bytes from a boundary of three, wherever the whole began.
        let base64 = Base64Unpadded::encode_string(&part[..15]);
        let numbers = part[..4].iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
        [part.to_vec(), digits.into_bytes(), upper.into_bytes(), base64.into_bytes(), numbers.into_bytes()]
    });
    windows.collect()
}

fn assert_silent(said: &[u8], traces: &[Vec<u8>], what: &str) {
    let told = traces.iter().any(|trace| said.windows(trace.len()).any(|window| window == trace));
    assert!(!told, "{what} tells a secret: {}", String::from_utf8_lossy(said));
}

fn lay(path: &Path, bytes: &[u8], mode: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn nothing_that_is_printed_holds_sixteen_bytes_of_a_key_or_a_passphrase() {
    let place = Place::new();
    let at = |name: &str| place.path().join(name);
    let names = ["root", "targets", "snapshot", "timestamp"];
    let mut traces: Vec<Vec<u8>> =
        names.iter().flat_map(|name| traces(&place.secret(name).to_bytes())).collect();
    traces.push(PASSPHRASE.as_bytes().to_vec());
    let pem = fs::read_to_string(at("keys/timestamp.pem")).unwrap();
    let body = pem.lines().nth(1).unwrap();
    let raw = place.secret("timestamp").to_bytes();
    lay(&at("words"), PASSPHRASE.as_bytes(), 0o600);
    lay(&at("open"), PASSPHRASE.as_bytes(), 0o644);
    lay(&at("cut/a.pem"), &pem.as_bytes()[..pem.len() - 40], 0o600);
    lay(&at("raw/a.pem"), &raw, 0o600);
    lay(&at("wide/a.pem"), pem.as_bytes(), 0o644);
    lay(&at("toml/a.signer.toml"), pem.as_bytes(), 0o600);
    lay(
        &at("toml2/a.signer.toml"),
        format!("public-key = \"{body}\"\ncommand = [\"{body}\"]\n").as_bytes(),
        0o600,
    );
    lay(&at("role/recipe.toml"), pem.as_bytes(), 0o644);
    lay(&at("keyed/recipe.toml"), format!("role = \"{body}\"\n").as_bytes(), 0o644);
    lay(&at("builds/web@key/manifest"), pem.as_bytes(), 0o644);
    lay(&at("builds/web@1.0/manifest"), &[pem.as_bytes(), &raw].concat(), 0o644);
    let lines = [
        "keygen root",
        "keygen new --passphrase-file words",
        "keygen new --passphrase-file open",
        "refresh --keys wide",
        "refresh --keys cut",
        "refresh --keys raw",
        "refresh --keys toml",
        "refresh --keys toml2",
        "refresh --keys elsewhere",
        "refresh --passphrase-file keys/root.pem",
        "refresh --json",
        "root rotate --replace keys/root.pem",
        "root rotate --replace root=none",
        "root rotate --replace timestamp --json",
        "publish web key",
        "publish web 1.0",
        "diff keys/root.pem keys/timestamp.pem",
        "diff builds/web@key builds/web@1.0",
        "fsck --repo keys",
        "list --repo keys",
        "build role --version 1.0",
        "build keyed --version 1.0",
        "build keys/root.pem --version 1.0",
        "init --repo again --passphrase-file words --keys others",
        "refresh --repo again --keys others",
        "refresh --repo again --keys others --passphrase-file words",
    ];
    let mut ended = Vec::new();
    for line in lines {
        let mut command = Command::new("setsid");
        command.arg("--wait").arg(env!("CARGO_BIN_EXE_rolebuild")).args(line.split(' '));
        let output =
            command.current_dir(place.path()).env("RUST_BACKTRACE", "full").stdin(Stdio::null()).output();
        let output = output.unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(!said.is_empty(), "{line}");
        assert_silent(&said, &traces, line);
        ended.push(output.status.code().unwrap());
    }
    let expected =
        [3, 0, 11, 11, 11, 11, 11, 11, 4, 0, 0, 2, 4, 0, 11, 11, 11, 11, 4, 4, 11, 11, 11, 0, 4, 0];
    assert_eq!(ended, expected, "what fails, fails as it should");
}

#[test]
fn a_tree_or_a_hook_that_holds_a_key_of_the_site_is_not_published() {
    let place = Place::new();
    let pem = fs::read(place.path().join("keys/targets.pem")).unwrap();
    let raw = [b"padding".to_vec(), place.secret("root").to_bytes().to_vec()].concat();
    for (version, path, bytes, key) in
        [("1.0", "etc/backup.txt", &pem, "targets"), ("2.0", "etc/blob", &raw, "root")]
    {
        let build = place.build_of(version, 1, &[("etc", None), (path, Some(bytes))]);
        let error =
            publish(&mut place.site(), &build, &mut place.keys(), LIFETIMES, now(), |_| ()).unwrap_err();
        assert!(matches!(error, PublishError::Signing { .. }));
        assert_eq!(error.exit(), edeploy_format::exit::Exit::Input);
        let key = place.path().join(format!("keys/{key}.pem"));
        let expected = format!(
            "/{path} holds the key of {}, which signs for this site; nothing published may",
            key.display()
        );
        assert_eq!(chain(error), expected);
    }
    let build = place.build("1.0", 1, &[]);
    let [manifest, sbom] = ["manifest", "sbom"].map(|name| build.folder.join(name));
    let refused = |said: &str| {
        let error =
            publish(&mut place.site(), &build, &mut place.keys(), LIFETIMES, now(), |_| ()).unwrap_err();
        let key = place.path().join("keys/root.pem");
        let expected = format!(
            "{said} holds the key of {}, which signs for this site; nothing published may",
            key.display()
        );
        assert_eq!(chain(error), expected);
    };
    let sound = fs::read(&manifest).unwrap();
    let secret = place.secret("root").to_bytes();
    // An attribute's value, which the manifest writes in its own way, and a link's target.
    let mut reader = Reader::new(&sound[..]).unwrap();
    let records: Vec<Record> = std::iter::from_fn(|| reader.next_record().unwrap()).collect();
    for as_xattr in [true, false] {
        let mut records = records.clone();
        let record = &mut records[0];
        if as_xattr {
            let value = Base64Unpadded::encode_string(&secret).into_bytes();
            record.xattrs = vec![Xattr { name: "user.x".to_owned(), value }];
        } else {
            record.kind = Kind::Symlink { target: hex(&secret) };
            records.truncate(1);
        }
        let mut head = reader.head().clone();
        head.entries = records.len() as u64;
        head.bytes = if as_xattr { head.bytes } else { 0 };
        let mut writer = Writer::new(Vec::new(), &head).unwrap();
        records.iter().for_each(|record| writer.record(record).unwrap());
        fs::write(&manifest, writer.finish().unwrap().0).unwrap();
        refused("/boot");
    }
    fs::write(&manifest, sound).unwrap();
    fs::write(&sbom, format!("{{\"comment\": \"{}\"}}", hex(&secret))).unwrap();
    refused(&sbom.display().to_string());
    let hook = [b"#!/bin/sh\ncat <<E\n".to_vec(), pem, b"E\n".to_vec()].concat();
    place.rule("any/any/any", "pre", &hook, 0o755);
    let build = place.build("3.0", 1, &[]);
    let error = publish(&mut place.site(), &build, &mut place.keys(), LIFETIMES, now(), |_| ()).unwrap_err();
    assert!(chain(error).starts_with("the transition holds the key of "));
    assert_eq!(fs::read_dir(place.repo().join("targets")).unwrap().count(), 0, "nothing is left on the site");
}
