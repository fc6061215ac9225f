//! What is promised of the file itself.

use super::*;

#[test]
fn a_change_by_another_process_is_seen() {
    let (folder, store) = opened();
    let mut watch = store.watch(NOW).unwrap();
    let before = watch.version();
    assert!(!watch.changed(NOW).unwrap());
    Store::open(&folder.path().join("data")).unwrap().permit_new(1).unwrap();
    assert!(watch.changed(NOW).unwrap());
    assert_ne!(watch.version(), before);
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
    store.locked().pragma_update(None, "user_version", 4).unwrap();
    assert!(matches!(Store::open(&data), Err(StoreError::Later { found: 4, .. })));
    fs::set_permissions(&data, std::os::unix::fs::PermissionsExt::from_mode(0o770)).unwrap();
    assert!(matches!(Store::open(&data), Err(StoreError::Mode { mode: 0o770, .. })));
}

#[test]
fn an_install_that_an_older_program_saw_come_to_its_boot_entry_lapses_as_any_other() {
    for schema in [1, 2] {
        let (folder, store) = opened();
        for (n, said, stage) in [(1, "t", Stage::Armed), (2, "u", Stage::Writing)] {
            store.permit(&mac(n).to_string(), false, NOW).unwrap();
            assert_eq!(boot(&store, n, said, NOW), Booted::Install);
            report(&store, said, 2, NOW);
            assert_eq!(told(&store, said, stage, None, NOW), Recorded::Done);
        }
        // As that schema had it.
        let as_it_was = "DROP TABLE script; ALTER TABLE machine DROP COLUMN armed;
                         ALTER TABLE machine DROP COLUMN armed_for; ALTER TABLE machine DROP COLUMN returned;";
        store.locked().execute_batch(as_it_was).unwrap();
        if schema == 1 {
            store.locked().execute("UPDATE ticket SET state = 'planned'", ()).unwrap();
        }
        store.locked().pragma_update(None, "user_version", schema).unwrap();
        let store = Store::open(&folder.path().join("data")).unwrap();
        assert_eq!(boot(&store, 1, "v", NOW), Booted::Install, "within its lease");
        let later = NOW.plus(600);
        assert_eq!(boot(&store, 1, "v", later), Booted::Disk, "schema {schema}");
        assert_eq!(boot(&store, 2, "w", later), Booted::Install, "schema {schema}");
        let store = Store::open(&folder.path().join("data")).unwrap();
        let version = store.locked().query_row("PRAGMA user_version", (), |row| row.get::<_, i64>(0));
        assert_eq!(version.unwrap(), 3, "an older program refuses it");
    }
}
