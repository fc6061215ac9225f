//! A hint as it is typed: `serial=S1,min-size=100G,rotational=no`.

use edeploy_format::fleet::Hint;

/// Sizes by their ends: those of disks are decimal, others have an `i`.
const UNITS: [(&str, u64); 9] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("K", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("", 1),
];

/// Why a text is no hint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HintError {
    /// No key, or no value.
    #[error("{0:?} in the hint: a part is KEY=VALUE")]
    Part(String),
    /// No such key.
    #[error("{0:?} in the hint: there are name, by-id, serial, model, min-size, max-size and rotational")]
    Key(String),
    /// A key is there twice.
    #[error("{0} is twice in the hint")]
    Twice(String),
    /// A size that is none.
    #[error(
        "{0:?} in the hint: a size is a number of bytes, with K, M, G, T, KiB, MiB, GiB, TiB or nothing behind it"
    )]
    Size(String),
    /// Neither yes nor no.
    #[error("{0:?} in the hint: rotational is yes or no")]
    Rotational(String),
}

/// Reads a hint. A value that has a comma is put in double quotes.
///
/// # Errors
/// [`HintError`] with the part that is wrong.
pub fn parse(text: &str) -> Result<Hint, HintError> {
    let mut hint = Hint::default();
    for part in parts(text) {
        let (key, value) = part.split_once('=').ok_or_else(|| HintError::Part(part.to_owned()))?;
        let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
        if value.is_empty() {
            return Err(HintError::Part(part.to_owned()));
        }
        let again = match key {
            "name" => hint.name.replace(without(value, "/dev/")).is_some(),
            "by-id" => hint.by_id.replace(without(value, "/dev/disk/by-id/")).is_some(),
            "serial" => hint.serial.replace(value.to_owned()).is_some(),
            "model" => hint.model.replace(value.to_owned()).is_some(),
            "min-size" => hint.min_size.replace(size(value)?).is_some(),
            "max-size" => hint.max_size.replace(size(value)?).is_some(),
            "rotational" => hint.rotational.replace(yes(value)?).is_some(),
            other => return Err(HintError::Key(other.to_owned())),
        };
        if again {
            return Err(HintError::Twice(key.to_owned()));
        }
    }
    Ok(hint)
}

/// What stands between the commas that are not within quotes.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    let comma = move |c: char| {
        inside ^= c == '"';
        c == ',' && !inside
    };
    text.split(comma).filter(|part| !part.is_empty())
}

fn without(value: &str, folder: &str) -> String {
    value.strip_prefix(folder).unwrap_or(value).to_owned()
}

fn size(value: &str) -> Result<u64, HintError> {
    let sized = UNITS.iter().find_map(|(unit, bytes)| Some((value.strip_suffix(unit)?, bytes)));
    let number = sized.and_then(|(number, bytes)| number.parse::<u64>().ok()?.checked_mul(*bytes));
    number.ok_or_else(|| HintError::Size(value.to_owned()))
}

fn yes(value: &str) -> Result<bool, HintError> {
    match value {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err(HintError::Rotational(value.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_read_as_it_is_typed() {
        let text =
            "name=/dev/sda,by-id=wwn-0x5,serial=S1,model=\"A, B\",min-size=100G,max-size=1TiB,rotational=no";
        let expected = Hint {
            name: Some("sda".to_owned()),
            by_id: Some("wwn-0x5".to_owned()),
            serial: Some("S1".to_owned()),
            model: Some("A, B".to_owned()),
            min_size: Some(100_000_000_000),
            max_size: Some(1 << 40),
            rotational: Some(false),
        };
        assert_eq!(parse(text), Ok(expected));
        assert_eq!(parse(""), Ok(Hint::default()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let said = |text| parse(text).unwrap_err().to_string();
        assert_eq!(said("serial"), "\"serial\" in the hint: a part is KEY=VALUE");
        assert_eq!(said("name="), "\"name=\" in the hint: a part is KEY=VALUE");
        assert_eq!(said("serial=a,serial=b"), "serial is twice in the hint");
        assert_eq!(said("rotational=maybe"), "\"maybe\" in the hint: rotational is yes or no");
        assert!(said("vendor=x").starts_with("\"vendor\" in the hint: there are name, by-id"));
        for size in ["min-size=-1", "max-size=1P", "min-size=99999999999T", "min-size=G"] {
            assert!(said(size).contains("a size is a number of bytes"), "{size}");
        }
    }
}
