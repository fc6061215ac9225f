//! Canonical JSON as OLPC defined it and python-securesystemslib writes it: what is signed.
//!
//! Keys sorted by code point, no white space, whole numbers only, and in strings nothing escaped
//! but quote and backslash. <http://wiki.laptop.org/go/Canonical_JSON>

use serde_json::Value;

/// A number with a fraction or out of range has no canonical form.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} has no canonical form: only whole numbers of 64 bits do")]
pub struct NotCanonical(String);

/// The canonical form of `value`, in UTF-8.
///
/// # Errors
/// [`NotCanonical`].
pub(super) fn canonical(value: &Value) -> Result<Vec<u8>, NotCanonical> {
    let mut out = Vec::new();
    write(value, &mut out)?;
    Ok(out)
}

fn write(value: &Value, out: &mut Vec<u8>) -> Result<(), NotCanonical> {
    match value {
        Value::Null => out.extend(b"null"),
        Value::Bool(true) => out.extend(b"true"),
        Value::Bool(false) => out.extend(b"false"),
        Value::Number(n) if n.is_f64() => return Err(NotCanonical(n.to_string())),
        Value::Number(n) => out.extend(n.to_string().bytes()),
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            write_all(b'[', items, out, write)?;
            out.push(b']');
        }
        Value::Object(fields) => {
            // UTF-8 sorts as its code points do.
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| *key);
            write_all(b'{', sorted, out, |(key, value), out| {
                write_string(key, out);
                out.push(b':');
                write(value, out)
            })?;
            out.push(b'}');
        }
    }
    Ok(())
}

fn write_all<T>(
    open: u8,
    items: impl IntoIterator<Item = T>,
    out: &mut Vec<u8>,
    mut write: impl FnMut(T, &mut Vec<u8>) -> Result<(), NotCanonical>,
) -> Result<(), NotCanonical> {
    out.push(open);
    for (n, item) in items.into_iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        write(item, out)?;
    }
    Ok(())
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<String, NotCanonical> {
        canonical(&serde_json::from_str(text).unwrap()).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    /// What `securesystemslib.formats.encode_canonical` writes for the same document.
    #[test]
    fn the_form_is_that_of_securesystemslib() {
        let text = r#" {"b": [1, -2, true, null, {"z": "\u00fc\n\"\\", "a": ""}],
            "a": 18446744073709551615, "\ue000": 1, "\ud800\udc00": 2, "e": [{}, []]} "#;
        let expected = "{\"a\":18446744073709551615,\"b\":[1,-2,true,null,{\"a\":\"\",\"z\":\"\u{fc}\n\\\"\\\\\"}],\
            \"e\":[{},[]],\"\u{e000}\":1,\"\u{10000}\":2}";
        assert_eq!(of(text).as_deref(), Ok(expected));
    }

    #[test]
    fn numbers_that_are_not_whole_have_no_form() {
        for text in ["1.0", "[1e3]", r#"{"a":0.5}"#, "18446744073709551616", "-0"] {
            assert!(of(text).is_err(), "{text}");
        }
    }
}
