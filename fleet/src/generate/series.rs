//! Texts with a range: how many they are, how long, and each of them, without making the others.

/// The texts of `a1-3b`, or the addresses of `10.0.0-1.1-20`.
pub(super) enum Series<'a> {
    /// The numbers, and what stands before and after them.
    Numbered(&'a str, Numbers, &'a str),
    /// Four numbers between dots, the last running fastest.
    Addresses([Numbers; 4]),
}

/// Numbers in ranges, one range after the other.
pub(super) struct Numbers {
    ranges: Vec<Range>,
    length: u64,
    /// Digits of the longest.
    digits: usize,
}

struct Range {
    /// How many numbers come before it.
    begins: u64,
    from: u64,
    to: u64,
    /// Digits, at least.
    width: usize,
}

impl<'a> Series<'a> {
    /// `None` for a text without a range.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        addresses(text).map(Self::Addresses).or_else(|| {
            let range = first_range(text)?;
            Some(Self::Numbered(
                &text[..range.start],
                Numbers::read(&text[range.clone()])?,
                &text[range.end..],
            ))
        })
    }

    /// How many texts; the greatest number if more.
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Numbered(_, numbers, _) => numbers.length,
            Self::Addresses(parts) => {
                parts.iter().fold(1, |length: u64, part| length.saturating_mul(part.length))
            }
        }
    }

    /// Bytes of the longest.
    pub(super) fn longest(&self) -> usize {
        match self {
            Self::Numbered(before, numbers, after) => before.len() + numbers.digits + after.len(),
            Self::Addresses(parts) => parts.iter().map(|part| part.digits + 1).sum(),
        }
    }

    /// One of them, of which there must be more than `n`.
    pub(super) fn at(&self, n: u64) -> String {
        match self {
            Self::Numbered(before, numbers, after) => format!("{before}{}{after}", numbers.at(n)),
            Self::Addresses(parts) => {
                let mut left = n;
                let mut texts = parts.each_ref().map(|_| String::new());
                for (text, part) in texts.iter_mut().zip(parts).rev() {
                    *text = part.at(left % part.length);
                    left /= part.length;
                }
                texts.join(".")
            }
        }
    }
}

impl Numbers {
    /// The numbers of `1-3:9-7`; `None` if a bound is no number that a machine counts with.
    fn read(text: &str) -> Option<Self> {
        let mut all = Self { ranges: Vec::new(), length: 0, digits: 0 };
        for part in text.split(':') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let width = if first.starts_with('0') { first.len() } else { 0 };
            let (from, to) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
            all.ranges.push(Range { begins: all.length, from, to, width });
            all.length = all.length.saturating_add(from.abs_diff(to).saturating_add(1));
            all.digits = all.digits.max(width).max(from.max(to).to_string().len());
        }
        Some(all)
    }

    fn at(&self, n: u64) -> String {
        let range = &self.ranges[self.ranges.partition_point(|range| range.begins <= n) - 1];
        let (step, rises) = (n - range.begins, range.from <= range.to);
        let number = if rises { range.from + step } else { range.from - step }.to_string();
        // Not by a width of `format!`, which has an end.
        "0".repeat(range.width.saturating_sub(number.len())) + &number
    }
}

/// Where the first `N-M`, with all that is joined to it by colons, stands.
fn first_range(text: &str) -> Option<std::ops::Range<usize>> {
    let bytes = text.as_bytes();
    let digits = |from: usize| from + bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    // Where digits end, and where the pair that they begin does.
    let pair = |from: usize| {
        let middle = digits(from);
        let end = (bytes.get(middle) == Some(&b'-')).then(|| digits(middle + 1));
        (middle, end.filter(|&end| middle > from && end > middle + 1))
    };
    let mut start = 0;
    let mut end = loop {
        start += bytes[start..].iter().position(u8::is_ascii_digit)?;
        match pair(start) {
            (_, Some(end)) => break end,
            // A part of these digits begins no pair either.
            (middle, None) => start = middle,
        }
    };
    while bytes.get(end) == Some(&b':') {
        let (_, Some(more)) = pair(end + 1) else { break };
        end = more;
    }
    Some(start..end)
}

/// The parts of what looks like an address with a range.
fn addresses(text: &str) -> Option<[Numbers; 4]> {
    let looks = text.bytes().all(|byte| byte.is_ascii_digit() || b":-.".contains(&byte));
    if !looks || !text.contains(['-', ':']) {
        return None;
    }
    let parts: Option<Vec<Numbers>> = text.split('.').map(Numbers::read).collect();
    parts?.try_into().ok()
}
