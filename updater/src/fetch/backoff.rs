//! How long to wait before a server is asked again.
//!
//! Exponential, with full jitter: hosts that failed together do not come back together.

use std::time::Duration;

use ureq::http::{HeaderMap, StatusCode, header};

/// The bound of the first pause; doubled with each failure.
const PAUSE: Duration = Duration::from_millis(500);
/// No pause of ours is longer.
const LONGEST: Duration = Duration::from_secs(30);
/// No server has us wait longer at a time.
const LONGEST_ASKED: Duration = Duration::from_secs(120);

/// The pause after so many failures, where `chance` is anything.
pub(crate) fn pause(failures: u32, chance: u32) -> Duration {
    let bound = PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST);
    let millis = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(millis.saturating_mul(chance.into()) >> 32)
}

/// What a busy server asks for: the seconds of its `Retry-After`. A date there is not read.
pub(crate) fn asked_for(status: StatusCode, headers: &HeaderMap) -> Duration {
    if status != StatusCode::TOO_MANY_REQUESTS && status != StatusCode::SERVICE_UNAVAILABLE {
        return Duration::ZERO;
    }
    let seconds = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Duration::from_secs(seconds.unwrap_or(0)).min(LONGEST_ASKED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_chance_takes_any_part_of_them() {
        let longest: Vec<_> = (1..9).map(|failures| pause(failures, u32::MAX).as_millis()).collect();
        assert_eq!(longest, [499, 999, 1999, 3999, 7999, 15_999, 29_999, 29_999]);
        assert_eq!([0, 1 << 30, 1 << 31].map(|chance| pause(3, chance).as_millis()), [0, 500, 1000]);
        assert_eq!(pause(u32::MAX, u32::MAX).as_millis(), 29_999);
    }

    #[test]
    fn a_busy_server_says_how_long_within_bounds() {
        let asked = |status, text: &str| {
            let headers = HeaderMap::from_iter([(header::RETRY_AFTER, text.parse().unwrap())]);
            asked_for(StatusCode::from_u16(status).unwrap(), &headers).as_secs()
        };
        assert_eq!((asked(503, "7"), asked(429, " 9 "), asked(500, "7")), (7, 9, 0));
        assert_eq!([asked(503, "121"), asked(503, "18446744073709551615")], [120, 120]);
        assert_eq!([asked(503, "-1"), asked(503, "Wed, 21 Oct 2026 07:28:00 GMT")], [0, 0]);
    }
}
