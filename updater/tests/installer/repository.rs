//! A site over HTTP that goes away in the middle of a pack, until it is let come back.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::dying_site::answer;

/// Serves `site` whole, whatever range is asked for. The first pack that is asked for ends half way, and `away` is set:
/// as long as it is, each connection is closed unanswered. Returns the address.
pub fn serve(site: PathBuf, away: Arc<AtomicBool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut died = false;
        for stream in listener.incoming().map_while(Result::ok) {
            if away.load(Ordering::SeqCst) {
                continue;
            }
            let dies = answer(&stream, &site, !died);
            died |= dies;
            away.fetch_or(dies, Ordering::SeqCst);
        }
    });
    base
}
