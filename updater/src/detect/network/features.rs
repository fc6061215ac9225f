//! What a card does for the kernel, under the names and in the order of `ethtool -k`.
//!
//! The kernel has one name for each feature; ethtool puts those of one purpose under a common, older name.

/// A feature by the kernel's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Feature {
    /// The name.
    pub(super) name: String,
    /// Whether it is in use.
    pub(super) active: bool,
    /// Whether that can be changed.
    pub(super) changeable: bool,
    /// Whether it was asked for.
    pub(super) requested: bool,
}

/// Common names, and what the kernel's names of their members are; `*` stands for any text.
const GROUPS: [(&str, &str); 12] = [
    ("rx-checksumming", "rx-checksum"),
    ("tx-checksumming", "tx-checksum-*"),
    ("scatter-gather", "tx-scatter-gather*"),
    ("tcp-segmentation-offload", "tx-tcp*-segmentation"),
    ("udp-fragmentation-offload", "tx-udp-fragmentation"),
    ("generic-segmentation-offload", "tx-generic-segmentation"),
    ("generic-receive-offload", "rx-gro"),
    ("large-receive-offload", "rx-lro"),
    ("rx-vlan-offload", "rx-vlan-hw-parse"),
    ("tx-vlan-offload", "tx-vlan-hw-insert"),
    ("ntuple-filters", "rx-ntuple-filter"),
    ("receive-hashing", "rx-hashing"),
];

/// Attributes and values.
pub(super) fn lines(features: &[Feature]) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    for (group, pattern) in GROUPS {
        let members: Vec<&Feature> = features.iter().filter(|f| matches(&f.name, pattern)).collect();
        let Some(first) = members.first() else { continue };
        if !pattern.contains('*') {
            lines.push((group.to_owned(), value(first)));
            continue;
        }
        let fixed = members.iter().all(|member| !member.changeable);
        let active = members.iter().any(|member| member.active);
        lines.push((group.to_owned(), state(active, fixed, None)));
        lines.extend(members.iter().map(|member| (format!("{group}/{}", member.name), value(member))));
    }
    let alone = features.iter().filter(|f| !GROUPS.iter().any(|(_, pattern)| matches(&f.name, pattern)));
    lines.extend(alone.map(|feature| (feature.name.clone(), value(feature))));
    lines
}

fn value(feature: &Feature) -> String {
    let other = (feature.requested != feature.active).then_some(feature.requested);
    state(feature.active, !feature.changeable, other)
}

fn state(active: bool, fixed: bool, requested: Option<bool>) -> String {
    let word = |on| if on { "on" } else { "off" };
    match (fixed, requested) {
        (true, _) => format!("{} [fixed]", word(active)),
        (false, Some(other)) => format!("{} [requested {}]", word(active), word(other)),
        (false, None) => word(active).to_owned(),
    }
}

fn matches(name: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => name == pattern,
        Some((before, behind)) => {
            name.len() >= before.len() + behind.len() && name.starts_with(before) && name.ends_with(behind)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feature(name: &str, active: bool, changeable: bool, requested: bool) -> Feature {
        Feature { name: name.to_owned(), active, changeable, requested }
    }

    #[test]
    fn features_are_said_as_ethtool_says_them() {
        let features = [
            feature("tx-scatter-gather", true, true, true),
            feature("tx-checksum-ipv4", false, false, false),
            feature("tx-checksum-ip-generic", true, true, true),
            feature("highdma", true, false, false),
            feature("tx-tcp-segmentation", false, true, true),
            feature("tx-tcp6-segmentation", false, true, false),
            feature("rx-lro", false, false, false),
            feature("rx-checksum", true, true, true),
        ];
        let lines: Vec<String> =
            lines(&features).into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(
            lines,
            [
                "rx-checksumming: on",
                "tx-checksumming: on",
                "tx-checksumming/tx-checksum-ipv4: off [fixed]",
                "tx-checksumming/tx-checksum-ip-generic: on",
                "scatter-gather: on",
                "scatter-gather/tx-scatter-gather: on",
                "tcp-segmentation-offload: off",
                "tcp-segmentation-offload/tx-tcp-segmentation: off [requested on]",
                "tcp-segmentation-offload/tx-tcp6-segmentation: off",
                "large-receive-offload: off [fixed]",
                "highdma: on [fixed]",
            ]
        );
    }
}
