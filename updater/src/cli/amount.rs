//! Numbers that limit fetching, as they are typed: bytes as `300000`, `512KiB`, `2 GiB`, in the units of recipes,
//! and seconds.

use std::num::NonZeroU64;

/// The units of bytes, and how often a byte is doubled for one.
pub(super) const BYTES: &[(&str, u32)] = &[("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];
/// Seconds have none.
pub(super) const SECONDS: &[(&str, u32)] = &[];

/// The number that `text` says; `None` if it is none, or 0.
pub(super) fn amount(text: &str, units: &[(&str, u32)]) -> Option<NonZeroU64> {
    let unit = units.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?.trim_end(), *shift)));
    let (digits, shift) = unit.unwrap_or((text, 0));
    let number: u64 = digits.parse().ok().filter(|_| !digits.starts_with('+'))?;
    NonZeroU64::new(number.checked_mul(1 << shift)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_bytes_or_have_a_unit() {
        let bytes = |text| amount(text, BYTES).map(NonZeroU64::get);
        assert_eq!(
            ["1", "1500000", "3KiB", "512MiB", "2 GiB", "1TiB"].map(bytes),
            [1, 1_500_000, 3 << 10, 512 << 20, 2 << 30, 1 << 40].map(Some)
        );
        for bad in ["", "0", "0KiB", "KiB", "-1", "+1", "1.5MiB", "1MB", "1M", "16777216TiB"] {
            assert_eq!(bytes(bad), None, "{bad:?}");
        }
        assert_eq!(["7", "7KiB", "0"].map(|text| amount(text, SECONDS)), [NonZeroU64::new(7), None, None]);
    }
}
