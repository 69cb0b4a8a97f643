//! What is known of the world: the fold of all evidence of a run. What is not there is unknown.

use std::sync::Arc;

use journal_schema::{Channel, DatabaseRole, Fact, Power, TakeoverForm, Tri};

use crate::model::{NodeId, Pair};

/// The latest facts, by subject.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// In the order of their subjects. Shared with the clones that plans are remembered by.
    facts: Vec<Arc<Fact>>,
    /// All scheduled jobs seen, latest state of each line, in the order of their subjects.
    jobs: Vec<Arc<Fact>>,
}

/// What a fact is about: node, kind, which of that kind.
type Subject<'f> = (&'f str, &'static str, &'f str);

fn subject(fact: &Fact) -> Subject<'_> {
    match fact {
        Fact::Answers { node, channel, .. } => (node, "answers", name(*channel)),
        Fact::Identity { node, .. } => (node, "identity", ""),
        Fact::ClockOffset { node, .. } => (node, "clock", ""),
        Fact::PowerState { node, .. } => (node, "power", ""),
        Fact::FenceIdentity { node, .. } => (node, "fence identity", ""),
        Fact::Database { node, .. } => (node, "database", ""),
        Fact::LogPosition { node, .. } => (node, "log", ""),
        Fact::Streaming { node, .. } => (node, "streaming", ""),
        Fact::HoldsAddress { node, address, .. } => (node, "address", address),
        Fact::AddressProbe { node, address, .. } => (node, "probe", address),
        Fact::Service { node, service, .. } => (node, "service", service),
        Fact::ScheduledJob { node, line, .. } => (node, "job", line),
        Fact::Epoch { node, .. } => (node, "epoch", ""),
        Fact::ClusterNodes { node, .. } => (node, "cluster nodes", ""),
        Fact::Attested { node, .. } => (node, "attested", ""),
        Fact::LossBound { .. } => ("", "loss", ""),
        Fact::Claimed { node, .. } => (node, "claimed", ""),
        Fact::Note { node, key, .. } => (node, "note", key),
        Fact::Hadr { node, .. } => (node, "hadr", ""),
        Fact::Setting { node, name, .. } => (node, "setting", name),
        Fact::Permitted { node, .. } => (node, "permitted", ""),
        Fact::BackupImage { node, .. } => (node, "image", ""),
        Fact::Deployment { node, .. } => (node, "deployment", ""),
    }
}

fn name(channel: Channel) -> &'static str {
    match channel {
        Channel::Ssh => "ssh",
        Channel::Arp => "arp",
        Channel::Database => "database",
        Channel::Bmc => "bmc",
        Channel::Xcatd => "xcatd",
    }
}

/// A scheduled job: node, holder, line, armed.
fn job(fact: &Fact) -> (&str, &str, &str, Tri) {
    match fact {
        Fact::ScheduledJob { node, holder, line, armed } => (node, holder, line, *armed),
        _ => unreachable!("only jobs are kept among the jobs"),
    }
}

impl Known {
    /// Takes a fact in; it replaces an earlier one of the same subject.
    pub fn learn(&mut self, fact: &Fact) {
        if let Fact::ScheduledJob { node, holder, line, .. } = fact {
            let of = (node.as_str(), holder.as_str(), line.as_str());
            let found = self.jobs.binary_search_by(|known| {
                let (node, holder, line, _) = job(known);
                (node, holder, line).cmp(&of)
            });
            return put(&mut self.jobs, found, fact);
        }
        let found = self.find(subject(fact));
        put(&mut self.facts, found, fact);
    }

    fn find(&self, of: Subject<'_>) -> Result<usize, usize> {
        self.facts.binary_search_by(|known| subject(known).cmp(&of))
    }

    fn get(&self, node: &str, kind: &'static str) -> Option<&Fact> {
        self.which(node, kind, "")
    }

    fn which(&self, node: &str, kind: &'static str, which: &str) -> Option<&Fact> {
        self.find((node, kind, which)).ok().map(|at| &*self.facts[at])
    }

    /// Whether `node` answers on `channel`.
    pub fn answers(&self, node: &str, channel: Channel) -> Tri {
        match self.which(node, "answers", name(channel)) {
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
        match self.which(node, "address", address) {
            Some(Fact::HoldsAddress { holds, .. }) => *holds,
            _ => Tri::Unknown,
        }
    }

    /// Whether a service runs, and whether it starts at boot.
    pub fn service(&self, node: &str, service: &str) -> (Tri, Tri) {
        match self.which(node, "service", service) {
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
            .iter()
            .filter_map(|f| if let Fact::Epoch { epoch, .. } = &**f { Some(*epoch) } else { None })
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
        match self.which(node, "note", key) {
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
        match self.which(node, "setting", name) {
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
            .iter()
            .filter_map(|f| if let Fact::Deployment { text, .. } = &**f { Some(text.as_str()) } else { None })
    }

    /// Scheduled jobs: node, holder, line, armed.
    pub fn jobs(&self) -> impl Iterator<Item = (&str, &str, &str, Tri)> {
        self.jobs.iter().map(|fact| job(fact))
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
        self.facts.iter().map(|fact| &**fact)
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

/// Puts a fact where a search for its subject ended.
fn put(facts: &mut Vec<Arc<Fact>>, found: Result<usize, usize>, fact: &Fact) {
    match found {
        Ok(at) if *facts[at] == *fact => {}
        Ok(at) => facts[at] = Arc::new(fact.clone()),
        Err(at) => facts.insert(at, Arc::new(fact.clone())),
    }
}
