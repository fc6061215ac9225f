//! What the service answers, held against the document that it serves of itself.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use edeploy_format::fleet::Stage;
use serde_json::{Value, json};

use crate::fleet::{Answer, Fleet};
use crate::profiles::WEB;
use crate::toy::Toy;

/// What is wrong with answers, line by line.
fn wrong(document: &Value, answers: &[Value]) -> Vec<String> {
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-c", include_str!("document.py")]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("python3: apt-get install python3-jsonschema");
    let given = json!({ "document": document, "answers": answers }).to_string();
    child.stdin.take().unwrap().write_all(given.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "apt-get install python3-jsonschema");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Answers as they come.
#[derive(Default)]
struct Answers(Vec<Value>);

impl Answers {
    fn keep(&mut self, method: &str, path: &str, answer: &Answer) {
        let path = path.split('?').next();
        self.0.push(json!({
            "method": method, "path": path, "status": answer.status, "kind": answer.kind, "text": answer.text,
        }));
    }
}

/// Asks for whatever there is, of a service that knows one machine at some stage.
fn ask_for_all(fleet: &Fleet, operator: &str, toy: &Toy, answers: &mut Answers) {
    let host = format!("/v1/hosts/{}", toy.name());
    for path in
        ["/v1/hosts", &host, &format!("{host}/log"), "/v1/permissions", "/v1/profiles", "/v1/hosts/nobody"]
    {
        answers.keep("get", path, &fleet.get(path, operator));
        answers.keep("get", path, &fleet.get(path, "no token"));
    }
}

#[test]
fn every_answer_is_as_the_document_says() {
    let fleet = Fleet::start(WEB);
    let operator = fleet.operator();
    let document = fleet.get("/v1/openapi.json", "");
    let mut answers = Answers::default();
    answers.keep("get", "/v1/openapi.json", &document);
    answers.keep("get", "/v1/boot.ipxe", &fleet.get("/v1/boot.ipxe", ""));
    let (mut toy, mut small) = (Toy::new(1, 20), Toy::new(2, 5));
    let host = format!("/v1/hosts/{}", toy.name());
    let post = |answers: &mut Answers, path: &str, body: &str| {
        let answer = fleet.post(path, &operator, body);
        answers.keep("post", path, &answer);
        answer
    };
    let boot = format!("/v1/boot?mac={}&uuid=u&serial=s&platform=efi&arch=x86_64", toy.mac);
    answers.keep("get", &boot, &fleet.get(&boot, ""));
    ask_for_all(&fleet, &operator, &toy, &mut answers);
    for body in ["{\"new\": 2}", "{\"new\": -2}", "[", "{\"machine\": \"52:54:00:00:00:09\"}"] {
        post(&mut answers, "/v1/permissions", body);
    }
    post(&mut answers, &format!("{host}/permit"), "");
    let arrival = json!({ "macs": [toy.mac], "uuid": "u", "serial": "s", "uefi": true }).to_string();
    post(&mut answers, "/v1/machine/token", &arrival);
    post(&mut answers, "/v1/machine/token", "{}");
    ask_for_all(&fleet, &operator, &toy, &mut answers);
    toy.boot(&fleet);
    answers.keep("post", "/v1/machine/report", &fleet.post("/v1/machine/report", &toy.token, "{}"));
    answers.keep("post", "/v1/machine/report", &toy.report(&fleet));
    answers.keep("post", "/v1/machine/progress", &toy.tell(&fleet, Stage::Writing, 5, None));
    answers.keep("post", "/v1/machine/log", &fleet.post("/v1/machine/log", &toy.token, "a line\n"));
    ask_for_all(&fleet, &operator, &toy, &mut answers);
    post(&mut answers, &format!("{host}/release"), "");
    answers.keep("post", "/v1/machine/progress", &toy.tell(&fleet, Stage::Writing, 6, Some("no disk")));
    toy.boot(&fleet);
    answers.keep("post", "/v1/machine/report", &toy.report(&fleet));
    answers.keep("post", "/v1/machine/progress", &toy.tell(&fleet, Stage::Installed, 100, None));
    ask_for_all(&fleet, &operator, &toy, &mut answers);
    post(&mut answers, &format!("{host}/permit"), "");
    post(&mut answers, &format!("{host}/reinstall"), "");
    for _ in 0..2 {
        let path = format!("{host}/permission");
        answers.keep("delete", &path, &fleet.delete(&path, &operator));
    }
    post(&mut answers, &format!("{host}/release"), "");
    // What may not be installed, and an install that does not run.
    fleet.must("permit --new 0");
    let stranger = "/v1/boot?mac=52:54:00:00:00:07&platform=efi&arch=x86_64&only_install=1";
    answers.keep("get", stranger, &fleet.get(stranger, ""));
    let arrival = arrival.replace(&toy.mac, "52:54:00:00:00:07").replace("\"u\"", "\"v\"");
    post(&mut answers, "/v1/machine/token", &arrival);
    answers.keep("post", "/v1/machine/report", &fleet.post("/v1/machine/report", "no token", "{}"));
    fleet.must("permit --new 1");
    small.boot(&fleet);
    answers.keep("post", "/v1/machine/progress", &small.tell(&fleet, Stage::Writing, 5, None));
    answers.keep("post", "/v1/machine/report", &small.report(&fleet));
    ask_for_all(&fleet, &operator, &small, &mut answers);
    answers.keep("post", "/v1/machine/log", &fleet.post("/v1/machine/log", "no token", ""));

    let document = document.json();
    assert_eq!(wrong(&document, &answers.0), Vec::<String>::new());
    assert_eq!(not_asked(&document, &answers.0), BTreeSet::from(["get /v1/events 200".to_owned()]));
    // It would see a field that is not described, one of another kind, and another media type.
    for (field, value) in
        [("text", "{\"new\": 0, \"more\": 1}"), ("text", "{\"new\": \"0\"}"), ("kind", "text/plain")]
    {
        let mut bent = json!({
            "method": "get", "path": "/v1/permissions", "status": 200, "kind": "application/json", "text": "{}",
        });
        bent[field] = json!(value);
        assert_eq!(wrong(&document, &[bent]).len(), 1, "{value}");
    }
}

/// The answers that the document lists by their status and that never came.
fn not_asked(document: &Value, answers: &[Value]) -> BTreeSet<String> {
    let mut listed = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let statuses = operation["responses"].as_object().into_iter().flat_map(|all| all.keys());
            listed.extend(
                statuses
                    .filter(|status| *status != "default")
                    .map(|status| format!("{method} {path} {status}")),
            );
        }
    }
    let template = |path: &str| match path.split('/').collect::<Vec<_>>()[..] {
        ["", "v1", "hosts", _] => "/v1/hosts/{name}".to_owned(),
        ["", "v1", "hosts", _, of] => format!("/v1/hosts/{{name}}/{of}"),
        _ => path.to_owned(),
    };
    for answer in answers {
        let (method, path) = (answer["method"].as_str().unwrap(), template(answer["path"].as_str().unwrap()));
        listed.remove(&format!("{method} {path} {}", answer["status"]));
    }
    listed
}
