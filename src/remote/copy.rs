//! Copies of the records on the machines of the fleet: `DIR/copies/SENDER/RUN.frames`, for `hamn journal import` there.

use std::sync::Arc;

use journal_schema::RunId;

use super::{Failure, site::Site};

/// One machine that takes copies. This room does not know the journal's: whoever knows both makes a sink of it.
#[derive(Debug)]
pub struct Copies {
    site: Arc<Site>,
    dir: String,
}

impl Copies {
    /// Copies from `sender` on a machine whose folder of hamn is `node_dir`.
    pub(super) fn new(site: Arc<Site>, node_dir: &str, sender: &str) -> Self {
        // A name is a directory here; it need not be a safe one.
        let keep = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
        let sender: String = sender.chars().map(keep).collect();
        let sender = if sender.trim_matches('.').is_empty() { "unnamed" } else { &sender };
        Self { site, dir: format!("{node_dir}/copies/{sender}") }
    }

    /// Adds frames of a run and syncs them to disk there. After an error they may be there all the same, or in part.
    pub async fn append(&self, run: RunId, frames: &[u8]) -> Result<(), Failure> {
        self.site.append(&format!("{}/{run}.frames", self.dir), frames).await
    }

    /// The machine's name.
    pub fn name(&self) -> &str {
        &self.site.name
    }
}
