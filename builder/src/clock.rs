//! What time it is: the one place that asks.

use std::time::{SystemTime, UNIX_EPOCH};

use edeploy_format::tuf::Time;

/// The present moment by the machine's clock; 1970 when that is earlier.
#[must_use]
pub fn now() -> Time {
    Time::new(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}
