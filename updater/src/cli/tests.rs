use super::*;

fn parse(line: &str) -> Result<Cli, CliError> {
    Cli::parse(line.split_whitespace().map(OsString::from))
}

fn message(line: &str) -> String {
    parse(line).unwrap_err().to_string()
}

#[test]
fn what_is_typed_is_what_is_meant() {
    let cli = parse("upgrade D12-1.0.1 --json --no-reboot").unwrap();
    assert!(cli.common.json);
    let version = "D12-1.0.1".parse().unwrap();
    assert_eq!(cli.command, Command::Upgrade(Upgrade { version, retry: false, no_reboot: true }));
    assert_eq!(parse("").unwrap().command, Command::Help(None));
    assert_eq!(parse("upgrade --help").unwrap().command, Command::Help(Some("upgrade".to_owned())));
    assert_eq!(parse("--version").unwrap().command, Command::ProgramVersion);
}

#[test]
fn an_image_can_stand_in_for_the_machine() {
    let cli = parse("--disk d.img --booted b status").unwrap();
    assert_eq!(cli.common.booted, Some(Slot::B));
    assert_eq!(cli.common.disk, Some("d.img".into()));
}

#[test]
fn install_names_what_it_lacks() {
    assert_eq!(message("install"), "install needs --disk DEVICE_OR_FILE");
    assert_eq!(message("install --disk d --repo u --version 1"), "install needs --role ROLE");
    let full = "install --disk d --repo u --role web --version 1 --root root.json --wipe";
    let Command::Install(install) = parse(full).unwrap().command else { panic!("not install") };
    assert!(install.wipe);
    assert_eq!(install.version.as_str(), "1");
}

#[test]
fn what_is_too_much_is_named() {
    assert_eq!(message("list --wipe"), "list takes no --wipe");
    assert_eq!(message("status now"), "status takes no \"now\"");
    assert_eq!(message("upgrade"), "upgrade needs a version");
    assert_eq!(message("remember"), "remember needs --repo URL, --ca FILE or --profile TEXT");
    assert_eq!(message("upgrade a b c"), "upgrade takes no \"b\"");
    assert_eq!(message("frobnicate"), "no such command: \"frobnicate\"");
    assert!(message("list --frobnicate").contains("--frobnicate"));
    assert!(message("upgrade ../1").contains("is not a version"));
}

#[test]
fn limits_are_for_what_fetches_and_say_what_they_are() {
    let limits = parse("upgrade 2 --max-rate 512KiB --max-bytes 3GiB --stall 9 --deadline 3600").unwrap();
    let [rate, bytes, stall, deadline] = [512 << 10, 3 << 30, 9, 3600].map(NonZeroU64::new);
    assert_eq!(limits.common.limits, Limits { rate, bytes, stall, deadline });
    for command in ["list", "test-upgrade 2", "install --disk d --repo u --role r --version 1 --root f"] {
        assert!(parse(&format!("{command} --max-bytes 1")).is_ok(), "{command}");
    }
    assert_eq!(message("status --max-rate 1"), "status takes no limit: it fetches nothing");
    let number = "a limit is a number of seconds, or of bytes with KiB, MiB, GiB, TiB or nothing behind it";
    assert_eq!(message("list --max-rate 1MB"), format!("\"1MB\": {number}"));
    for bad in ["--deadline 0", "--stall soon", "--stall 1KiB", "--max-bytes 0"] {
        assert!(message(&format!("list {bad}")).ends_with(number), "{bad}");
    }
}

#[test]
fn repositories_are_taken_in_their_order() {
    let cli = parse("install --disk d --repo a --repo b --role r --version 1 --root f --later c --later d");
    let Cli { command: Command::Install(install), common } = cli.unwrap() else { panic!("not install") };
    assert_eq!((common.repos, install.later), (vec!["a".into(), "b".into()], vec!["c".into(), "d".into()]));
}

#[cfg(feature = "installer")]
#[test]
fn detection_takes_a_time_and_a_hint() {
    let asked = |line| match parse(line).unwrap().command {
        Command::Detect(asked) => asked,
        other => panic!("{other:?}"),
    };
    assert_eq!(asked("detect"), Detect { lldp: std::time::Duration::ZERO, hint: None });
    let Detect { lldp, hint } = asked("detect --lldp 35 --hint serial=S1,rotational=no");
    assert_eq!(lldp.as_secs(), 35);
    let hint = hint.unwrap();
    assert_eq!((hint.serial.as_deref(), hint.rotational), (Some("S1"), Some(false)));
    assert_eq!(message("list --hint name=sda"), "list takes no --hint");
    assert_eq!(message("detect --wipe"), "detect takes no --wipe");
    assert!(message("detect --hint rotational=1").contains("yes or no"));
}

#[cfg(not(feature = "installer"))]
#[test]
fn a_build_without_detection_says_which_one_has_it() {
    let said =
        "this build is without `detect`: the installer's program, built with the feature `installer`, has it";
    for line in ["detect", "detect --json", "detect --hint name=sda", "detect --lldp 1"] {
        assert_eq!(message(line), said, "{line}");
    }
    assert!(message("list --hint name=sda").contains("--hint"));
}
