//! The order of versions as the loader sees it (systemd's `strverscmp_improved`, as in
//! systemd-boot 252): numbers by value, and within a version `~` < end < `-` < `^` < `.`.

use std::cmp::Ordering;

/// Compares two versions; the greater is the newer.
#[must_use]
pub fn compare_versions(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        (a, b) = (skip_strange(a), skip_strange(b));
        if let Some(unequal) = separator(&mut a, &mut b, b'~') {
            return unequal;
        }
        if a.is_empty() || b.is_empty() {
            return a.cmp(b);
        }
        for mark in [b'-', b'^', b'.'] {
            if let Some(unequal) = separator(&mut a, &mut b, mark) {
                return unequal;
            }
        }
        let numeric = starts_with_digit(a) || starts_with_digit(b);
        let order = if numeric { numbers(&mut a, &mut b) } else { words(&mut a, &mut b) };
        if order.is_ne() {
            return order;
        }
    }
}

fn starts_with_digit(text: &[u8]) -> bool {
    text.first().is_some_and(u8::is_ascii_digit)
}

fn skip_strange(text: &[u8]) -> &[u8] {
    let strange = |b: &u8| !b.is_ascii_alphanumeric() && !b"~-^.".contains(b);
    &text[text.iter().take_while(|b| strange(b)).count()..]
}

/// If one of the two begins with `mark`, it is the older; if both do, the mark is passed over.
fn separator(a: &mut &[u8], b: &mut &[u8], mark: u8) -> Option<Ordering> {
    match (a.first() == Some(&mark), b.first() == Some(&mark)) {
        (false, false) => None,
        (true, false) => Some(Ordering::Less),
        (false, true) => Some(Ordering::Greater),
        (true, true) => {
            (*a, *b) = (&a[1..], &b[1..]);
            None
        }
    }
}

/// Takes the bytes at the beginning that are `like`.
fn take<'a>(text: &mut &'a [u8], like: impl Fn(&u8) -> bool) -> &'a [u8] {
    let (taken, rest) = text.split_at(text.iter().take_while(|b| like(b)).count());
    *text = rest;
    taken
}

fn numbers(a: &mut &[u8], b: &mut &[u8]) -> Ordering {
    take(a, |&c| c == b'0');
    take(b, |&c| c == b'0');
    let (a, b) = (take(a, u8::is_ascii_digit), take(b, u8::is_ascii_digit));
    // Without leading zeros the longer number is the greater one, however long it is.
    a.len().cmp(&b.len()).then(a.cmp(b))
}

fn words(a: &mut &[u8], b: &mut &[u8]) -> Ordering {
    let (a, b) = (take(a, u8::is_ascii_alphabetic), take(b, u8::is_ascii_alphabetic));
    a.cmp(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_the_loader_orders_them() {
        let ascending = ["", "1~rc1", "1", "2", "9", "10", "10-1", "10^1", "10.1", "99999999999999999999"];
        for (n, low) in ascending.iter().enumerate() {
            assert_eq!(compare_versions(low, low), Ordering::Equal, "{low}");
            for high in &ascending[n + 1..] {
                assert_eq!(compare_versions(low, high), Ordering::Less, "{low} {high}");
                assert_eq!(compare_versions(high, low), Ordering::Greater, "{high} {low}");
            }
        }
        assert_eq!(compare_versions("007", "7"), Ordering::Equal);
        assert_eq!(compare_versions("a1", "ab"), Ordering::Less);
        assert_eq!(compare_versions("1a", "a"), Ordering::Greater);
    }

    #[test]
    fn counted_names_come_after_plain_ones_and_fewer_tries_before_more() {
        let ascending = ["edeploy-b-g8.conf", "edeploy-b-g8+2-1.conf", "edeploy-b-g8+3.conf"];
        assert!(ascending.is_sorted_by(|a, b| compare_versions(a, b).is_lt()));
    }
}
