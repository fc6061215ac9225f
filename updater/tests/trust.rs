//! What a host believes of a site, and what it does not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
#![allow(unreachable_pub, reason = "shared by several tests")]

#[path = "support/site.rs"]
mod site;

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;

use edeploy_ab::fetch::{Fetch, FetchError, FolderFetch, Meter, open_repos};
use edeploy_ab::progress::Quiet;
use edeploy_ab::trust::{ObjectError, Scratch, Store, TrustError, Trusted, into_memory, unpacked};
use edeploy_format::digest::Digest;
use edeploy_format::name::{Object, Role, Version};
use edeploy_format::tuf::{Contents, Expiry, Fault, Sha256, Target, Time};
use site::{NOW, Site};

struct Host {
    folder: tempfile::TempDir,
    stores: [Store; 2],
}

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stores = ["state", "slot"].map(|name| Store::new(folder.path().join(name)));
        fs::create_dir_all(folder.path().join("slot")).unwrap();
        fs::write(folder.path().join("slot/root.json"), site::root()).unwrap();
        Self { folder, stores }
    }

    fn site(&self) -> std::path::PathBuf {
        self.folder.path().join("site")
    }

    fn refresh_at(&self, now: u64) -> Result<Trusted, TrustError> {
        let fetch = FolderFetch::new(self.site());
        Trusted::refresh(&fetch, &self.stores, &role(), Expiry::At(Time::new(now)))
    }

    fn refresh(&self) -> Result<Trusted, TrustError> {
        self.refresh_at(NOW + 60)
    }
}

fn role() -> Role {
    "web".parse().unwrap()
}

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

fn site() -> Site {
    let mut site = Site::new("web");
    site.manifest("D12-10", 10, b"ten");
    site.manifest("D12-9", 9, b"nine");
    site
}

