//! Integers in texts: decimal, in their one form.

use std::str::FromStr;

/// The number that `text` writes without `+`, leading zeros or separators; `-` where `T` has it.
pub(crate) fn decimal<T: FromStr>(text: &str) -> Option<T> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let canonical = !digits.starts_with(['0', '+']) || text == "0";
    if canonical { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_form() {
        assert_eq!([decimal("0"), decimal("7"), decimal("18446744073709551615")], [0, 7, u64::MAX].map(Some));
        assert_eq!((decimal("-7"), decimal::<u64>("-7")), (Some(-7_i64), None));
        for text in ["", "+5", "007", "00", "-0", "-07", "-+7", "--7", "1_000", " 7", "7 ", "0x7"] {
            assert_eq!(decimal::<i64>(text), None, "{text:?}");
        }
    }
}
