//! What is promised of the file itself.

use super::*;

#[test]
fn a_change_by_another_process_is_seen() {
    let (folder, store) = opened();
    let watch = store.watch().unwrap();
    let before = watch.version().unwrap();
    assert_eq!(watch.version().unwrap(), before);
    Store::open(&folder.path().join("data")).unwrap().permit_new(1).unwrap();
    assert_ne!(watch.version().unwrap(), before);
}

#[test]
fn the_store_is_its_owners_alone_and_of_this_program() {
    let (folder, store) = opened();
    let data = folder.path().join("data");
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(
        (mode(&data), mode(&data.join(FILE)), mode(&data.join("fleet.sqlite-wal"))),
        (0o700, 0o600, 0o600)
    );
    store.locked().pragma_update(None, "user_version", 2).unwrap();
    assert!(matches!(Store::open(&data), Err(StoreError::Later { found: 2, .. })));
    fs::set_permissions(&data, std::os::unix::fs::PermissionsExt::from_mode(0o770)).unwrap();
    assert!(matches!(Store::open(&data), Err(StoreError::Mode { mode: 0o770, .. })));
}
