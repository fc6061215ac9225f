//! What eyes see, in a headless Chromium; pictures are below `target/tmp/screenshots`.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::time::Duration;

use edeploy_format::fleet::Stage;
use serde_json::json;

use crate::browser::Browser;
use crate::fleet::Fleet;
use crate::profiles::{BROKEN, WEB_AND_DB};
use crate::toy::Toy;

#[test]
fn the_page_of_machines_shows_an_install_as_it_goes() {
    let fleet = Fleet::start(WEB_AND_DB);
    let mut browser = Browser::start();
    browser.open(&fleet.url("/"));
    browser.wait_for("main", "No machine was seen yet.");
    // From here on nothing is loaded anew but by the page itself.
    browser.ask("window.stays = true");
    let mut toy = Toy::new(1, 20);
    fleet.must("permit --new 3");
    toy.boot(&fleet);
    browser.wait_for("tbody tr", "installer asked for");
    browser.wait_for("#new", "The next 2 machines that are new may be installed.");
    toy.plan(&fleet);
    browser.wait_for("tbody tr", "plan given");
    browser.wait_for("tbody tr td", "Toy, 2 threads, 4 GiB, 1 disk (20 GB), 1 network card");
    toy.at(&fleet, Stage::Writing);
    browser.wait_for("tbody tr", "50 %");
    assert_eq!(browser.ask("document.querySelector('tbody progress').value"), 50);
    browser.screenshot("machines");
    toy.tell(&fleet, Stage::Writing, 60, Some("the disk broke"));
    browser.wait_for("tbody tr .failure", "the disk broke");
    toy.plan(&fleet);
    toy.at(&fleet, Stage::Installed);
    browser.wait_for("tbody tr .done", "installed");
    assert_eq!(browser.ask("document.querySelector('tbody tr td:nth-child(3)').textContent"), "web");
    assert_eq!(browser.ask("window.stays"), true);
}

#[test]
fn a_page_that_lost_the_service_says_so_and_is_live_again_once_that_is_back() {
    let mut fleet = Fleet::start(WEB_AND_DB);
    let mut browser = Browser::start();
    browser.open(&fleet.url("/"));
    browser.wait_for("main", "No machine was seen yet.");
    browser.ask("window.stays = true");
    fleet.kill();
    as_a_gateway_without_service(&fleet.address, 2);
    browser.wait_for("body.old main", "No machine was seen yet.");
    fleet.run();
    fleet.must("permit --new 1");
    Toy::new(1, 20).boot(&fleet);
    browser.wait_for("body:not(.old) tbody tr", "installer asked for");
    assert_eq!(browser.ask("window.stays"), true);
}

/// Answers as nginx does while the service behind it is away, until so many asked for events.
fn as_a_gateway_without_service(address: &str, listeners: usize) {
    let gateway = TcpListener::bind(address).unwrap();
    let mut asked = 0;
    while asked < listeners {
        let (mut stream, _) = gateway.accept().unwrap();
        // Browsers open connections that they may not need.
        stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let head = BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
        asked += head.filter(|line| line.contains(" /v1/events ")).count();
        let _ =
            stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
}

#[test]
fn the_page_of_a_machine_says_why_it_matched_nothing_and_runs_nothing_of_it() {
    let fleet = Fleet::start(WEB_AND_DB);
    fleet.must("permit --new 1");
    let mut toy = Toy::new(1, 5);
    toy.boot(&fleet);
    let evil = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">";
    let mut report = toy.next();
    report.hardware[0][3] = evil.to_owned();
    toy.send(&fleet, &report).problem(409);
    fleet.post("/v1/machine/log", &toy.token, format!("{evil}\nlast words"));
    let mut browser = Browser::start();
    browser.open(&fleet.url(&format!("/machines/{}", toy.name())));
    browser.wait_for("#log", "last words");
    for profile in ["db", "web"] {
        browser.wait_for("main h2", &format!("Why it is no {profile}"));
    }
    browser.wait_for(".tried", "disk $disk size gt(100)");
    browser.wait_for("#hardware td", evil);
    assert_eq!(browser.ask("document.scripts.length"), 1);
    assert_ne!(browser.ask("document.title"), "owned");
    browser.screenshot("machine");
}

#[test]
fn the_page_of_profiles_shows_counts_and_what_is_wrong() {
    let fleet = Fleet::start(BROKEN);
    let mut browser = Browser::start();
    browser.open(&fleet.url("/profiles"));
    browser.wait_for("#profile-db", "1 of 1 left");
    browser.wait_for("#profile-web", "any number");
    browser.wait_for("#profile-bad .failure", "bad");
    fleet.must("permit --new 1");
    let mut toy = Toy::new(1, 200);
    toy.boot(&fleet);
    toy.plan(&fleet);
    browser.wait_for("#profile-db", "0 of 1 left");
    browser.screenshot("profiles");
    let listed = fleet.get("/v1/profiles", &fleet.operator()).json();
    let names: Vec<_> = listed["profiles"].as_array().unwrap().iter().map(|p| p["name"].clone()).collect();
    assert_eq!(names, [json!("db"), json!("bad"), json!("web")]);
}

#[test]
fn called_by_another_name_the_pages_need_an_operators_token() {
    let fleet = Fleet::start(WEB_AND_DB);
    let other = [("host", "fleet.example")];
    let answer = fleet.plainly("GET", "/", &other, "");
    assert_eq!((answer.status, answer.header("location")), (303, Some("/login")));
    assert_eq!(fleet.plainly("GET", "/v1/events", &other, "").status, 401);
    let port = fleet.address.rsplit_once(':').unwrap().1;
    let mut browser = Browser::start();
    // Chromium takes every such name for loopback.
    browser.open(&format!("http://fleet.localhost:{port}/"));
    browser.wait_for("h1", "Log in");
    let log_in = |browser: &mut Browser, token: &str| {
        let token = json!(token);
        browser.ask(&format!("document.querySelector('input').value = {token}; document.forms[0].submit()"));
    };
    log_in(&mut browser, "guess");
    browser.wait_for(".failure", "That is no operator's token.");
    log_in(&mut browser, &fleet.operator());
    browser.wait_for("h1", "Machines");
    assert_eq!(browser.ask("document.cookie"), "");
    fleet.must("token remove tester");
    browser.open(&format!("http://fleet.localhost:{port}/"));
    browser.wait_for("h1", "Log in");
}

#[test]
fn a_cookie_changes_nothing() {
    let fleet = Fleet::start(WEB_AND_DB);
    let token = fleet.operator();
    let logged_in = fleet.plainly("POST", "/login", &[("host", "fleet.example")], &format!("token={token}"));
    let cookie = logged_in.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let headers = [("cookie", &*cookie), ("host", "fleet.example")];
    let page = fleet.plainly("GET", "/", &headers, "");
    assert_eq!(page.status, 200);
    // It is no token, nor is a token one.
    let session = cookie.strip_prefix("edeploy-fleet=").unwrap();
    assert_eq!(fleet.get("/v1/hosts", session).status, 401);
    let headers_with_token = [("cookie", &*format!("edeploy-fleet={token}")), ("host", "fleet.example")];
    assert_eq!(fleet.plainly("GET", "/", &headers_with_token, "").status, 303);
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'; "));
    assert_eq!(fleet.plainly("POST", "/v1/permissions", &headers, "{\"new\":1}").status, 401);
    // A session ends with the token that began it.
    fleet.must("token remove tester");
    assert_eq!(fleet.plainly("GET", "/", &headers, "").status, 303);
}
