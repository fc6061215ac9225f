//! The machine as its maker calls it, its firmware, and what runs on it now.

use super::dmi::Table;
use super::list::List;
use super::tree::Tree;

/// Serial numbers that whole series of boards have.
const BAD_SERIALS: [&str; 2] = ["0123456789", "0000000000"];
/// Kernel arguments whose values are nobody's business.
const SECRETS: [&str; 4] = ["token", "password", "passwd", "secret"];

/// Adds the lines of the classes `system` and `firmware`.
pub(super) fn detect(tree: &Tree, table: &Table, list: &mut List) {
    let dmi = |file: &str| tree.value(&format!("sys/class/dmi/id/{file}"));
    // Where the kernel shows no files for them, the structures themselves are read.
    let of = |kind: u8, at: usize| table.of(kind).next().and_then(|s| s.string(at)).map(str::to_owned);
    list.maybe("system", "product", "serial", dmi("product_serial").or_else(|| of(1, 7)));
    list.maybe(
        "system",
        "product",
        "name",
        product(dmi("product_name").or_else(|| of(1, 5)), dmi("product_sku")),
    );
    list.maybe("system", "product", "vendor", dmi("sys_vendor").or_else(|| of(1, 4)));
    list.maybe("system", "product", "version", dmi("product_version").or_else(|| of(1, 6)));
    list.maybe("system", "product", "uuid", dmi("product_uuid").filter(|uuid| is_set(uuid)));
    for (attribute, file, at) in [
        ("name", "board_name", 5),
        ("vendor", "board_vendor", 4),
        ("version", "board_version", 6),
        ("serial", "board_serial", 7),
    ] {
        list.maybe("system", "motherboard", attribute, dmi(file).or_else(|| of(2, at)));
    }
    for (attribute, file, at) in
        [("version", "bios_version", 5), ("date", "bios_date", 8), ("vendor", "bios_vendor", 4)]
    {
        list.maybe("firmware", "bios", attribute, dmi(file).or_else(|| of(0, at)));
    }
    running(tree, list);
}

/// lshw writes the order number behind the name, and specs are written for that.
fn product(name: Option<String>, sku: Option<String>) -> Option<String> {
    match (name, sku) {
        (Some(name), Some(sku)) => Some(format!("{name} ({sku})")),
        (name, _) => name,
    }
}

/// Whether an identity was ever given: all zeros and all ones are none.
fn is_set(uuid: &str) -> bool {
    let mut digits = uuid.chars().filter(|c| *c != '-');
    let first = digits.next();
    !matches!(first, Some('0' | 'f' | 'F')) || digits.any(|digit| Some(digit) != first)
}

/// The system that looks: in an installer, the installer.
fn running(tree: &Tree, list: &mut List) {
    let release = tree.text("etc/os-release").unwrap_or_default();
    let field = |key: &str| {
        let value = release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        value.map(|value| value.trim_matches(['"', '\'']).to_owned())
    };
    list.maybe("system", "os", "vendor", field("ID").map(|id| capital(&id)));
    list.maybe("system", "os", "version", field("PRETTY_NAME"));
    list.maybe("system", "kernel", "version", tree.value("proc/sys/kernel/osrelease"));
    let architecture = tree.value("proc/sys/kernel/arch");
    list.push("system", "kernel", "arch", architecture.as_deref().unwrap_or(std::env::consts::ARCH));
    list.maybe("system", "kernel", "cmdline", tree.value("proc/cmdline").map(|line| public(&line)));
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The kernel's arguments without the values of those that are secret, or hold who somebody is at an address.
fn public(line: &str) -> String {
    let is_secret = |key: &str, value: &str| {
        let named = SECRETS.iter().any(|secret| key.to_lowercase().contains(secret));
        named || value.split_once("://").is_some_and(|(_, rest)| rest.contains('@'))
    };
    let shown = |argument: String| match argument.split_once('=') {
        Some((key, value)) if is_secret(key, value) => format!("{key}=…"),
        _ => argument,
    };
    words(line).into_iter().map(shown).collect::<Vec<_>>().join(" ")
}

/// The words of a command line, as the kernel cuts it: at blanks outside double quotes, which are left out.
pub(crate) fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// Puts something that tells machines apart in place of a serial number that does not.
pub(super) fn fix_serial(list: &mut List) {
    if !list.value("system", "product", "serial").is_some_and(|serial| BAD_SERIALS.contains(&serial)) {
        return;
    }
    let uuid = list.value("system", "product", "uuid");
    let board = list.value("system", "motherboard", "serial");
    let card = list.any_value("network", "serial").map(|address| address.replace(':', ""));
    let better = uuid.or(board).map(str::to_owned).or(card);
    if let Some(better) = better {
        list.replace("system", "product", "serial", &better);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_number_of_all_boards_gives_way_to_what_is_there() {
        let fixed = |lines: &[(&str, &str, &str, &str)]| {
            let mut list = List::default();
            lines.iter().for_each(|(class, item, attribute, value)| list.push(class, item, attribute, value));
            fix_serial(&mut list);
            list.value("system", "product", "serial").map(str::to_owned)
        };
        let bad = ("system", "product", "serial", "0123456789");
        let card = ("network", "eth0", "serial", "52:54:00:00:00:01");
        let board = ("system", "motherboard", "serial", "M1");
        let uuid = ("system", "product", "uuid", "u1");
        assert_eq!(fixed(&[bad, card, board, uuid]).as_deref(), Some("u1"));
        assert_eq!(fixed(&[bad, card, board]).as_deref(), Some("M1"));
        assert_eq!(fixed(&[bad, card]).as_deref(), Some("525400000001"));
        assert_eq!(fixed(&[bad]).as_deref(), Some("0123456789"));
        assert_eq!(fixed(&[("system", "product", "serial", "CZ3"), uuid]).as_deref(), Some("CZ3"));
    }

    #[test]
    fn tokens_on_the_kernels_command_line_are_not_reported() {
        assert_eq!(
            public("quiet edeploy.token=abc PASSWORD=x root=y"),
            "quiet edeploy.token=… PASSWORD=… root=y"
        );
        assert_eq!(
            public("edeploy.token=\"a b\" edeploy.repo=http://who:key@site/repo edeploy.server=http://site"),
            "edeploy.token=… edeploy.repo=… edeploy.server=http://site"
        );
    }

    #[test]
    fn an_identity_that_was_never_given_is_none() {
        assert!(!is_set("00000000-0000-0000-0000-000000000000") && !is_set("FFFFFFFF-FFFF"));
        assert!(is_set("0f000000-0000-0000-0000-000000000000") && is_set("11111111-1111"));
    }
}
