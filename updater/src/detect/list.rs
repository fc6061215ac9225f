//! The list as it grows: what goes in is text that can be shown, and no more of it than a report may hold.
//!
//! Firmware and disks say what they like: bytes that are not UTF-8 are replaced where they are read, control
//! characters here. An empty value is no value.

/// Class, item, attribute and value.
pub type Line = [String; 4];

/// Lines, at most: the service takes 20000.
const LINES: usize = 15_000;
/// Bytes of all texts, at most: escaped, they stay below what the service takes.
const BYTES: usize = 3 << 19;
/// Bytes of one text, at most: the flags of a processor are some thousand.
const TEXT: usize = 8 << 10;

/// The lines found so far.
#[derive(Debug, Default)]
pub(super) struct List {
    lines: Vec<Line>,
    bytes: usize,
}

impl List {
    /// Adds a line, if it says anything and there is room.
    pub(super) fn push(&mut self, class: &str, item: &str, attribute: &str, value: impl AsRef<str>) {
        let line = [class, item, attribute, value.as_ref()].map(shown);
        let bytes: usize = line.iter().map(String::len).sum();
        let room = self.lines.len() < LINES && self.bytes + bytes <= BYTES;
        if room && line.iter().all(|text| !text.is_empty()) {
            self.bytes += bytes;
            self.lines.push(line);
        }
    }

    /// Adds a line where there is a value.
    pub(super) fn maybe(&mut self, class: &str, item: &str, attribute: &str, value: Option<String>) {
        if let Some(value) = value {
            self.push(class, item, attribute, value);
        }
    }

    /// The value of the first such line.
    pub(super) fn value(&self, class: &str, item: &str, attribute: &str) -> Option<&str> {
        let found = |line: &&Line| line[0] == class && line[1] == item && line[2] == attribute;
        self.lines.iter().find(found).map(|line| line[3].as_str())
    }

    /// The value of the first line of this class and attribute, whatever its item.
    pub(super) fn any_value(&self, class: &str, attribute: &str) -> Option<&str> {
        self.lines.iter().find(|line| line[0] == class && line[2] == attribute).map(|line| line[3].as_str())
    }

    /// Puts another value in place of that of the first such line.
    pub(super) fn replace(&mut self, class: &str, item: &str, attribute: &str, value: &str) {
        let found = |line: &&mut Line| line[0] == class && line[1] == item && line[2] == attribute;
        if let Some(line) = self.lines.iter_mut().find(found) {
            line[3] = shown(value);
        }
    }

    /// The end of it.
    pub(super) fn into_lines(self) -> Vec<Line> {
        self.lines
    }
}

/// A text without control characters and outer spaces, cut where it is too long.
fn shown(text: &str) -> String {
    let mut text = text.replace(char::is_control, " ").trim().to_owned();
    if let Some(cut) = (0..=TEXT).rev().find(|at| text.is_char_boundary(*at)).filter(|_| text.len() > TEXT) {
        text.truncate(cut);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_empty_is_left_out_and_control_characters_are_spaces() {
        let mut list = List::default();
        list.push("disk", "sda", "model", " \n");
        list.push("disk", "sda", "vendor", "\u{1b}[31mA\tB\0");
        assert_eq!(list.into_lines(), [["disk", "sda", "vendor", "[31mA B"].map(str::to_owned)]);
    }

    #[test]
    fn a_list_stays_what_the_service_takes() {
        let mut list = List::default();
        for number in 0..100_000 {
            list.push("a", "b", "c", number.to_string());
        }
        assert_eq!(list.into_lines().len(), LINES);
        let mut list = List::default();
        for _ in 0..1_000 {
            list.push("a", "b", "c", "\"".repeat(100_000));
        }
        let lines = list.into_lines();
        assert_eq!(lines[0][3].len(), TEXT);
        let report = serde_json::to_string(&lines).unwrap();
        assert!(report.len() < 4 << 20, "{} bytes", report.len());
    }
}
