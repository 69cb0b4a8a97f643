//! What is known of the world: the fold of all evidence of a run. What is not there is unknown.

use std::collections::BTreeMap;

use journal_schema::{Channel, DatabaseRole, Fact, Power, TakeoverForm, Tri};

use crate::model::{NodeId, Pair};

/// The latest facts, by subject.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    facts: BTreeMap<(String, String), Fact>,
    /// All scheduled jobs seen, latest state of each line.
    jobs: BTreeMap<(String, String, String), Tri>,
}

impl Known {
    /// Takes a fact in; it replaces an earlier one of the same subject.
    pub fn learn(&mut self, fact: &Fact) {
        let (node, key) = match fact {
            Fact::Answers { node, channel, .. } => (node, format!("answers {channel:?}")),
            Fact::Identity { node, .. } => (node, "identity".into()),
            Fact::ClockOffset { node, .. } => (node, "clock".into()),
            Fact::PowerState { node, .. } => (node, "power".into()),
            Fact::FenceIdentity { node, .. } => (node, "fence identity".into()),
            Fact::Database { node, .. } => (node, "database".into()),
            Fact::LogPosition { node, .. } => (node, "log".into()),
            Fact::Streaming { node, .. } => (node, "streaming".into()),
            Fact::HoldsAddress { node, address, .. } => (node, format!("address {address}")),
            Fact::AddressProbe { node, address, .. } => (node, format!("probe {address}")),
            Fact::Service { node, service, .. } => (node, format!("service {service}")),
            Fact::ScheduledJob { node, holder, line, armed } => {
                self.jobs.insert((node.clone(), holder.clone(), line.clone()), *armed);
                return;
            }
            Fact::Epoch { node, .. } => (node, "epoch".into()),
            Fact::ClusterNodes { node, .. } => (node, "cluster nodes".into()),
            Fact::Attested { node, .. } => (node, "attested".into()),
            Fact::LossBound { .. } => (&String::new(), "loss".into()),
            Fact::Claimed { node, .. } => (node, "claimed".into()),
            Fact::Note { node, key, .. } => (node, format!("note {key}")),
            Fact::Hadr { node, .. } => (node, "hadr".into()),
            Fact::Setting { node, name, .. } => (node, format!("setting {name}")),
            Fact::Permitted { node, .. } => (node, "permitted".into()),
            Fact::BackupImage { node, .. } => (node, "image".into()),
            Fact::Deployment { node, .. } => (node, "deployment".into()),
        };
        self.facts.insert((node.clone(), key), fact.clone());
    }

    fn get(&self, node: &str, key: &str) -> Option<&Fact> {
        self.facts.get(&(node.to_owned(), key.to_owned()))
    }

    /// Whether `node` answers on `channel`.
    pub fn answers(&self, node: &str, channel: Channel) -> Tri {
        match self.get(node, &format!("answers {channel:?}")) {
            Some(Fact::Answers { answer, .. }) => *answer,
            _ => Tri::Unknown,
        }
    }

    /// Host name that a node bears, if it was seen.
    pub fn host_name(&self, node: &str) -> Option<&str> {
        match self.get(node, "identity") {
            Some(Fact::Identity { host_name, .. }) => Some(host_name),
            _ => None,
        }
    }

    /// `(machine_id, boot_id)`, if seen.
    pub fn identity(&self, node: &str) -> Option<(&str, &str)> {
        match self.get(node, "identity") {
            Some(Fact::Identity { machine_id, boot_id, .. }) => Some((machine_id, boot_id)),
            _ => None,
        }
    }

    /// Power state of a node.
    pub fn power(&self, node: &str) -> Power {
        match self.get(node, "power") {
            Some(Fact::PowerState { power, .. }) => *power,
            _ => Power::Unknown,
        }
    }

    /// Whether an operator attested that `node` is off.
    pub fn attested(&self, node: &str) -> bool {
        self.get(node, "attested").is_some()
    }

    /// Role, system identifier, timeline of a node's database.
    pub fn database(&self, node: &str) -> (DatabaseRole, &str, u32) {
        match self.get(node, "database") {
            Some(Fact::Database { role, system_id, timeline, .. }) => (*role, system_id, *timeline),
            _ => (DatabaseRole::Unknown, "", 0),
        }
    }

    /// The fact [`Fact::LogPosition`] of a node.
    pub fn log(&self, node: &str) -> Option<&Fact> {
        self.get(node, "log")
    }

    /// The fact [`Fact::Streaming`] of a standby: up, synchronous.
    pub fn streaming(&self, node: &str) -> (Tri, Tri) {
        match self.get(node, "streaming") {
            Some(Fact::Streaming { up, synchronous, .. }) => (*up, *synchronous),
            _ => (Tri::Unknown, Tri::Unknown),
        }
    }

