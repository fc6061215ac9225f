//! Channels of a server role: names that name one version each, beside the least serial in the role's metadata.
//!
//! Who builds and who gives out versions read them; hosts do not, and pass over the field.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Policy, Targets};
use crate::name::{Channel, Version};

/// The field of [`Policy`].
const FIELD: &str = "channels";

impl Targets {
    /// The channels, each with its version; what is not of this form is none.
    #[must_use]
    pub fn channels(&self) -> BTreeMap<Channel, Version> {
        let field = self.policy.as_ref().and_then(|policy| policy.extra.get(FIELD));
        let all = field.and_then(Value::as_object).into_iter().flatten();
        let one =
            |(name, version): (&String, &Value)| Some((name.parse().ok()?, version.as_str()?.parse().ok()?));
        all.filter_map(one).collect()
    }

    /// Names `version` by a channel from now on, or nothing. Members that are no channels stay: a later program may read
    /// them.
    pub fn set_channel(&mut self, name: &Channel, version: Option<&Version>) {
        let policy = self.policy.get_or_insert_with(|| Policy { min_serial: 0, extra: Map::new() });
        let mut channels = match policy.extra.remove(FIELD) {
            Some(Value::Object(channels)) => channels,
            Some(_) | None => Map::new(),
        };
        match version {
            Some(version) => channels.insert(name.to_string(), json!(version)),
            None => channels.remove(name.as_str()),
        };
        if !channels.is_empty() {
            policy.extra.insert(FIELD.to_owned(), Value::Object(channels));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuf::Common;

    #[test]
    fn channels_are_set_and_removed_and_what_is_none_is_passed_over() {
        let mut role = Targets::empty(Common::new::<Targets>(1, crate::tuf::Time::new(0)));
        let (name, version) = ("stable".parse().unwrap(), "1.0".parse().unwrap());
        assert_eq!(role.channels(), BTreeMap::new());
        role.set_channel(&name, Some(&version));
        assert_eq!(
            serde_json::to_value(&role).unwrap()["x-edeploy"],
            json!({"min_serial": 0, "channels": {"stable": "1.0"}})
        );
        assert_eq!(role.channels(), [(name.clone(), version.clone())].into());
        let strange = json!({"stable": "1.0", "Beta": "1.0", "beta": 7, "any": "1.0", "rc": "any"});
        role.policy.as_mut().unwrap().extra.insert(FIELD.to_owned(), strange);
        assert_eq!(role.channels(), [(name.clone(), version)].into());
    }

    #[test]
    fn what_is_no_channel_stays_when_one_is_set_or_removed() {
        let mut role = Targets::empty(Common::new::<Targets>(1, crate::tuf::Time::new(0)));
        let (name, version) = ("stable".parse().unwrap(), "1.0".parse().unwrap());
        role.set_channel(&name, Some(&version));
        let strange = json!({"Beta": "1.0", "beta": 7, "any": "1.0", "rc": {"version": "2.0"}});
        role.policy.as_mut().unwrap().extra.insert(FIELD.to_owned(), strange.clone());
        role.set_channel(&name, Some(&version));
        let mut both = strange.clone();
        both["stable"] = "1.0".into();
        assert_eq!(role.policy.as_ref().unwrap().extra[FIELD], both);
        role.set_channel(&name, None);
        assert_eq!(role.policy.as_ref().unwrap().extra[FIELD], strange);
    }

    #[test]
    fn the_last_channel_takes_the_field_with_it() {
        let mut role = Targets::empty(Common::new::<Targets>(1, crate::tuf::Time::new(0)));
        let (name, version) = ("stable".parse().unwrap(), "1.0".parse().unwrap());
        role.set_channel(&name, Some(&version));
        role.set_channel(&name, None);
        assert_eq!(serde_json::to_value(&role).unwrap()["x-edeploy"], json!({"min_serial": 0}));
    }
}
