//! Messages quote what they are about; where somebody put a private key into a recipe or a hook, it goes no further.
//!
//! Found are PEM blocks of any private key, whole or cut at either end, and base64 that is known by how it begins; in
//! lines, in lines as `\n` writes them, and in lines that were joined by blanks. A key in another form is not.

/// What is in the base64 of private keys only, near its beginning: Ed25519 in PKCS#8 v1 and v2, OpenSSH's own form; EC
/// keys of 256, 384 and 521 bits, bare and in PKCS#8; RSA bare and in PKCS#8; and PBES2, encrypted, at each alignment.
const PRIVATE: [&str; 14] = [
    "MC4CAQAwBQYDK2Vw",
    "MFECAQEwBQYDK2Vw",
    "b3BlbnNzaC1rZXktdjE",
    "MHcCAQEEI",
    "MIGkAgEBBD",
    "MIHcAgEBBEI",
    "MIGHAgEAMBMGByqGSM49",
    "MIG2AgEAMBAGByqGSM49",
    "MIHuAgEAMBAGByqGSM49",
    "IBAAKC",
    "IBADANBgkqhkiG9w0BAQEF",
    "BgkqhkiG9w0BBQ0",
    "GCSqGSIb3DQEFDT",
    "YJKoZIhvcNAQUN",
];
const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
/// White space as it is written out.
const ESCAPES: [&str; 3] = ["\\n", "\\r", "\\t"];
/// What stands in place of a key.
const SHOWN: &str = "(a private key)";
/// A line of base64 is at least as long, but the last of a key.
const LINE: usize = 16;

/// The text without private keys.
pub(super) fn without_keys(mut text: String) -> String {
    while let Some((begin, end)) = block(&text).or_else(|| rest(&text)).or_else(|| bare(&text)) {
        text.replace_range(begin..end, SHOWN);
    }
    text
}

/// A PEM block. One without its end takes all that follows: it may have headers.
fn block(text: &str) -> Option<(usize, usize)> {
    let begin = labelled(text, BEGIN)?;
    let end = text[begin..].find(END).map_or(text.len(), |at| after_end(text, begin + at));
    Some((begin, end))
}

/// The end of a block whose beginning was cut off.
fn rest(text: &str) -> Option<(usize, usize)> {
    let end = labelled(text, END)?;
    let mut begin = end;
    loop {
        let before = text[..begin].len() - blank_end(&text[..begin]);
        let line = line_begin(&text[..before]);
        let length = before - line;
        let short = begin != end && length < LINE;
        if length == 0 || short {
            return Some((begin, after_end(text, end)));
        }
        begin = line;
    }
}

/// Base64 of a key, from the beginning of its line.
fn bare(text: &str) -> Option<(usize, usize)> {
    let found = PRIVATE.iter().filter_map(|key| text.find(key)).min()?;
    let begin = line_begin(&text[..found]);
    let mut end = begin + run(&text[begin..]);
    loop {
        let blank = blank(&text[end..]);
        let next = end + blank;
        if text[next..].starts_with(END) {
            return Some((begin, after_end(text, next)));
        }
        let length = run(&text[next..]);
        let is_line = text[end..next].contains(['\n', '\\']);
        let behind = &text[next + length..];
        let ends =
            (is_line || length.is_multiple_of(4)) && (behind.is_empty() || behind.starts_with(['"', '\'']));
        let is_last = ends || behind[self::blank(behind)..].starts_with(END);
        if blank == 0 || length == 0 || length < LINE && !is_last {
            return Some((begin, end));
        }
        end = next + length;
    }
}

/// Where a line of PEM is that begins with `word` and speaks of a private key.
fn labelled(text: &str, word: &str) -> Option<usize> {
    let is = |at: &usize| {
        let label = &text[at + word.len()..];
        label.split("-----").next().is_some_and(|label| label.contains("PRIVATE KEY") && label.len() < 64)
    };
    text.match_indices(word).map(|(at, _)| at).find(is)
}

/// Where the last line of a block that begins at `at` ends.
fn after_end(text: &str, at: usize) -> usize {
    let label = at + END.len();
    text[label..].find("-----").map_or(text.len(), |dashes| label + dashes + 5)
}

fn is_base64(c: char) -> bool {
    c.is_ascii_alphanumeric() || "+/=".contains(c)
}

/// Bytes of base64 at the beginning.
fn run(text: &str) -> usize {
    text.len() - text.trim_start_matches(is_base64).len()
}

