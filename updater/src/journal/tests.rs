use edeploy_format::digest::Digest;
use edeploy_format::slot::Slot;

use super::*;

fn deployment(version: &str, slot: Slot, generation: u64) -> Deployment {
    Deployment {
        version: Some(version.parse().unwrap()),
        manifest: Digest::of(version.as_bytes()),
        slot,
        generation: Some(generation),
    }
}

fn old() -> Deployment {
    deployment("1.0", Slot::A, 1)
}

fn new() -> Deployment {
    deployment("1.1", Slot::B, 2)
}

fn journal() -> (tempfile::TempDir, Journal) {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::of(folder.path());
    (folder, journal)
}

fn events(journal: &Journal) -> Vec<Event> {
    journal.read().unwrap().into_iter().map(|line| line.event).collect()
}

fn lines(events: impl IntoIterator<Item = Event>) -> Vec<Line> {
    events.into_iter().map(|event| Line { time: 0, event }).collect()
}

fn booted(running: Deployment) -> Event {
    Event::Booted { running, trial: true, volatile: None }
}

fn armed() -> Event {
    Event::Armed { from: old(), to: new(), fetched: 1, written: 2, seconds: 3 }
}

fn unhealthy(reason: &str) -> Event {
    Event::Unhealthy { running: new(), reason: reason.to_owned(), reboot: true }
}

fn fell_back() -> Event {
    Event::FellBack { from: new(), to: old(), reason: "nginx".to_owned() }
}

#[test]
fn what_was_appended_is_read_in_order() {
    let (_folder, journal) = journal();
    assert_eq!(events(&journal), []);
    journal.append(armed()).unwrap();
    journal.append(booted(new())).unwrap();
    assert_eq!(events(&journal), [armed(), booted(new())]);
    assert!(journal.read().unwrap()[0].time > 1_700_000_000);
}

#[test]
fn a_line_is_what_the_documentation_says() {
    let line = Line { time: 7, event: Event::Blessed { running: old() } };
    let manifest = Digest::of(b"1.0");
    assert_eq!(
        serde_json::to_string(&line).unwrap(),
        format!(
            r#"{{"time":7,"event":{{"blessed":{{"running":{{"version":"1.0","manifest":"{manifest}","slot":"a","generation":1}}}}}}}}"#
        )
    );
}

#[test]
fn a_torn_last_line_costs_only_itself() {
    let (_folder, journal) = journal();
    journal.append(armed()).unwrap();
    let whole = std::fs::read(&journal.path).unwrap();
    for cut in 1..whole.len() {
        std::fs::write(&journal.path, [&whole[..], &whole[..cut]].concat()).unwrap();
        journal.append(fell_back()).unwrap();
        let expected = if cut == whole.len() - 1 {
            vec![armed(), armed(), fell_back()]
        } else {
            vec![armed(), fell_back()]
        };
        assert_eq!(events(&journal), expected, "cut at {cut}");
    }
}

#[test]
fn an_event_of_a_later_updater_is_passed_over() {
    let (_folder, journal) = journal();
    journal.append(armed()).unwrap();
    let mut text = std::fs::read_to_string(&journal.path).unwrap();
    text.push_str("{\"time\":1,\"event\":{\"teleported\":{}}}\n");
    std::fs::write(&journal.path, text).unwrap();
    journal.append(fell_back()).unwrap();
    assert_eq!(events(&journal), [armed(), fell_back()]);
}

#[test]
fn the_file_is_bounded_and_keeps_what_still_forbids_a_version() {
    let (_folder, journal) = journal();
    let good = deployment("0.9", Slot::B, 1);
    journal.append(Event::FellBack { from: good.clone(), to: old(), reason: "once".to_owned() }).unwrap();
    journal.append(Event::Blessed { running: good.clone() }).unwrap();
    journal.append(fell_back()).unwrap();
    let output = "x".repeat(8 << 10);
    for n in 0..100 {
        let event = Event::Hook { hook: "pre".to_owned(), end: n.to_string(), output: output.clone() };
        journal.append(event).unwrap();
        assert!(std::fs::metadata(&journal.path).unwrap().len() <= LIMIT);
    }
    let read = journal.read().unwrap();
    assert_eq!(read[0].event, fell_back());
    assert_eq!(all_refused(&read), [new().manifest]);
    let Event::Hook { end, .. } = &read[read.len() - 1].event else { panic!("{:?}", read[read.len() - 1]) };
    assert_eq!(end, "99");
}

#[test]
fn a_version_is_refused_until_it_is_blessed() {
    let refuses = |events: Vec<Event>| all_refused(&lines(events)).contains(&new().manifest);
    assert!(!refuses(vec![armed(), booted(new())]));
    assert!(refuses(vec![armed(), fell_back(), armed()]));
    assert!(!refuses(vec![fell_back(), armed(), Event::Blessed { running: new() }]));
    assert!(refuses(vec![Event::Blessed { running: new() }, fell_back()]));
    assert!(!refuses(vec![Event::FellBack { from: old(), to: new(), reason: String::new() }]));
}

#[test]
fn the_report_of_a_trial_is_its_last_complaint_since_it_was_armed() {
    let history =
        lines([armed(), unhealthy("of before"), armed(), booted(new()), unhealthy("first"), booted(new())]);
    assert_eq!(last_report(&history, &new()), (Some("first"), 2));
    assert_eq!(last_report(&history[..3], &new()), (None, 0));
    assert_eq!(last_report(&history, &old()), (None, 0));
}

#[test]
fn a_fall_back_is_found_for_its_generation_only() {
    let history = lines([fell_back()]);
    assert_eq!(fall_back(&history, &new()), Some(&fell_back()));
    assert_eq!(fall_back(&history, &Deployment { generation: Some(3), ..new() }), None);
}

#[test]
fn a_version_is_known_by_whatever_told_it_last() {
    let unnamed = Deployment { version: None, ..new() };
    let history = lines([armed(), booted(unnamed)]);
    assert_eq!(version_of(&history, &new().manifest), new().version);
    assert_eq!(version_of(&history, &old().manifest), old().version);
    assert_eq!(version_of(&history, &Digest::of(b"never")), None);
}

#[test]
fn every_event_is_read_as_it_was_written() {
    let (version, role) = ("1".parse().unwrap(), "web".parse().unwrap());
    let hook = Event::Hook { hook: "pre".to_owned(), end: "exit code 3".to_owned(), output: "x".to_owned() };
    let all = [
        Event::Installed { role, to: new() },
        Event::Started { from: old(), to: new() },
        Event::Failed { version, to: Some(new()), reason: "x".to_owned() },
        Event::Failed { version: "2".parse().unwrap(), to: None, reason: String::new() },
        hook,
        armed(),
        booted(new()),
        Event::Booted { running: old(), trial: false, volatile: Some("lost".to_owned()) },
        Event::Healthy { running: new(), wanted: vec!["ntp".to_owned()] },
        unhealthy("x"),
        Event::Blessed { running: new() },
        fell_back(),
        Event::Stays { running: old() },
        Event::RolledBack { from: new(), to: old() },
        Event::Repaired { found: vec!["x".to_owned()] },
    ];
    let (_folder, journal) = journal();
    all.iter().for_each(|event| journal.append(event.clone()).unwrap());
    assert_eq!(events(&journal), all);
    for wrong in [r#"{"blessed":{}}"#, r#"{"blessed":{"running":7}}"#, "{}", r#""blessed""#] {
        assert!(serde_json::from_str::<Event>(wrong).is_err(), "{wrong}");
    }
}
