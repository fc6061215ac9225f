//! The program and servers that answer what they should not, one row per server.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::documented::documented;
use crate::lab::{Lab, Ran, program};

/// One request: its path, and where its range begins.
struct Asked<'a> {
    path: &'a str,
    range: Option<usize>,
    /// The object itself, if there is one.
    found: Option<Vec<u8>>,
}

/// Status line, further head, body.
type Answer = (&'static str, String, Vec<u8>);
type Server = fn(Asked<'_>) -> Answer;

const PAGE: &[u8] = b"<!DOCTYPE html><html><body>Please sign in to use this network.</body></html>";
const OK: &str = "200 OK";

/// What a server that means well answers.
fn honest(asked: Asked<'_>) -> Answer {
    let Some(body) = asked.found else { return ("404 Not Found", String::new(), Vec::new()) };
    let Some(start) = asked.range else { return (OK, String::new(), body) };
    let place = format!("Content-Range: bytes {start}-{}/{}\r\n", body.len() - 1, body.len());
    ("206 Partial Content", place, body[start..].to_vec())
}

/// `bad` for paths that hold `part`, an honest answer for the others.
fn only(part: &str, asked: Asked<'_>, bad: impl FnOnce(Asked<'_>) -> Answer) -> Answer {
    if asked.path.contains(part) { bad(asked) } else { honest(asked) }
}

fn page(_: Asked<'_>) -> Answer {
    (OK, "Content-Type: text/html\r\n".to_owned(), PAGE.to_vec())
}

fn nothing(_: Asked<'_>) -> Answer {
    (OK, String::new(), Vec::new())
}

fn busy(_: Asked<'_>) -> Answer {
    ("503 Service Unavailable", String::new(), Vec::new())
}

/// Serves `site`, but has no time for deltas and their indexes; gives its address.
pub(crate) fn busy_for_deltas(site: PathBuf) -> String {
    serve(site, |asked| only("@delta", asked, busy))
}

/// The same of texts that are compressed against those of version 1.
pub(crate) fn busy_for_texts(site: PathBuf) -> String {
    serve(site, |asked| only("@manifest@1", asked, busy))
}

/// What it should be, from its end to its beginning.
fn reversed(asked: Asked<'_>) -> Answer {
    let found = asked.found.map(|found| found.into_iter().rev().collect());
    honest(Asked { found, ..asked })
}

/// More than anything may have.
fn endless(asked: Asked<'_>) -> Answer {
    let mut body = asked.found.unwrap_or_default();
    body.resize(body.len() + (4 << 20), b' ');
    (OK, String::new(), body)
}

/// Another range than was asked for.
fn elsewhere(start: usize) -> Answer {
    let place = format!("Content-Range: bytes {}-/*\r\n", start + 1);
    ("206 Partial Content", place, PAGE.to_vec())
}

/// `bad` for the pack, not for its index.
fn of_the_pack(asked: Asked<'_>, bad: impl FnOnce(Asked<'_>) -> Answer) -> Answer {
    if asked.path.contains("@pack") && !asked.path.contains("@pack-") { bad(asked) } else { honest(asked) }
}

const ANOTHER: &str = "… is not what its index says: the frame at byte … has another digest";
const SHORT: &str = "reading … at byte …: unexpected end of file";
const WRONG: &str = "… is not what was signed: its SHA-256 is another";
const EARLY: &str = "… is not what was signed: it ends early";

/// Each server, and what an upgrade from it ends with.
const SERVERS: &[(&str, Server, i32, &str)] = &[
    ("a page for everything", page, 5, "reading ….json: …"),
    ("nothing for everything", nothing, 5, "reading ….json: …"),
    ("too much for everything", endless, 5, "…: longer than the … bytes it may have"),
    ("a page for the timestamp", |a| only("timestamp", a, page), 5, "reading ….json: …"),
    ("too long a timestamp", |a| only("timestamp", a, endless), 5, "…: longer than the … bytes it may have"),
    ("a page for the snapshot", |a| only("snapshot", a, page), 5, "reading ….json: …"),
    ("too long a snapshot", |a| only("snapshot", a, endless), 5, "…: longer than the … bytes it may have"),
    ("a page for the targets", |a| only(".targets.json", a, page), 5, "reading ….json: …"),
    ("a page for the role", |a| only("role-web", a, page), 5, "reading ….json: …"),
    ("a page for objects", |a| only("/targets/", a, page), 5, EARLY),
    ("nothing for the manifest", |a| only("@manifest", a, nothing), 5, EARLY),
    ("too long a manifest", |a| only("@manifest", a, endless), 5, "… is not what was signed: it is longer"),
    ("a page for the transition", |a| only("@transition", a, page), 5, EARLY),
    ("the manifest's bytes in another order", |a| only("@manifest", a, reversed), 5, WRONG),
    ("a page for the next root", |a| only("/metadata/2.root.json", a, page), 5, "reading ….json: …"),
    ("a page for the pack's index", |a| only("@pack-index", a, page), 5, EARLY),
    ("nothing for the pack's index", |a| only("@pack-index", a, nothing), 5, EARLY),
    (
        "too long an index of the pack",
        |a| only("@pack-index", a, endless),
        5,
        "… is not what was signed: it is longer",
    ),
    ("a page for the pack", |a| of_the_pack(a, page), 6, SHORT),
    ("the pack's bytes in another order", |a| of_the_pack(a, reversed), 5, ANOTHER),
    ("nothing for the pack", |a| of_the_pack(a, nothing), 6, SHORT),
    ("a server that is never there for the pack", |a| of_the_pack(a, busy), 6, "…: the server answered …"),
    (
        "another range of the pack",
        |a| {
            of_the_pack(a, |a| match a.range {
                Some(start) => elsewhere(start),
                None => honest(a),
            })
        },
        6,
        "…: the server answered …",
    ),
];

