//! The real command on the machine that runs the tests. Needs root, as the product does.

use std::process::{Command, Output};

fn run(arguments: &[&str]) -> (i32, String, String) {
    let output: Output =
        Command::new(env!("CARGO_BIN_EXE_edeploy-ab")).arg("detect").args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn this_machine_is_described_as_a_list_of_four_texts_each() {
    let (code, out, err) = run(&["--json"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let lines: Vec<[String; 4]> = serde_json::from_str(&out).unwrap();
    let value = |class: &str, item: &str, attribute: &str| {
        let line = lines.iter().find(|line| line[..3] == [class, item, attribute]);
        line.unwrap_or_else(|| panic!("no {class} {item} {attribute} in {lines:#?}"))[3].clone()
    };
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap();
    let processors = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    assert_eq!(value("cpu", "logical", "number"), processors.to_string());
    assert_eq!(value("system", "kernel", "version"), rustix::system::uname().release().to_str().unwrap());
    assert!(value("memory", "total", "size").parse::<u64>().unwrap() > 0);
    let (code, text, _) = run(&[]);
    assert_eq!(code, 0);
    assert!(text.contains(&format!("\ncpu logical number {processors}\n")), "{text}");
}

#[test]
fn a_hint_that_no_disk_fits_ends_as_unsuitable_and_says_why() {
    let (code, out, err) = run(&["--hint", "serial=nobody-has-this,min-size=1K"]);
    assert_eq!((code, out.as_str()), (10, ""));
    let none = err == "edeploy-ab: this machine has no disk\n";
    assert!(none || err.contains(", not \"nobody-has-this\""), "{err}");
}

#[test]
fn what_is_typed_wrong_is_named() {
    let (code, _, err) = run(&["--hint", "vendor=x"]);
    assert_eq!(code, 2);
    assert!(err.starts_with("edeploy-ab: \"vendor\" in the hint: there are name,"), "{err}");
    let (code, _, err) = run(&["--lldp", "soon"]);
    assert_eq!(code, 2);
    assert!(err.contains("\"soon\": a limit is a number of seconds"), "{err}");
    let list = Command::new(env!("CARGO_BIN_EXE_edeploy-ab")).args(["list", "--lldp", "1"]).output().unwrap();
    assert_eq!(String::from_utf8(list.stderr).unwrap(), "edeploy-ab: list takes no --lldp\n");
}

#[test]
fn the_help_says_which_hints_there_are() {
    let (code, out, _) = run(&["--help"]);
    assert_eq!(code, 0);
    for key in ["name", "by-id", "serial", "model", "min-size", "max-size", "rotational"] {
        assert!(out.contains(key), "{key} is not in {out}");
    }
}
