//! Whatever comes in, the answer is a problem that says what is wrong, and the service stays.

use crate::fleet::Fleet;
use crate::profiles::WEB;
use crate::toy::Toy;

fn booted() -> (Fleet, Toy) {
    let fleet = Fleet::start(WEB);
    fleet.must("permit --new 9");
    let mut toy = Toy::new(1, 20);
    toy.boot(&fleet);
    (fleet, toy)
}

fn report(hardware: &str) -> Vec<u8> {
    let head = r#"{"program":"0","architecture":"amd64","uefi":true,"#;
    format!(r#"{head}"nonce":"{}","hardware":{hardware}}}"#, "0".repeat(64)).into_bytes()
}

#[test]
fn hostile_reports_are_refused_with_a_reason() {
    let (fleet, mut toy) = booted();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let many = format!("[{}[\"a\",\"b\",\"c\",\"d\"]]", "[\"a\",\"b\",\"c\",\"d\"],".repeat(20_000));
    let long = format!("[[\"a\",\"b\",\"c\",\"{}\"]]", "x".repeat((16 << 10) + 1));
    let mut latin = report("[[\"a\",\"b\",\"c\",\"?\"]]");
    let at = latin.iter().position(|&byte| byte == b'?').unwrap();
    latin[at] = 0xff;
    for (body, status, says) in [
        (b"".to_vec(), 400, "EOF while parsing a value at line 1 column 0"),
        (b"hello".to_vec(), 400, "expected value at line 1 column 1"),
        (latin, 400, "invalid unicode code point"),
        (report(&deep), 422, "invalid type: sequence, expected a string"),
        (report("[[\"a\",\"b\",\"c\",1]]"), 422, "invalid type: integer `1`, expected a string"),
        (report("[[\"a\",\"b\",\"c\"]]"), 422, "invalid length 3, expected an array of length 4"),
        (report("{}"), 422, "invalid type: map, expected a sequence"),
        (report(&many), 422, "more than 20000 lines of hardware"),
        (report(&long), 422, "line 1: a value of more than 16384 bytes"),
        (b"{\"nonce\":\"00\"}".to_vec(), 422, "missing field `program`"),
    ] {
        let answer = fleet.post("/v1/machine/report", &toy.token, &body);
        let detail = answer.problem(status);
        assert!(detail.starts_with(says), "{detail}");
    }
    let huge = vec![b' '; (4 << 20) + 1];
    assert_eq!(fleet.post("/v1/machine/report", &toy.token, &huge).problem(413), "more than 4194304 bytes");
    let mut old = toy.next();
    old.nonce = "0".repeat(63);
    assert_eq!(toy.send(&fleet, &old).problem(422), "the nonce is not 64 hexadecimal digits");
    assert_eq!(toy.report(&fleet).status, 200);
}

#[test]
fn hostile_progress_and_logs_are_refused_or_kept_as_text() {
    let (fleet, mut toy) = booted();
    toy.plan(&fleet);
    let progress = |body: &str| fleet.post("/v1/machine/progress", &toy.token, body);
    assert!(progress("{\"stage\":\"flying\"}").problem(422).starts_with("unknown variant `flying`"));
    assert!(progress("{\"stage\":\"writing\",\"done\":-1}").problem(422).starts_with("invalid value"));
    assert_eq!(progress("{\"stage\":\"writing\",\"done\":18446744073709551615,\"total\":1}").status, 204);
    let log = |body: &[u8]| fleet.post("/v1/machine/log", &toy.token, body);
    assert_eq!(log(&vec![b'x'; (4 << 20) + 1]).problem(413), "more than 4194304 bytes");
    assert_eq!(log(b"a\xffb").status, 204);
    let operator = fleet.operator();
    let kept = fleet.get(&format!("/v1/hosts/{}/log", toy.name()), &operator);
    assert_eq!((kept.kind.as_str(), kept.text.as_str()), ("text/plain; charset=utf-8", "a\u{fffd}b"));
}

#[test]
fn a_token_is_needed_and_must_be_the_right_one() {
    let (fleet, toy) = booted();
    for path in ["/v1/machine/report", "/v1/machine/progress", "/v1/machine/log"] {
        assert_eq!(fleet.post(path, "wrong", "{}").problem(403).split(',').next(), Some("this token is not"));
        let answer = fleet.plainly("POST", path, &[], "{}");
        assert_eq!(answer.problem(401), "a token is needed: `Authorization: Bearer …`");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    // A machine is no operator.
    assert_eq!(fleet.get("/v1/hosts", &toy.token).problem(401), "this is no operator's token");
    let operator = fleet.operator();
    assert_eq!(fleet.post("/v1/machine/report", &operator, "{}").status, 403);
    assert_eq!(fleet.get("/v1/hosts", &operator).status, 200);
    fleet.must("token remove tester");
    assert_eq!(fleet.get("/v1/hosts", &operator).status, 401);
}

#[test]
fn what_is_not_there_is_a_problem_too() {
    let fleet = Fleet::start(&[]);
    let operator = fleet.operator();
    assert_eq!(fleet.get("/nowhere", "").problem(404), "there is nothing at this address");
    assert_eq!(fleet.get("/v1/hosts/web1", &operator).problem(404), "there is no machine web1");
    assert_eq!(
        fleet.get("/v1/hosts/web1/log", &operator).problem(404),
        "there is no log, or no such machine"
    );
    assert_eq!(fleet.post("/v1/hosts/web1/permit", &operator, "").problem(404), "there is no machine web1");
    let answer = fleet.post("/v1/hosts", &operator, "");
    assert_eq!(answer.problem(405), "there is something at this address, but not for this method");
    assert_eq!(answer.header("allow"), Some("GET,HEAD"));
    assert_eq!(fleet.get("/v1/boot", "").problem(400), "the request cannot be understood");
    let says = "not the address of a network card as 52:54:00:12:34:56: \"$(reboot)\"";
    assert_eq!(fleet.get("/v1/boot?mac=$(reboot)", "").problem(422), says);
    let says = "missing field `new` at line 1 column 2";
    assert_eq!(fleet.post("/v1/permissions", &operator, "{}").problem(422), says);
}

#[test]
fn nothing_that_a_machine_said_stands_in_a_script() {
    let fleet = Fleet::start(&[]);
    let evil = "%0Achain%20http://evil/";
    let path = format!("/v1/boot?mac=52:54:00:00:00:01&uuid={evil}&serial={evil}&platform=pcbios");
    let script = fleet.get(&path, "").text;
    assert!(
        script.starts_with("#!ipxe\necho This machine is not installed: it was started by a BIOS"),
        "{script}"
    );
    assert!(!script.contains("evil"), "{script}");
}

#[test]
fn assets_are_served_and_nothing_beside_them() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("assets")).unwrap();
    std::fs::write(folder.path().join("assets/vmlinuz"), "kernel").unwrap();
    std::fs::write(folder.path().join("secret"), "secret").unwrap();
    let assets = folder.path().join("assets");
    let fleet = Fleet::start_with(&[], &["--assets", assets.to_str().unwrap()]);
    assert_eq!(fleet.get("/install/vmlinuz", "").text, "kernel");
    for path in ["/install/initrd", "/install/../secret", "/install/%2e%2e/secret", "/install/..%2fsecret"] {
        assert_eq!(fleet.plainly("GET", path, &[], "").status, 404, "{path}");
    }
}

#[test]
fn a_site_is_served_and_is_where_machines_find_their_role() {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in [("metadata/root.json", "{}"), ("install/vmlinuz", "kernel")] {
        let file = folder.path().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    let fleet = Fleet::start_with(WEB, &["--site", folder.path().to_str().unwrap()]);
    assert_eq!(fleet.get("/install/vmlinuz", "").text, "kernel");
    assert_eq!(fleet.get("/repo/metadata/root.json", "").text, "{}");
    fleet.must("permit --new 1");
    let mut toy = Toy::new(1, 20);
    let script = toy.boot(&fleet);
    let repo = format!("http://{}/repo", fleet.address);
    assert!(script.contains(&format!(" edeploy.repo={repo} ")), "{script}");
}
