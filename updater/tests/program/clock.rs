//! Dates: what a wrong clock does.

use edeploy_format::tuf::Time;
use serde_json::json;

use crate::lab::{Lab, rule, tree};

#[test]
fn the_clock_is_not_before_the_build_of_what_runs() {
    let mut lab = Lab::new();
    let built = lab.site.now + 30 * 86_400;
    lab.publish("1", 1, &tree("1"), &rule("1", &json!({})), |head| head.built = built);
    lab.disk();
    lab.install(&[]).done();
    let ran = lab.run(&["list"]);
    let (expires, built) = (Time::new(lab.site.now).plus_days(7), Time::new(built));
    let (code, said) = ran.failed();
    assert_eq!(code, 5);
    assert!(said.starts_with(&format!("reading timestamp.json: expired {expires}")), "{said}");
    assert!(said.contains(&built.to_string()), "{said}");
    assert!(
        ran.err.contains(&format!("which cannot be: {built} counts, when what runs was built\n")),
        "{ran:?}"
    );
}
