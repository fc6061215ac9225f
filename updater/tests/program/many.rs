//! Many machines that upgrade at once from one server: the short form of `just bench load`.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::dying_site::answer;
use crate::lab::{Lab, Ran, program};

const MACHINES: usize = 12;

/// Serves `site`, each request in a thread of its own; the address, and how many requests there were.
fn serve(site: PathBuf) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, site) = (stream.unwrap(), site.clone());
            counted.fetch_add(1, Ordering::SeqCst);
            std::thread::spawn(move || answer(&stream, &site, false));
        }
    });
    (base, requests)
}

fn upgrade(lab: &Lab, base: &str) -> Ran {
    let mut command = program();
    command.args(["upgrade", "2", "--booted", "a", "--repo", base, "--disk"]);
    Ran::of(command.arg(lab.path("disk")).output().unwrap()).done()
}

#[test]
fn machines_that_upgrade_at_once_all_come_to_their_end_and_ask_for_no_more_than_one_alone() {
    let labs: Vec<Lab> = (0..=MACHINES).map(|_| Lab::installed()).collect();
    let (base, requests) = serve(labs[0].site_folder());
    upgrade(&labs[0], &base);
    let alone = requests.swap(0, Ordering::SeqCst);
    std::thread::scope(|scope| {
        for lab in &labs[1..] {
            scope.spawn(|| upgrade(lab, &base));
        }
    });
    assert_eq!(requests.load(Ordering::SeqCst), MACHINES * alone);
    for lab in &labs {
        let status = lab.run(&["status", "--json"]).done().json();
        assert_eq!(status["next"], "edeploy-b-g2+3.conf", "{status}");
    }
}