/// Serves `site` as `server` does, for ever; gives its address.
fn serve(site: PathBuf, server: Server) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        listener.incoming().for_each(|stream| answer(&stream.unwrap(), &site, server));
    });
    base
}

fn answer(mut stream: &TcpStream, site: &Path, server: Server) {
    let head: Vec<String> =
        BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let path = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or("/");
    let range =
        head.iter().find_map(|line| line.to_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
    let range = range.and_then(|range| range.split('-').next()?.parse().ok());
    let (status, more, body) = server(Asked { path, range, found: fs::read(site.join(&path[1..])).ok() });
    let head =
        format!("HTTP/1.1 {status}\r\n{more}Connection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    // Who has enough of it hangs up.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
}

fn upgrade(lab: &Lab, repo: &str) -> Ran {
    let mut command = program();
    command.args(["upgrade", "2", "--booted", "a", "--repo", repo, "--disk"]).arg(lab.path("disk"));
    Ran::of(command.output().unwrap())
}

#[test]
fn whatever_a_server_answers_the_machine_boots_what_it_did_and_is_upgraded_once_it_answers_well() {
    let lab = Lab::installed();
    for (server, serves, code, message) in SERVERS {
        eprintln!("{server}");
        documented(&upgrade(&lab, &serve(lab.site_folder(), *serves)), *code, message);
        assert_eq!(lab.run(&["status", "--json"]).done().json()["next"], "edeploy-a-g1.conf", "{server}");
    }
    upgrade(&lab, &serve(lab.site_folder(), honest)).done();
    assert_eq!(lab.run(&["status", "--json"]).done().json()["next"], "edeploy-b-g2+3.conf");
}

/// What was looked at is not asked for again: a server cannot show one thing to be checked and another to be used.
#[test]
fn from_a_server_that_shows_each_thing_once_and_another_in_its_place_from_then_on_an_upgrade_is_whole() {
    static SHOWN: Mutex<BTreeSet<(String, Option<usize>)>> = Mutex::new(BTreeSet::new());
    let lab = Lab::installed();
    let once: Server = |asked| match SHOWN.lock().unwrap().insert((asked.path.to_owned(), asked.range)) {
        true => honest(asked),
        false => reversed(asked),
    };
    let repo = serve(lab.site_folder(), once);
    upgrade(&lab, &repo).done();
    assert_eq!(lab.run(&["status", "--json"]).done().json()["next"], "edeploy-b-g2+3.conf");
    let disk = lab.path("disk");
    Ran::of(program().args(["verify", "--booted", "b", "--disk"]).arg(disk).output().unwrap()).done();
    // It is the server that it says it is.
    documented(&upgrade(&Lab::installed(), &repo), 5, "reading ….json: …");
}

#[test]
fn a_server_that_sends_every_request_elsewhere_is_followed_to_the_good_one_and_not_in_a_ring() {
    let lab = Lab::installed();
    static GOOD: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    GOOD.get_or_init(|| serve(lab.site_folder(), honest));
    let ring: Server = |asked| ("302 Found", format!("Location: {}\r\n", asked.path), Vec::new());
    let ran = upgrade(&lab, &serve(lab.site_folder(), ring));
    documented(&ran, 6, "http://…: …");
    let sends: Server =
        |asked| ("302 Found", format!("Location: {}{}\r\n", GOOD.get().unwrap(), asked.path), Vec::new());
    upgrade(&lab, &serve(lab.site_folder(), sends)).done();
}