/// Where the base64 begins that the text ends with. The n of `\n` before it is none of it.
fn line_begin(text: &str) -> usize {
    let begin = text.trim_end_matches(is_base64).len();
    let is_escaped = text[..begin].ends_with('\\') && text[begin..].starts_with(['n', 'r', 't']);
    begin + usize::from(is_escaped)
}

/// Bytes of white space at the end, written out or not.
fn blank_end(text: &str) -> usize {
    let mut rest = text;
    loop {
        let next = rest.trim_end();
        let next = ESCAPES.iter().find_map(|escape| next.strip_suffix(escape)).unwrap_or(next);
        if next.len() == rest.len() {
            return text.len() - rest.len();
        }
        rest = next;
    }
}

/// Bytes of white space at the beginning, written out or not.
fn blank(text: &str) -> usize {
    let mut rest = text;
    loop {
        let next = rest.trim_start();
        let next = ESCAPES.iter().find_map(|escape| next.strip_prefix(escape)).unwrap_or(next);
        if next.len() == rest.len() {
            return text.len() - rest.len();
        }
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn made(line: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new("sh").args(["-c", line]).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Whether something of a key's base64 is shown: its head is the same for all.
    fn shows(text: &str, pem: &str) -> bool {
        let body: Vec<&str> =
            pem.lines().filter(|line| !line.contains("-----") && !line.contains(": ")).collect();
        let body = body.concat();
        body.as_bytes()[24..].chunks_exact(8).any(|part| text.contains(std::str::from_utf8(part).unwrap()))
    }

    #[test]
    fn no_line_of_a_private_key_is_shown_however_it_is_written_and_cut() {
        for line in [
            "openssl genpkey -algorithm ed25519",
            "openssl genpkey -algorithm rsa -pkeyopt rsa_keygen_bits:2048",
            "openssl genrsa -traditional 2048",
            "openssl ecparam -genkey -noout -name prime256v1",
            "openssl ecparam -genkey -noout -name secp384r1",
            "openssl ecparam -genkey -noout -name secp521r1 | openssl pkcs8 -topk8 -nocrypt",
            "openssl genpkey -algorithm ed25519 | openssl pkcs8 -topk8 -passout pass:x",
            "openssl genpkey -algorithm ed25519 | openssl pkcs8 -topk8 -scrypt -passout pass:x",
            "openssl genrsa -traditional -aes128 -passout pass:x 2048",
        ] {
            let pem = made(line);
            let lines: Vec<&str> = pem.lines().collect();
            let has_headers = pem.contains("Proc-Type");
            let from = if has_headers { 0 } else { 1 };
            for (cut, text) in [
                ("whole", pem.clone()),
                ("with its end", pem.trim_end().to_owned()),
                ("without its end", lines[..lines.len() - 1].join("\n")),
                ("without its beginning", lines[from..].join("\n")),
                ("bare", lines[from..lines.len() - 1].join("\n")),
            ] {
                for text in
                    [text.clone(), format!("{text:?}"), text.replace('\n', "\r\n"), text.replace('\n', " ")]
                {
                    let shown = without_keys(format!("line 3: {text}"));
                    assert!(!shows(&shown, &pem), "{line}, {cut}: {shown}");
                    assert!(shown.starts_with("line 3: "), "{line}, {cut}: {shown}");
                }
            }
            let shown = without_keys(format!("before {pem:?} and behind"));
            assert_eq!(shown, "before \"(a private key)\\n\" and behind", "{line}");
        }
    }

    #[test]
    fn the_end_of_a_key_and_the_form_of_openssh_are_not_shown() {
        let key = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n\
                   QyNTUxOQAAACBVT0ovbIaTY1n2WtJMO1rSP3eUO2VxYWQfYJ4Pj8OsPwAAAJgM2wqMDNsK\njAAAAAtz\n";
        let end = "-----END OPENSSH PRIVATE KEY-----";
        for text in [format!("{key}{end}"), format!("{:?}", format!("{key}{end}")).replace('"', "")] {
            assert_eq!(
                without_keys(format!("hook: {text} is what it said")),
                "hook: (a private key) is what it said"
            );
            let at = text.find("QyNT").unwrap();
            assert!(!shows(&without_keys(text[at..].to_owned()), key));
        }
    }

    #[test]
    fn words_and_public_keys_are_shown() {
        for text in [
            "reading /srv/some/long/path/without/any/dot/in/it: no such file",
            "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----",
            "no private key here",
        ] {
            assert_eq!(without_keys(text.to_owned()), text);
        }
    }
}