fn fault(result: Result<Trusted, TrustError>) -> Fault {
    match result.unwrap_err() {
        TrustError::Tuf(error) => error.fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn versions_come_in_the_order_of_their_serials() {
    let host = Host::new();
    site().publish(&host.site());
    let trusted = host.refresh().unwrap();
    let names: Vec<String> = trusted.versions().iter().map(|p| p.version.to_string()).collect();
    assert_eq!(names, ["D12-9", "D12-10"]);
    let missing = trusted.find(&version("D12-11")).unwrap_err();
    assert!(missing.to_string().starts_with("there is no version D12-11 of role web"), "{missing}");
}

#[test]
fn what_was_kept_is_believed_again_without_the_site_and_at_any_date() {
    let host = Host::new();
    site().publish(&host.site());
    host.stores[0].save(&host.refresh().unwrap()).unwrap();
    fs::remove_dir_all(host.site()).unwrap();
    let kept = Trusted::kept(&host.stores[0], &role()).unwrap();
    assert_eq!(kept.versions().len(), 2);
    assert!(matches!(Trusted::kept(&host.stores[1], &role()), Err(TrustError::Store(_))));
}

#[test]
fn what_was_kept_and_is_still_listed_is_not_fetched_again_and_what_was_damaged_is() {
    for store in 0..2 {
        let host = Host::new();
        site().publish(&host.site());
        host.stores[store].save(&host.refresh().unwrap()).unwrap();
        for name in ["snapshot", "targets", "role-web"] {
            let published = host.site().join(format!("metadata/1.{name}.json"));
            let away = published.with_extension("away");
            fs::rename(&published, &away).unwrap();
            assert_eq!(host.refresh().unwrap().versions().len(), 2, "{name}");
            let kept = host.folder.path().join(["state", "slot"][store]).join(format!("{name}.json"));
            let good = fs::read(&kept).unwrap();
            fs::write(&kept, &good[1..]).unwrap();
            assert!(matches!(host.refresh(), Err(TrustError::Fetch(FetchError::NotFound { .. }))), "{name}");
            fs::rename(&away, &published).unwrap();
            assert_eq!(host.refresh().unwrap().versions().len(), 2, "{name}");
            fs::write(&kept, good).unwrap();
        }
    }
}

#[test]
fn an_older_site_is_refused_after_a_newer_was_seen_in_either_store() {
    for store in 0..2 {
        let host = Host::new();
        let mut new = site();
        new.version = 2;
        new.publish(&host.site());
        host.stores[store].save(&host.refresh().unwrap()).unwrap();
        site().publish(&host.site());
        assert!(matches!(fault(host.refresh()), Fault::Rollback { .. }), "store {store}");
    }
}

/// A store of objects: what is not there it does not show either.
struct Store403(FolderFetch<'static>);

impl Fetch for Store403 {
    fn get(&self, path: &str, limit: u64) -> Result<Vec<u8>, FetchError> {
        self.0.get(path, limit).map_err(|error| match error {
            FetchError::NotFound { url } => FetchError::Forbidden { url },
            other => other,
        })
    }

    fn open(
        &self,
        path: &str,
        range: Option<std::ops::Range<u64>>,
    ) -> Result<Box<dyn Read + '_>, FetchError> {
        self.0.open(path, range)
    }
}

#[test]
fn a_store_that_answers_403_for_the_next_root_has_none() {
    let host = Host::new();
    site().publish(&host.site());
    let store = Store403(FolderFetch::new(host.site()));
    let refresh = || Trusted::refresh(&store, &host.stores, &role(), Expiry::At(Time::new(NOW + 60)));
    assert_eq!(refresh().unwrap().versions().len(), 2);
    fs::remove_file(host.site().join("metadata/timestamp.json")).unwrap();
    let said = refresh().unwrap_err();
    assert!(matches!(said, TrustError::Fetch(FetchError::Forbidden { .. })), "{said}");
}

#[test]
fn a_frozen_site_is_refused_with_both_times_named() {
    let host = Host::new();
    site().publish(&host.site());
    let error = fault(host.refresh_at(NOW + 8 * 86_400)).to_string();
    let (expired, now) = (Time::new(NOW).plus_days(7), Time::new(NOW).plus_days(8));
    assert!(error.contains(&expired.to_string()) && error.contains(&now.to_string()), "{error}");
    assert!(error.contains("rolebuild refresh"), "{error}");
}

#[test]
fn without_a_first_root_nothing_is_believed() {
    let host = Host::new();
    site().publish(&host.site());
    fs::remove_file(host.folder.path().join("slot/root.json")).unwrap();
    assert!(matches!(host.refresh(), Err(TrustError::NoRoot)));
}

fn published(host: &Host) -> (FolderFetch<'static>, Trusted) {
    let mut site = site();
    site.add(Object::Transition, "D12-9", b"rules".to_vec(), None::<&()>);
    site.publish(&host.site());
    (FolderFetch::new(host.site()), host.refresh().unwrap())
}

fn manifest(trusted: &Trusted, fetch: &dyn Fetch, scratch: &Path) -> Result<String, ObjectError> {
    let (name, target) = trusted.object(Object::Manifest, &version("D12-9")).unwrap();
    let contents: Contents = target.custom(&name).unwrap();
    let mut text = String::new();
    unpacked(fetch, &name, target, contents, &[], Scratch(scratch))?.read_to_string(&mut text).unwrap();
    Ok(text)
}

#[test]
fn objects_are_used_only_whole_and_right() {
    let host = Host::new();
    let (fetch, trusted) = published(&host);
    let scratch = host.folder.path();
    assert_eq!(manifest(&trusted, &fetch, scratch).unwrap(), "nine");
    let (name, target) = trusted.object(Object::Transition, &version("D12-9")).unwrap();
    assert_eq!(into_memory(&fetch, &name, target, 100).unwrap(), b"rules");
    assert!(matches!(into_memory(&fetch, &name, target, 4), Err(ObjectError::TooLong { length: 5, .. })));
    let path = host.site().join("targets").join(target.file(&name));
    for wrong in [&b"rule"[..], b"rules!", b"RULES"] {
        fs::write(&path, wrong).unwrap();
        assert!(matches!(into_memory(&fetch, &name, target, 100), Err(ObjectError::Differs { .. })));
    }
}

#[test]
fn a_flipped_bit_in_a_compressed_manifest_is_found_before_it_is_opened() {
    let host = Host::new();
    let (fetch, trusted) = published(&host);
    let (name, target) = trusted.object(Object::Manifest, &version("D12-9")).unwrap();
    let path = host.site().join("targets").join(target.file(&name));
    let good = fs::read(&path).unwrap();
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, bad).unwrap();
        let error = manifest(&trusted, &fetch, host.folder.path()).unwrap_err();
        assert!(matches!(error, ObjectError::Differs { what: "its SHA-256 is another", .. }), "{error:?}");
    }
}

