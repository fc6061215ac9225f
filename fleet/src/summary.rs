//! A machine in one line, from its hardware lines: what tells one from another at a glance.

/// So many characters of what a firmware calls its machine are shown.
const NAME: usize = 60;
/// So many disks are shown by their size.
const DISKS: usize = 8;

type Line = [String; 4];

/// The line: `Dell PowerEdge R640, 32 threads, 64 GiB, 2 disks (480, 480 GB), 2 network cards`. What is not known is
/// left out.
#[must_use]
pub fn summary(hardware: &[Line]) -> String {
    let parts = [product(hardware), threads(hardware), memory(hardware), disks(hardware), cards(hardware)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The values of an attribute of all items of a class.
fn values<'a>(hardware: &'a [Line], class: &'a str, attribute: &'a str) -> impl Iterator<Item = &'a str> {
    let of = move |line: &&Line| line[0] == class && line[2] == attribute;
    hardware.iter().filter(of).map(|line| &*line[3])
}

fn value<'a>(hardware: &'a [Line], class: &str, item: &str, attribute: &str) -> Option<&'a str> {
    hardware.iter().find(|line| line[..3] == [class, item, attribute]).map(|line| &*line[3])
}

fn product(hardware: &[Line]) -> Option<String> {
    let name = |attribute| value(hardware, "system", "product", attribute);
    let words: Vec<&str> = [name("vendor"), name("name")].into_iter().flatten().collect();
    let plain = |c: &char| !c.is_control();
    (!words.is_empty()).then(|| words.join(" ").chars().filter(plain).take(NAME).collect())
}

fn threads(hardware: &[Line]) -> Option<String> {
    let number: u64 = value(hardware, "cpu", "logical", "number")?.parse().ok()?;
    Some(counted(number, "thread"))
}

fn memory(hardware: &[Line]) -> Option<String> {
    let bytes: u64 = value(hardware, "memory", "total", "size")?.parse().ok()?;
    let mib = bytes >> 20;
    Some(if mib >= 1024 { format!("{} GiB", mib / 1024) } else { format!("{mib} MiB") })
}

fn disks(hardware: &[Line]) -> Option<String> {
    let sizes: Vec<u64> = values(hardware, "disk", "size").filter_map(|size| size.parse().ok()).collect();
    if sizes.is_empty() {
        return None;
    }
    let more = if sizes.len() > DISKS { ", …" } else { "" };
    let shown = sizes.iter().take(DISKS).map(u64::to_string).collect::<Vec<_>>().join(", ");
    Some(format!("{} ({shown}{more} GB)", counted(sizes.len() as u64, "disk")))
}

fn cards(hardware: &[Line]) -> Option<String> {
    match values(hardware, "network", "serial").count() {
        0 => None,
        count => Some(counted(count as u64, "network card")),
    }
}

fn counted(number: u64, what: &str) -> String {
    let many = if number == 1 { "" } else { "s" };
    format!("{number} {what}{many}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<Line> {
        let line = |line: &str| {
            let values: Vec<String> = line.splitn(4, ' ').map(str::to_owned).collect();
            values.try_into().unwrap()
        };
        text.lines().map(line).collect()
    }

    #[test]
    fn a_machine_is_one_line() {
        let hardware = lines(
            "system product vendor Dell\nsystem product name PowerEdge R640\ncpu logical number 32\n\
             memory total size 68719476736\ndisk logical count 2\ndisk sda size 480\ndisk sdb size 1200\n\
             network eth0 serial 52:54:00:AA:00:01",
        );
        assert_eq!(
            summary(&hardware),
            "Dell PowerEdge R640, 32 threads, 64 GiB, 2 disks (480, 1200 GB), 1 network card"
        );
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        assert_eq!(summary(&[]), "");
        assert_eq!(summary(&lines("memory total size 536870912\ncpu logical number many")), "512 MiB");
    }
}
