//! What a machine that is installed and the fleet service read of each other.

use edeploy_format::fleet::{Plan, Report};
use edeploy_format::tuf::Envelope;
use serde_json::{Value, json};

use crate::tuf::document;

/// A report that is read is read again as it was written; of a plan holds what holds of all that is signed.
///
/// The bytes are a report, a plan, or what stands below `signed` in one.
pub(crate) fn plan(data: &[u8]) {
    if let Ok(report) = serde_json::from_slice::<Report>(data) {
        let written = serde_json::to_vec(&report).expect("texts are always JSON");
        let again: Report = serde_json::from_slice(&written).expect("what was written is read");
        assert_eq!(again, report);
    }
    file(data);
    let Ok(signed) = serde_json::from_slice::<Value>(data) else { return };
    if signed.get("signatures").is_none() {
        file(&serde_json::to_vec(&json!({"signatures": [], "signed": signed})).expect("a value"));
    }
}

fn file(bytes: &[u8]) {
    let Ok(envelope) = Envelope::parse(bytes) else { return };
    let Some(bytes) = document::<Plan>(&envelope) else { return };
    let plan: Plan = envelope.read().expect("it was read just now");
    let again: Plan =
        Envelope::parse(&bytes).and_then(|again| again.read()).expect("what was signed is read");
    assert_eq!(again, plan);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds::seeds;

    #[test]
    fn the_examples_are_read() {
        let [plan, report] = &seeds("plan")[..] else { panic!("two examples") };
        assert!(serde_json::from_slice::<Plan>(plan).is_ok());
        assert!(serde_json::from_slice::<Report>(report).is_ok());
    }
}
