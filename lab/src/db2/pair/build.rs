//! How a pair is made: bare, or formed as the procedure forms it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Host, Node, Pair, Side};
use crate::db2::{Call, Content, Knobs, Machine, Reply, Version};

/// How a pair is made.
#[derive(Debug, Clone)]
pub struct Build {
    /// Instance owner, on both.
    pub instance: String,
    /// Its home directory.
    pub home: String,
    /// Database.
    pub database: String,
    /// Host names.
    pub hosts: [String; 2],
    /// Addresses.
    pub addresses: [String; 2],
    /// Services in `/etc/services`: names and ports.
    pub services: [(String, u16); 2],
    /// HADR_TIMEOUT, seconds.
    pub timeout_s: u64,
    /// HADR_PEER_WINDOW, seconds.
    pub window_s: u64,
    /// HADR_SYNCMODE.
    pub sync: String,
    /// Folder for backup images.
    pub backup: String,
    /// Knobs of both machines.
    pub knobs: Knobs,
    /// Content of the database.
    pub content: Content,
    /// Virtual time at the beginning, ms since 1970.
    pub now_ms: u64,
}

impl Default for Build {
    fn default() -> Self {
        Self {
            instance: "xcatdb".into(),
            home: "/var/lib/db2".into(),
            database: "XCATDB".into(),
            hosts: ["mn-a".into(), "mn-b".into()],
            addresses: ["10.77.0.11".into(), "10.77.0.12".into()],
            services: [("DB2_HADR_1".into(), 55001), ("DB2_HADR_2".into(), 55002)],
            timeout_s: 60,
            window_s: 120,
            sync: "NEARSYNC".into(),
            backup: "/var/lib/db2/backup".into(),
            knobs: Knobs::default(),
            content: Content::new(),
            now_ms: 1_700_000_000_000,
        }
    }
}

impl Pair {
    /// Two hosts with the instance installed and down, no databases.
    pub fn new(build: &Build) -> Self {
        let hosts: String = (0..2).fold("127.0.0.1 localhost\n".to_owned(), |t, n| {
            t + &format!("{} {}\n", build.addresses[n], build.hosts[n])
        });
        let services =
            build.services.iter().fold(String::new(), |t, (name, port)| t + &format!("{name}\t{port}/tcp\n"));
        let nodes = [0, 1].map(|n| {
            let machine = Machine::new(&build.instance, &build.home, n as u64 + 1, build.knobs.clone());
            let files = BTreeMap::from([
                ("/etc/hosts".to_owned(), hosts.clone()),
                ("/etc/services".to_owned(), services.clone()),
                (machine.nodes_cfg(), format!("0 {} 0\n", build.hosts[n])),
            ]);
            let host = Host {
                name: build.hosts[n].clone(),
                addresses: vec!["127.0.0.1".to_owned(), build.addresses[n].clone()],
                files,
                dirs: BTreeSet::from([build.backup.clone(), build.home.clone()]),
                written: Vec::new(),
            };
            Node { machine, host, alive: true }
        });
        Self {
            now: build.now_ms,
            nodes,
            wires: BTreeMap::new(),
            replies: BTreeMap::new(),
            next: 1,
            cut: false,
            congested: false,
            database: build.database.to_uppercase(),
            plan: VecDeque::new(),
        }
    }

    /// A pair that was set up as the procedure does it: A primary, B standby, PEER and CONNECTED.
    pub fn formed(build: &Build) -> Self {
        let mut pair = Self::new(build);
        pair.form(build);
        pair
    }

    fn must(&mut self, side: Side, line: &str) -> Reply {
        let words: Vec<&str> = line.split(' ').collect();
        let reply = self.call(side, &Call::new(&words));
        assert!(reply.exit < 4 && !reply.hangs, "{side:?}: {line}: {reply:?}");
        reply
    }

    fn form(&mut self, build: &Build) {
        let (name, now) = (build.database.as_str(), self.now);
        let logs = if build.knobs.version >= Version::V10_5 { "LOGARCHMETH1 LOGRETAIN" } else { "LOGRETAIN ON" };
        self.machine_mut(Side::A).create_database(name, now, build.content.clone());
        for side in Side::BOTH {
            self.must(side, "db2start");
        }
        self.must(
            Side::A,
            &format!("db2 UPDATE DB CFG FOR {name} USING {logs} LOGINDEXBUILD ON TRACKMOD ON INDEXREC RESTART"),
        );
        let said = self.must(Side::A, &format!("db2 BACKUP DB {name} TO {}", build.backup)).stdout;
        let stamp = said.split_whitespace().last().unwrap_or_default().to_owned();
        self.copy(Side::A, &build.backup);
        self.must(
            Side::B,
            &format!("db2 RESTORE DB {name} FROM {} TAKEN AT {stamp} REPLACE HISTORY FILE", build.backup),
        );
        for side in Side::BOTH {
            let (own, other) = (side.index(), side.other().index());
            let line = format!(
                "db2 UPDATE DB CFG FOR {name} USING HADR_LOCAL_HOST {} HADR_LOCAL_SVC {} HADR_REMOTE_HOST {} HADR_REMOTE_SVC {} HADR_REMOTE_INST {} HADR_TIMEOUT {} HADR_PEER_WINDOW {} HADR_SYNCMODE {}",
                build.addresses[own],
                build.services[own].0,
                build.addresses[other],
                build.services[other].0,
                build.instance,
                build.timeout_s,
                build.window_s,
                build.sync
            );
            self.must(side, &line);
        }
        self.must(Side::B, &format!("db2 START HADR ON DB {name} AS STANDBY"));
        self.must(Side::A, &format!("db2 START HADR ON DB {name} AS PRIMARY"));
        self.advance(5_000);
    }
}
