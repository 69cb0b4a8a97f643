//! Copies of the records on the machines of the fleet: `DIR/copies/SENDER/RUN.frames`, for `hamn journal import` there.

use std::sync::Arc;

use async_trait::async_trait;
use journal_schema::RunId;

use super::fleet::Site;
use crate::journal::CopySink;

/// One machine that takes copies.
#[derive(Debug)]
pub(super) struct Copies {
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
}

#[async_trait]
impl CopySink for Copies {
    async fn append(&self, run: RunId, frames: &[u8]) -> Result<(), String> {
        self.site.append(&format!("{}/{run}.frames", self.dir), frames).await.map_err(|failure| failure.to_string())
    }

    fn name(&self) -> &str {
        &self.site.name
    }
}
