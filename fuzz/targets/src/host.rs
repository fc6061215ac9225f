//! What a host keeps for itself, on a partition that others may have written to.

use edeploy_ab::journal::{self, Line};
use edeploy_ab::settings::Settings;

/// The set-up survives its text.
pub(crate) fn settings(data: &[u8]) {
    let Ok(settings) = serde_json::from_slice::<Settings>(data) else { return };
    let again: Settings = serde_json::from_slice(&settings.text()).expect("what was written is read");
    assert_eq!(again, settings);
    assert_eq!(settings.repos().len(), 1 + settings.mirrors.len());
}

/// Each line of the journal survives its text, and can be told.
pub(crate) fn journal(data: &[u8]) {
    let lines = data.split(|b| *b == b'\n').filter_map(|line| serde_json::from_slice::<Line>(line).ok());
    let lines: Vec<Line> = lines.collect();
    for line in &lines {
        let text = serde_json::to_vec(line).expect("plain keys");
        assert!(!text.contains(&b'\n'), "one line");
        assert_eq!(serde_json::from_slice::<Line>(&text).expect("what was written is read"), *line);
        let told = line.event.to_string();
        assert!(told.len() <= 16 * text.len() + 1024, "{} of {}", told.len(), text.len());
        for deployment in line.event.deployments() {
            let _ = journal::last_report(&lines, deployment);
            let _ = journal::fall_back(&lines, deployment);
        }
    }
    assert!(journal::all_refused(&lines).len() <= lines.len());
}
