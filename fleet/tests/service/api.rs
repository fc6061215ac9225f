//! What operators ask and say, and the document that describes it.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::fleet::Fleet;
use crate::profiles::WEB;
use crate::toy::Toy;

#[test]
fn the_document_describes_every_method_and_no_other() {
    let fleet = Fleet::start(WEB);
    let document = fleet.get("/v1/openapi.json", "").json();
    assert_eq!(document["openapi"], "3.1.0");
    for (path, methods) in document["paths"].as_object().unwrap() {
        let at = path.replace("{name}", "web1");
        for method in ["get", "post", "put", "patch", "delete"] {
            if path == "/v1/events" && method == "get" {
                continue;
            }
            let status = fleet.plainly(&method.to_uppercase(), &at, &[], "").status;
            assert_eq!(status != 405, methods.get(method).is_some(), "{method} {path}: {status}");
        }
    }
}

#[test]
fn operators_permit_and_forbid_over_http_and_by_command_alike() {
    let fleet = Fleet::start(WEB);
    let operator = fleet.operator();
    let mut toy = Toy::new(1, 20);
    let path = format!("/v1/hosts/{}", toy.mac);
    assert_eq!(fleet.get(&path, &operator).status, 404);
    let host = fleet.post(&format!("{path}/permit"), &operator, "").json();
    assert_eq!((&host["name"], &host["permission"]["attempts"]), (&json!(toy.name()), &json!(0)));
    assert!(toy.boot(&fleet).contains("kernel "));
    assert_eq!(fleet.delete(&format!("{path}/permission"), &operator).json()["permission"], json!(null));
    assert_eq!(fleet.delete(&format!("{path}/permission"), &operator).status, 404);
    assert!(toy.boot(&fleet).ends_with("exit 1\n"));
    fleet.must(&format!("permit {}", toy.name()));
    assert!(toy.boot(&fleet).contains("kernel "));
    let permissions = fleet.post("/v1/permissions", &operator, "{\"new\": 3}").json();
    assert_eq!((&permissions["new"], &permissions["machines"][0]["name"]), (&json!(3), &json!(toy.name())));
    assert!(fleet.must("hosts").ends_with("\tmay be installed\n"));
    fleet.must(&format!("forbid {}", toy.mac));
    fleet.must("permit --new 0");
    assert_eq!(fleet.get("/v1/permissions", &operator).json(), json!({"new": 0, "machines": []}));
}

#[test]
fn commands_say_what_is_wrong_and_end_with_its_code() {
    let fleet = Fleet::start(WEB);
    fleet.operator();
    for (line, code, says) in [
        ("token add tester", 3, "tester has a token: remove it first"),
        ("token remove nobody", 4, "there is no token of nobody"),
        ("permit web1", 4, "there is no machine web1"),
        ("reinstall 52:54:00:00:00:09", 4, "there is no machine 52:54:00:00:00:09"),
        ("forbid web1", 4, "there is no permission of web1"),
        ("release web1", 4, "there is no machine web1"),
        ("hosts web1", 4, "there is no machine web1"),
    ] {
        let (ended, out, error) = fleet.command(line);
        assert_eq!((ended, &*out, &*error), (code, "", &*format!("edeploy-fleet: {says}\n")), "{line}");
    }
}

#[test]
fn the_installer_is_told_the_repositories_and_what_else_was_said() {
    let more =
        ["--repo", "http://127.0.0.1:1/a/", "--repo", "http://127.0.0.1:2", "--url", "http://fleet.example/"];
    let fleet = Fleet::start_with(WEB, &[&more[..], &["--kernel-arguments", "console=ttyS0 quiet"]].concat());
    fleet.must("permit --new 1");
    let mut toy = Toy::new(1, 20);
    let script = toy.boot(&fleet);
    let says = format!(
        "kernel http://fleet.example/install/vmlinuz initrd=initrd edeploy.server=http://fleet.example \
         edeploy.token={} edeploy.repo=http://127.0.0.1:1/a edeploy.repo=http://127.0.0.1:2 console=ttyS0 quiet || ",
        toy.token
    );
    assert!(script.contains(&says), "{script}");
    let refused = fleet.command("serve --profiles /none --url http://a|b");
    assert_eq!(refused.0, 2);
    assert_eq!(refused.2, "edeploy-fleet: --url: not an address as http://fleet.example:8420\n");
}

#[test]
fn those_who_listen_for_changes_leave_connections_to_others() {
    let fleet = Fleet::start(&[]);
    let listen = || {
        let mut stream = TcpStream::connect(&fleet.address).unwrap();
        stream.write_all(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut head = String::new();
        BufReader::new(stream.try_clone().unwrap()).read_line(&mut head).unwrap();
        (stream, head)
    };
    let mut all: Vec<_> = (0..16).map(|_| listen()).collect();
    assert!(all.iter().all(|(_, head)| head.starts_with("HTTP/1.1 200 ")), "{all:?}");
    assert!(listen().1.starts_with("HTTP/1.1 503 "));
    assert_eq!(fleet.get("/v1/boot?mac=52:54:00:00:00:01", "").status, 200);
    all.clear();
    // Who left is noticed at the next word to them.
    fleet.must("permit --new 1");
    let again = || listen().1.starts_with("HTTP/1.1 200 ");
    assert!((0..100).any(|_| again() || {
        thread::sleep(Duration::from_millis(100));
        false
    }));
}

#[test]
fn the_events_tell_of_every_change() {
    use std::io::{BufRead, BufReader, Write};

    let fleet = Fleet::start(WEB);
    let mut stream = std::net::TcpStream::connect(&fleet.address).unwrap();
    stream.write_all(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut events =
        BufReader::new(stream).lines().map(Result::unwrap).filter(|line| line.starts_with("data: "));
    let first = events.next().unwrap();
    fleet.must("permit --new 1");
    assert_ne!(events.next().unwrap(), first);
}
