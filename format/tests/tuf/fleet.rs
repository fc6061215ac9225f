//! Plans: who may sign one, and what the key that may cannot do beside.

use crate::site::*;
use edeploy_format::fleet::{Hint, OnFailure, OnSuccess, Plan};
use edeploy_format::tuf::*;

/// The key that is delegated to.
const FLEET: u8 = 6;

/// A site that delegates plans to these keys.
fn site(keys: &[u8]) -> Site {
    let mut site = Site::new();
    let delegations = site.targets.delegations.as_mut().unwrap();
    delegations.keys.extend(keys.iter().map(|seed| (id(*seed), public(*seed))));
    let role_keys = RoleKeys::new(keys.iter().map(|seed| id(*seed)), 1);
    delegations.roles.push(Delegation::of_fleet(role_keys));
    site
}

fn plan(nonce: &str) -> Plan {
    Plan {
        common: Common::new::<Plan>(1, at(LATER)),
        nonce: nonce.to_owned(),
        machine: "acme-7".to_owned(),
        profile: "web".to_owned(),
        role: web(),
        version: "D12-1.0.0".parse().unwrap(),
        repos: vec!["http://a/".to_owned()],
        disk: Hint::default(),
        slot_size: None,
        files: Vec::new(),
        scripts: Vec::new(),
        on_success: OnSuccess::Reboot,
        on_failure: OnFailure::Console,
    }
}

fn signed_by(seed: u8) -> Vec<u8> {
    sign(&plan("n1"), &[&key(seed)]).unwrap()
}

/// Why a plan is not believed under the metadata of `site`.
fn refused(site: &Site, bytes: &[u8]) -> String {
    let (targets, _) = site.publish().walk(None, NOW).unwrap();
    chain(&targets.plan(bytes, "n1").unwrap_err())
}

const UNSIGNED: &str = "reading the plan: signed by 0 of the keys that may sign it, and 1 must";

#[test]
fn each_of_the_keys_delegated_to_signs_plans_and_its_date_does_not_count() {
    let (targets, _) = site(&[FLEET, 7]).publish().walk(None, NOW).unwrap();
    for seed in [FLEET, 7] {
        let found = targets.plan(&signed_by(seed), "n1").unwrap();
        assert_eq!(*found, plan("n1"));
    }
    let mut old = plan("n1");
    old.common.expires = at("2020-01-01T00:00:00Z");
    assert!(targets.plan(&sign(&old, &[&key(FLEET)]).unwrap(), "n1").is_ok());
}

#[test]
fn a_plan_by_any_other_key_is_refused() {
    for seed in [ROOT, TIMESTAMP, SNAPSHOT, TARGETS, WEB, 7] {
        assert_eq!(refused(&site(&[FLEET]), &signed_by(seed)), UNSIGNED, "key {seed}");
    }
    // A key that was taken out of the delegation.
    assert_eq!(refused(&site(&[7]), &signed_by(FLEET)), UNSIGNED);
}

#[test]
fn a_plan_for_another_report_is_refused() {
    let older = sign(&plan("n0"), &[&key(FLEET)]).unwrap();
    assert_eq!(
        refused(&site(&[FLEET]), &older),
        "reading the plan: answers another report than this machine's"
    );
}

#[test]
fn a_plan_that_was_changed_after_it_was_signed_is_refused() {
    let text = String::from_utf8(signed_by(FLEET)).unwrap();
    let changed = text.replace("http://a/", "http://b/");
    assert_ne!(changed, text);
    assert_eq!(refused(&site(&[FLEET]), changed.as_bytes()), UNSIGNED);
}

#[test]
fn without_the_delegation_there_is_no_plan() {
    let refused = refused(&Site::new(), &signed_by(FLEET));
    assert_eq!(
        refused,
        "reading targets.json: delegates to no fleet service: `rolebuild delegate-fleet` on the build side does"
    );
}

#[test]
fn other_documents_by_the_key_of_the_service_are_no_plans() {
    let targets = Targets::empty(Common::new::<Targets>(1, at(LATER)));
    let bytes = sign(&targets, &[&key(FLEET)]).unwrap();
    let (found, _) = site(&[FLEET]).publish().walk(None, NOW).unwrap();
    assert!(found.plan(&bytes, "n1").is_err());
}

#[test]
fn the_key_of_the_service_signs_nothing_but_plans() {
    for file in ["role", "targets", "snapshot", "timestamp"] {
        let mut site = site(&[FLEET]);
        site.signers.insert(file, vec![FLEET]);
        let files = site.publish();
        let fault = chain(&files.walk(None, NOW).unwrap_err());
        let name = if file == "role" { "role-web" } else { file };
        assert_eq!(
            fault,
            format!("reading {name}.json: signed by 0 of the keys that may sign it, and 1 must")
        );
    }
}

#[test]
fn a_delegation_called_fleet_of_another_form_is_refused() {
    let bends: [fn(&mut Delegation); 3] = [
        |delegation| delegation.paths = vec!["web@*".to_owned()],
        |delegation| delegation.paths.push("web@*".to_owned()),
        |delegation| delegation.terminating = false,
    ];
    for bend in bends {
        let mut site = site(&[FLEET]);
        bend(site.targets.delegations.as_mut().unwrap().roles.last_mut().unwrap());
        let fault = chain(&site.publish().walk(None, NOW).unwrap_err());
        assert!(fault.starts_with("reading targets.json: "), "{fault}");
        assert!(fault.contains("fleet"), "{fault}");
    }
}

#[test]
fn the_delegation_of_plans_covers_no_object_of_any_role() {
    let delegation = Delegation::of_fleet(RoleKeys::new([id(FLEET)], 1));
    assert!(delegation.is_fleet());
    assert_eq!(delegation.role(), None);
    assert!(delegation.paths.iter().all(|path| path.starts_with('@')));
}