    /// Whether a node holds an address.
    pub fn holds(&self, node: &str, address: &str) -> Tri {
        match self.get(node, &format!("address {address}")) {
            Some(Fact::HoldsAddress { holds, .. }) => *holds,
            _ => Tri::Unknown,
        }
    }

    /// Whether a service runs, and whether it starts at boot.
    pub fn service(&self, node: &str, service: &str) -> (Tri, Tri) {
        match self.get(node, &format!("service {service}")) {
            Some(Fact::Service { running, at_boot, .. }) => (*running, *at_boot),
            _ => (Tri::Unknown, Tri::Unknown),
        }
    }

    /// Epoch of a node, if seen.
    pub fn epoch(&self, node: &str) -> Option<u64> {
        match self.get(node, "epoch") {
            Some(Fact::Epoch { epoch, .. }) => Some(*epoch),
            _ => None,
        }
    }

    /// The highest epoch seen anywhere; 0 before the first promotion.
    pub fn highest_epoch(&self) -> u64 {
        self.facts
            .values()
            .filter_map(|f| if let Fact::Epoch { epoch, .. } = f { Some(*epoch) } else { None })
            .max()
            .unwrap_or(0)
    }

    /// Number of nodes in the xCAT database as a node gave it.
    pub fn cluster_nodes(&self, node: &str) -> Option<u64> {
        match self.get(node, "cluster nodes") {
            Some(Fact::ClusterNodes { count, .. }) => Some(*count),
            _ => None,
        }
    }

    /// Text of the claim on a node; `None`: not seen; empty: free.
    pub fn claim(&self, node: &str) -> Option<&str> {
        match self.get(node, "claimed") {
            Some(Fact::Claimed { claim, .. }) => Some(claim),
            _ => None,
        }
    }

    /// A note.
    pub fn note(&self, node: &str, key: &str) -> Option<&str> {
        match self.get(node, &format!("note {key}")) {
            Some(Fact::Note { value, .. }) => Some(value),
            _ => None,
        }
    }

    /// The fact [`Fact::Hadr`] of a node.
    pub fn hadr(&self, node: &str) -> Option<&Fact> {
        self.get(node, "hadr")
    }

    /// A setting of a node's database; `None`: not seen; empty: not set.
    pub fn setting(&self, node: &str, name: &str) -> Option<&str> {
        match self.get(node, &format!("setting {name}")) {
            Some(Fact::Setting { value, .. }) => Some(value),
            _ => None,
        }
    }

    /// The form of takeover that was permitted last.
    pub fn permitted(&self, node: &str) -> Option<TakeoverForm> {
        match self.get(node, "permitted") {
            Some(Fact::Permitted { form, .. }) => Some(*form),
            _ => None,
        }
    }

    /// Image of the database on a node: timestamp, directory.
    pub fn image(&self, node: &str) -> Option<(&str, &str)> {
        match self.get(node, "image") {
            Some(Fact::BackupImage { timestamp, directory, .. }) => Some((timestamp, directory)),
            _ => None,
        }
    }

    /// Offset of a node's clock against ours and its uncertainty, milliseconds.
    pub fn clock(&self, node: &str) -> Option<(i64, u64)> {
        match self.get(node, "clock") {
            Some(Fact::ClockOffset { offset_ms, error_ms, .. }) => Some((*offset_ms, *error_ms)),
            _ => None,
        }
    }

    /// What was saved for deployment, as seen anywhere.
    pub fn deployments(&self) -> impl Iterator<Item = &str> {
        self.facts
            .values()
            .filter_map(|f| if let Fact::Deployment { text, .. } = f { Some(text.as_str()) } else { None })
    }

    /// Scheduled jobs: node, holder, line, armed.
    pub fn jobs(&self) -> impl Iterator<Item = (&str, &str, &str, Tri)> {
        self.jobs.iter().map(|((n, h, l), armed)| (n.as_str(), h.as_str(), l.as_str(), *armed))
    }

    /// Loss bound: bytes, milliseconds.
    pub fn loss(&self) -> (Option<u64>, Option<u64>) {
        match self.get("", "loss") {
            Some(Fact::LossBound { bytes, millis }) => (*bytes, *millis),
            _ => (None, None),
        }
    }

    /// All latest facts in a fixed order.
    pub fn all(&self) -> impl Iterator<Item = &Fact> {
        self.facts.values()
    }

    /// The node whose database is primary, by evidence; `None` when none or both are, or it is unknown.
    pub fn primary(&self, pair: &Pair) -> Option<NodeId> {
        let mut found =
            NodeId::BOTH.into_iter().filter(|id| self.database(&pair.node(*id).name).0 == DatabaseRole::Primary);
        match (found.next(), found.next()) {
            (Some(id), None) => Some(id),
            _ => None,
        }
    }
}