#[test]
fn a_signed_object_that_takes_more_memory_to_open_than_it_may_is_refused() {
    let host = Host::new();
    let text: Vec<u8> = (0..3_u32 << 18).flat_map(|n| Digest::of(&n.to_le_bytes()).0).collect();
    let older = &text[..1 << 20];
    for (window, fits, against) in
        [(23, true, &[][..]), (24, false, &[]), (23, true, older), (24, false, older)]
    {
        let mut encoder = zstd::Encoder::with_ref_prefix(Vec::new(), 1, against).unwrap();
        encoder.window_log(window).unwrap();
        encoder.write_all(&text).unwrap();
        let bytes = encoder.finish().unwrap();
        let contents = Contents { blake3: Digest::of(&text), size: text.len() as u64 };
        let target = Target::new(bytes.len() as u64, Sha256::of(&bytes), Some(&contents));
        let path = host.folder.path().join("targets").join(target.file("x"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        let fetch = FolderFetch::new(host.folder.path().to_owned());
        let opened = unpacked(&fetch, "x", &target, contents, against, Scratch(host.folder.path()));
        match opened {
            Ok(_) => assert!(fits, "a window of 2^{window} bytes"),
            Err(error) => {
                assert!(
                    !fits && matches!(error, ObjectError::Differs { what, .. } if what.contains("memory"))
                );
            }
        }
    }
}

#[test]
fn a_full_scratch_folder_is_no_fault_of_the_network() {
    let host = Host::new();
    let noise: Vec<u8> = (0..4096_u32).flat_map(|n| Digest::of(&n.to_le_bytes()).0).collect();
    let mut site = site();
    site.manifest("D12-9", 9, &noise);
    site.publish(&host.site());
    let (fetch, trusted) = (FolderFetch::new(host.site()), host.refresh().unwrap());
    let small = host.folder.path().join("small");
    fs::create_dir(&small).unwrap();
    let mount = |args: &[&str]| Command::new(args[0]).args(&args[1..]).arg(&small).status().unwrap();
    let mounted = mount(&["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs"]);
    assert!(mounted.success(), "mounting a small tmpfs needs root");
    let error = manifest(&trusted, &fetch, &small).unwrap_err();
    assert!(mount(&["umount"]).success());
    let ObjectError::Scratch { source, .. } = error else { panic!("{error:?}") };
    assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
}

#[test]
fn a_target_of_another_form_is_no_version_and_hides_none() {
    let host = Host::new();
    let mut site = site();
    site.add(Object::Manifest, "note", b"not ours".to_vec(), None::<&()>);
    site.publish(&host.site());
    let trusted = host.refresh().unwrap();
    assert_eq!(trusted.versions().len(), 2);
    let error = trusted.find(&version("note")).unwrap_err();
    assert_eq!(error.to_string(), "web@note@manifest: custom field");
}

/// Sites beside one another, of which a host asks the first first.
fn mirrors(host: &Host, sites: &[&Site]) -> Box<dyn Fetch> {
    let folders = sites.iter().enumerate().map(|(n, site)| {
        let folder = host.folder.path().join(format!("mirror-{n}"));
        site.publish(&folder);
        folder.display().to_string()
    });
    open_repos(&folders.collect::<Vec<_>>(), None, Meter::default()).unwrap()
}

fn current(host: &Host, fetch: &dyn Fetch, wanted: Option<&str>) -> Result<Trusted, TrustError> {
    let (expiry, wanted) = (Expiry::At(Time::new(NOW + 60)), wanted.map(version));
    Trusted::current(fetch, &host.stores, &role(), expiry, wanted.as_ref(), &Quiet)
}

/// The site after `D12-11` was published, whose metadata has this number.
fn newer(number: u64) -> Site {
    let mut site = site();
    site.version = number;
    site.manifest("D12-11", 11, b"eleven");
    site
}

#[test]
fn a_mirror_older_than_what_was_seen_is_passed_over() {
    let host = Host::new();
    newer(2).publish(&host.site());
    host.stores[0].save(&host.refresh().unwrap()).unwrap();
    let fetch = mirrors(&host, &[&site(), &newer(2)]);
    assert_eq!(current(&host, &*fetch, None).unwrap().versions().len(), 3);
    let fetch = mirrors(&host, &[&site(), &site()]);
    assert!(matches!(fault(current(&host, &*fetch, None)), Fault::Rollback { .. }));
}

#[test]
fn a_mirror_that_was_not_refreshed_or_is_forged_is_passed_over() {
    let host = Host::new();
    let mut expired = site();
    expired.timestamp_days = 0;
    let fetch = mirrors(&host, &[&expired, &newer(2)]);
    assert_eq!(current(&host, &*fetch, None).unwrap().versions().len(), 3);
    let fetch = mirrors(&host, &[&newer(2), &site()]);
    fs::write(host.folder.path().join("mirror-0/metadata/2.snapshot.json"), b"{}").unwrap();
    assert_eq!(current(&host, &*fetch, None).unwrap().versions().len(), 2);
}

#[test]
fn a_version_that_has_not_come_to_a_mirror_yet_is_found_at_the_next() {
    let host = Host::new();
    let fetch = mirrors(&host, &[&site(), &newer(2)]);
    let trusted = current(&host, &*fetch, Some("D12-11")).unwrap();
    let (name, target) = trusted.object(Object::Manifest, &version("D12-11")).unwrap();
    let contents: Contents = target.custom(&name).unwrap();
    let file = unpacked(&*fetch, &name, target, contents, &[], Scratch(host.folder.path())).unwrap();
    assert_eq!(std::io::read_to_string(file).unwrap(), "eleven");
    // The first one's word is enough where it lists what is asked for.
    assert_eq!(current(&host, &*fetch, Some("D12-9")).unwrap().versions().len(), 2);
}

#[test]
fn a_version_that_newer_metadata_withdrew_is_not_taken_from_an_older_mirror() {
    let host = Host::new();
    let mut withdrawn = site();
    withdrawn.version = 3;
    let fetch = mirrors(&host, &[&withdrawn, &newer(2)]);
    let trusted = current(&host, &*fetch, Some("D12-11")).unwrap();
    assert!(matches!(trusted.find(&version("D12-11")), Err(TrustError::NoVersion { .. })));
}

#[test]
fn an_object_that_one_mirror_has_wrong_is_taken_from_another() {
    let host = Host::new();
    let fetch = mirrors(&host, &[&site(), &site(), &site()]);
    let trusted = current(&host, &*fetch, None).unwrap();
    let (name, target) = trusted.object(Object::Manifest, &version("D12-9")).unwrap();
    let tamper = |mirror: &str| {
        fs::write(host.folder.path().join(mirror).join("targets").join(target.file(&name)), "nine").unwrap();
    };
    let manifest = || manifest(&trusted, &*fetch, host.folder.path());
    tamper("mirror-0");
    assert_eq!(manifest().unwrap(), "nine");
    tamper("mirror-1");
    assert_eq!(manifest().unwrap(), "nine");
    tamper("mirror-2");
    assert!(matches!(manifest(), Err(ObjectError::Differs { .. })));
}
