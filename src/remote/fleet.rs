//! The real [`Remote`]: both nodes by ssh (or one of them right here), and the machine that runs hamn.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use journal_schema::{RunId, Token};
use thiserror::Error;
use workflows::{
    Output, Place, Script,
    model::{NodeId, Pair, Witness},
    quote::NulByte,
    render,
};

use super::{
    Answer, Failure, Job, Remote,
    copy::Copies,
    exchange::Broken,
    job::{Desk, MOST, Reply, reply},
    master::{Den, Target},
    site::{CALL, Line, Site, Told, nonce},
    ssh::Ssh,
};

/// Time for the progress display's look.
const PEEK: Duration = Duration::from_secs(5);

/// What the machine that runs hamn knows of itself.
#[derive(Debug, Clone)]
pub struct Here {
    /// The node that this machine is, by its machine-id; `None`: neither.
    pub node: Option<NodeId>,
    /// Folder for the jobs of [`Place::Controller`]: the state directory.
    pub state_dir: PathBuf,
    /// Private ssh key; `None`: the default ones of the user.
    pub identity_file: Option<PathBuf>,
    /// Seconds for one try to connect to one address.
    pub connect_timeout_s: u32,
}

/// Why there is no fleet.
#[derive(Debug, Error)]
pub enum FleetError {
    /// No place for the private files of ssh.
    #[error("no private directory for ssh can be made in /run/hamn or /tmp: {0}")]
    Den(#[from] std::io::Error),
    /// A folder or a pinned identity that no command can carry.
    #[error("a value of the configuration cannot be used: {0}")]
    Value(#[from] NulByte),
    /// The state directory's name is not text.
    #[error("the name of the state directory is not UTF-8: {0}")]
    StateDir(PathBuf),
}

/// Reaches the pair. Connections are made at the first call and kept.
#[derive(Debug)]
pub struct Fleet {
    nodes: [Arc<Site>; 2],
    controller: Site,
    witnesses: Vec<Arc<Site>>,
    node_dir: String,
}

impl Fleet {
    /// A fleet for the pair as it is configured. Reaches nothing yet.
    pub fn new(pair: &Pair, here: &Here) -> Result<Self, FleetError> {
        let den = Arc::new(Den::new()?);
        let ssh = |addresses: &[String], port, user: &str, host_keys: &[String]| {
            let target = Target {
                addresses: addresses.to_vec(),
                port,
                user: user.to_owned(),
                host_keys: host_keys.to_vec(),
                identity_file: here.identity_file.clone(),
                connect_timeout_s: here.connect_timeout_s,
            };
            Line::Ssh(Box::new(Ssh::new(Arc::clone(&den), target)))
        };
        let node = |id: NodeId| -> Result<Arc<Site>, FleetError> {
            let node = pair.node(id);
            let line = if here.node == Some(id) {
                Line::Local
            } else {
                ssh(&node.addresses, node.ssh_port, &node.ssh_user, &node.host_keys)
            };
            let desk = Desk::new(&pair.node_dir, Some(&node.machine_id))?;
            Ok(Arc::new(Site { name: node.name.clone(), at: node.name.clone(), desk, line }))
        };
        let witness = |w: &Witness| -> Result<Arc<Site>, FleetError> {
            let line = ssh(&w.addresses, w.ssh_port, &w.ssh_user, &w.host_keys);
            let desk = Desk::new(&pair.node_dir, None)?;
            Ok(Arc::new(Site { name: w.name.clone(), at: w.name.clone(), desk, line }))
        };
        let state_dir = here.state_dir.to_str().ok_or_else(|| FleetError::StateDir(here.state_dir.clone()))?;
        // The host name of a node changes with its role; its fixed name does not.
        let at = match here.node {
            Some(id) => pair.node(id).name.clone(),
            None => rustix::system::uname().nodename().to_string_lossy().into_owned(),
        };
        Ok(Self {
            nodes: [node(NodeId::A)?, node(NodeId::B)?],
            controller: Site {
                name: "controller".to_owned(),
                at,
                desk: Desk::new(state_dir, None)?,
                line: Line::Local,
            },
            witnesses: pair.witnesses.iter().map(witness).collect::<Result<_, _>>()?,
            node_dir: pair.node_dir.clone(),
        })
    }

    /// Where the records of a run are copied to: every machine of the configuration but this one.
    pub fn copies(&self) -> Vec<Copies> {
        let others = self.nodes.iter().chain(&self.witnesses).filter(|site| !matches!(site.line, Line::Local));
        others.map(|site| Copies::new(Arc::clone(site), &self.node_dir, &self.controller.at)).collect()
    }

    fn site(&self, place: Place) -> &Site {
        match place {
            Place::Node(NodeId::A) => &self.nodes[0],
            Place::Node(NodeId::B) => &self.nodes[1],
            Place::Controller => &self.controller,
            Place::Witness(index) => &self.witnesses[usize::from(index)],
        }
    }
}

#[async_trait]
impl Remote for Fleet {
    async fn observe(&self, place: Place, script: &Script, limit: Duration) -> Result<Output, Failure> {
        let (site, nonce) = (self.site(place), nonce());
        let text = site.desk.observe(script, &nonce);
        let mut raw = site.call(&text, &nonce, limit).await.map_err(|broken| site.failure(broken, limit))?;
        if let Some(Reply::Wrong(found)) = reply(None, &nonce, &raw.stdout) {
            return Err(site.wrong(&found));
        }
        raw.stdout.truncate(MOST);
        raw.stderr.truncate(MOST);
        let mut output = render::parse(script, &nonce, &raw.stdout, &raw.stderr);
        output.sent_ms = raw.sent_ms;
        output.took_ms = raw.took.as_millis() as u64;
        Ok(output)
    }

    async fn run(&self, place: Place, job: Job<'_>, limit: Duration) -> Result<Answer, Failure> {
        let (site, nonce) = (self.site(place), nonce());
        let text = site.desk.launch(job, &nonce, limit.as_secs());
        match site.job(job.token, &nonce, &text, limit).await {
            Ok(answer) => Ok(answer),
            Err(Told::Failed(failure)) => Err(failure),
            // The launch was sent. Absent now does not mean that it will not arrive yet.
            Err(Told::OutOfTime) => match self.ask(place, job.token, Duration::ZERO).await? {
                Answer::Absent => Err(site.failure(Broken::OutOfTime, limit)),
                answer => Ok(answer),
            },
        }
    }

    async fn ask(&self, place: Place, token: &Token, limit: Duration) -> Result<Answer, Failure> {
        let (site, nonce) = (self.site(place), nonce());
        let text = site.desk.ask(token, &nonce, limit.as_secs());
        let limit = limit + CALL;
        site.job(token, &nonce, &text, limit).await.map_err(|told| told.failure(site, limit))
    }

    async fn revoke(&self, place: Place, token: &Token) -> Result<Answer, Failure> {
        let (site, nonce) = (self.site(place), nonce());
        let text = site.desk.revoke(token, &nonce);
        site.job(token, &nonce, &text, CALL).await.map_err(|told| told.failure(site, CALL))
    }

    async fn peek(&self, place: Place, token: &Token) -> Result<String, Failure> {
        let (site, nonce) = (self.site(place), nonce());
        let text = site.desk.peek(token, &nonce);
        match site.ask(None, &nonce, &text, PEEK).await {
            Ok(Reply::Other(end)) => Ok(render::last_line(&end)),
            Ok(other) => unreachable!("a look is not answered by {other:?}"),
            Err(told) => Err(told.failure(site, PEEK)),
        }
    }

    async fn left(&self, place: Place) -> Result<Vec<RunId>, Failure> {
        let (site, nonce) = (self.site(place), nonce());
        if !site.connected() {
            return Ok(Vec::new());
        }
        match site.ask(None, &nonce, &site.desk.left(&nonce), PEEK).await {
            Ok(Reply::Other(names)) => {
                let names = String::from_utf8_lossy(&names).into_owned();
                // Only what is named as hamn names it is hamn's to remove.
                let run = |name: &str| name.parse::<RunId>().ok().filter(|run| run.to_string() == name);
                Ok(names.lines().filter_map(run).collect())
            }
            Ok(other) => unreachable!("a listing is not answered by {other:?}"),
            Err(told) => Err(told.failure(site, PEEK)),
        }
    }

    async fn tidy(&self, place: Place, runs: &[RunId]) -> Result<(), Failure> {
        let (site, nonce) = (self.site(place), nonce());
        let told = site.ask(None, &nonce, &site.desk.tidy(runs, &nonce), CALL).await;
        told.map(|_| ()).map_err(|told| told.failure(site, CALL))
    }

    fn at(&self, place: Place) -> String {
        self.site(place).at.clone()
    }
}
