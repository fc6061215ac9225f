//! Every document in every way it can be damaged, cut, lengthened, swapped or replayed, against a client that has seen
//! the version before. No case is chosen: the tables are all there is of a small site.

use crate::site::*;
use edeploy_format::tuf::*;

const NAMES: [&str; 5] = ["root", "timestamp", "snapshot", "targets", "role-web"];

impl Files {
    fn all(&mut self) -> [&mut Vec<u8>; 5] {
        [&mut self.root, &mut self.timestamp, &mut self.snapshot, &mut self.targets, &mut self.role]
    }
}

/// What a client takes that believes the first root, has seen the first state, and is offered this one.
fn offered(state: &Files) -> Result<(TrustedTargets, TrustedRole), TufError> {
    static SEEN: std::sync::OnceLock<Files> = std::sync::OnceLock::new();
    let seen = SEEN.get_or_init(|| state_of(1));
    let root = TrustedRoot::anchor(&seen.root)?.next(&state.root)?;
    state.walk_from(root, Some(seen), NOW)
}

/// The site at version `to`; its root too.
fn state_of(to: u64) -> Files {
    let mut site = Site::new().advanced(to);
    site.root.common.version = to;
    site.publish()
}

#[test]
fn a_state_that_nobody_touched_is_taken() {
    let (targets, role) = offered(&state_of(2)).unwrap();
    assert_eq!((targets.root().common.version, role.versions().len()), (2, 1));
}

#[test]
fn a_flipped_bit_in_any_byte_of_any_document_is_found() {
    let mut flipped = 0;
    for (n, name) in NAMES.iter().enumerate() {
        let good = state_of(2);
        for at in 0..good.clone().all()[n].len() {
            let mut bad = good.clone();
            bad.all()[n][at] ^= 1 << (at % 8);
            assert!(offered(&bad).is_err(), "{name}, byte {at}");
            flipped += 1;
        }
    }
    assert!(flipped > 3000, "{flipped}");
}

#[test]
fn a_document_cut_anywhere_is_refused() {
    for (n, name) in NAMES.iter().enumerate() {
        let good = state_of(2);
        for end in 0..good.clone().all()[n].len() {
            let mut bad = good.clone();
            bad.all()[n].truncate(end);
            assert!(offered(&bad).is_err(), "{name}, cut at {end}");
        }
    }
}

#[test]
fn a_document_that_goes_on_is_refused_unless_with_blanks_where_no_length_is_listed() {
    type Add = fn(&[u8]) -> Vec<u8>;
    let additions: [(&str, Add, bool); 6] = [
        ("a blank", |_| b" ".to_vec(), true),
        ("a line's end", |_| b"\n".to_vec(), true),
        ("a zero", |_| vec![0], false),
        ("a bracket", |_| b"}".to_vec(), false),
        ("itself", <[u8]>::to_vec, false),
        ("very many blanks", |_| vec![b' '; 1 << 20], false),
    ];
    for (addition, add, blank) in additions {
        for (n, name) in NAMES.iter().enumerate() {
            let mut state = state_of(2);
            let bytes = &mut state.all()[n];
            let more = add(bytes);
            bytes.extend(more);
            // Of root and timestamp nobody lists length or hash; what is signed is the same.
            let taken = blank && ["root", "timestamp"].contains(name);
            assert_eq!(offered(&state).is_ok(), taken, "{addition} after {name}");
        }
    }
}

/// Every state there is to swap with: older and newer, of another role with the same keys above, and of a stranger.
fn others() -> Vec<(&'static str, Files)> {
    let mut db = Site::new().advanced(2);
    db.root.common.version = 2;
    db.role.targets.clear();
    let mut stranger = Site::new().advanced(2);
    stranger.root.common.version = 2;
    for (name, seed) in [("root", 71), ("timestamp", 72), ("snapshot", 73), ("targets", 74), ("role", 75)] {
        stranger.signers.insert(name, vec![seed]);
    }
    vec![
        ("the state seen before", state_of(1)),
        ("this state", state_of(2)),
        ("a newer state", state_of(3)),
        ("a state of the same version with other contents", db.publish()),
        ("a stranger's state", stranger.publish()),
    ]
}

#[test]
fn a_document_in_the_place_of_any_other_is_refused() {
    let mut swapped = 0;
    for (n, name) in NAMES.iter().enumerate() {
        for (state, mut other) in others() {
            for (m, with) in NAMES.iter().enumerate() {
                let mut mixed = state_of(2);
                let bytes = other.all()[m].clone();
                if *mixed.all()[n] == bytes {
                    continue;
                }
                *mixed.all()[n] = bytes;
                // Nothing of this state is older than what was seen, so a newer timestamp may come with its snapshot.
                assert!(offered(&mixed).is_err(), "{with} of {state} as {name}");
                swapped += 1;
            }
        }
    }
    assert!(swapped > 100, "{swapped}");
}

#[test]
fn documents_of_an_older_state_are_refused_however_many_are_replayed_together() {
    for mask in 1_u32..32 {
        let (mut mixed, mut old) = (state_of(2), state_of(1));
        for n in (0..5).filter(|n| mask >> n & 1 == 1) {
            *mixed.all()[n] = old.all()[n].clone();
        }
        // All four below the root are one honest state, seen before, and of no lower version than that.
        let whole = mask == 0b11110;
        assert_eq!(offered(&mixed).is_ok(), whole, "{mask:05b}");
        let newest = state_of(2);
        let root = TrustedRoot::anchor(&newest.root).unwrap();
        let after = mixed.walk_from(root, Some(&newest), NOW);
        // The root is not among what is offered here.
        assert_eq!(after.is_ok(), mask == 1, "{mask:05b} after the newer");
    }
}
