//! Many machines at once: no two get the same entry, and none is lost when the service is killed in between.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use edeploy_format::fleet::Plan;
use edeploy_format::tuf::Envelope;

use crate::fleet::{Answer, Fleet};
use crate::profiles::CROWD;
use crate::toy::Toy;

const MACHINES: u32 = 500;
/// So many of them ask at the same time: more connections than that wait in the kernel.
const AT_ONCE: u32 = 100;

/// Bytes that the service may have in use; 21 MiB were seen, and 37 in the benchmark when connections had no bound.
const MEMORY: u64 = 32 << 20;

/// Does something with each machine, many at once.
fn each(toys: &mut [Toy], work: impl Fn(&mut Toy) + Sync) {
    let work = &work;
    thread::scope(|scope| {
        for some in toys.chunks_mut((MACHINES / AT_ONCE) as usize) {
            scope.spawn(move || some.iter_mut().for_each(work));
        }
    });
}

fn crowd() -> Vec<Toy> {
    (0..MACHINES).map(|n| Toy::new(n, 20)).collect()
}

fn address(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    let plan: Plan = Envelope::parse(answer.text.as_bytes()).unwrap().read().unwrap();
    plan.files.into_iter().find(|file| file.path == "/etc/address").unwrap().text
}

#[test]
fn of_five_hundred_machines_at_once_no_two_get_one_entry() {
    let fleet = Fleet::start(CROWD);
    fleet.must(&format!("permit --new {MACHINES}"));
    let mut toys = crowd();
    each(&mut toys, |toy| assert!(toy.boot(&fleet).contains("kernel ")));
    let began = Instant::now();
    let given = std::sync::Mutex::new(BTreeMap::new());
    each(&mut toys, |toy| {
        let address = address(&toy.report(&fleet));
        assert_eq!(given.lock().unwrap().insert(address, toy.mac.clone()), None, "given twice");
    });
    println!("{MACHINES} reports in {:?}, peak memory {} MiB", began.elapsed(), fleet.memory() >> 20);
    assert!(fleet.memory() < MEMORY, "{} MiB in use", fleet.memory() >> 20);
    assert_eq!(given.into_inner().unwrap().len(), MACHINES as usize);
}

#[test]
fn none_is_lost_when_the_service_is_killed_among_five_hundred() {
    let mut fleet = Fleet::start(CROWD);
    fleet.must(&format!("permit --new {MACHINES}"));
    let mut toys = crowd();
    each(&mut toys, |toy| assert!(toy.boot(&fleet).contains("kernel ")));
    let given = std::sync::Mutex::new(BTreeMap::new());
    let answered = AtomicUsize::new(0);
    let pid = fleet.pid();
    // Killed in the middle: whoever has an answer then keeps it.
    each(&mut toys, |toy| {
        if let Some(answer) = toy.try_report(&fleet) {
            given.lock().unwrap().insert(toy.mac.clone(), address(&answer));
        }
        if answered.fetch_add(1, Ordering::SeqCst) == MACHINES as usize / 3 {
            std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
        }
    });
    let before = given.into_inner().unwrap();
    assert!(!before.is_empty() && before.len() < MACHINES as usize, "{} answers", before.len());
    fleet.kill();
    fleet.run();
    let after = std::sync::Mutex::new(BTreeMap::new());
    each(&mut toys, |toy| {
        let address = address(&toy.report(&fleet));
        assert!(before.get(&toy.mac).is_none_or(|had| *had == address), "another than before");
        assert_eq!(after.lock().unwrap().insert(address, toy.mac.clone()), None, "given twice");
    });
    assert_eq!(after.into_inner().unwrap().len(), MACHINES as usize);
}
