//! BACKUP, RESTORE, ROLLFORWARD.

use serde::{Deserialize, Serialize};

use super::{Config, Log, Out, Role, Stdin, Version, clock::Date, database::Database, machine::Cx, program::Running};

/// A backup image.
#[derive(Debug, Serialize, Deserialize)]
struct Image {
    /// For whoever looks at the file.
    what: String,
    database: String,
    config: Config,
    log: Log,
}

const WHAT: &str = "backup image of a stand-in for DB2, not of DB2";

impl Cx<'_> {
    fn image_path(&self, dir: &str, name: &str, stamp: &str) -> String {
        let node = if self.m.knobs.version < Version::V10_5 { "NODE0000.CATN0000" } else { "DBPART000" };
        format!("{}/{name}.0.{}.{node}.{stamp}.001", dir.trim_end_matches('/'), self.m.instance)
    }

    /// BACKUP DB, offline.
    pub(super) fn backup(&mut self, to: &str) -> Out {
        if self.is_standby() {
            return self.says("SQL1776N", &["1"]);
        }
        if self.in_use() {
            return self.says("SQL1035N", &[]);
        }
        if !self.host.is_dir(to) {
            return self.says("SQL2036N", &[to]);
        }
        let stamp = Date::of(self.clock().saturating_add_signed(self.m.knobs.zone_min * 60_000)).digits();
        let Some(db) = self.db() else { return Out::default() };
        (db.backup_pending, db.needs_backup) = (false, false);
        let image =
            Image { what: WHAT.into(), database: db.name.clone(), config: db.config.clone(), log: db.log.clone() };
        let name = image.database.clone();
        let path = self.image_path(to, &name, &stamp);
        let text = serde_json::to_string(&image).unwrap_or_default();
        if !self.host.write(&path, &text) {
            return self.says("SQL2036N", &[to]);
        }
        let named = self.m.knobs.names_image.clone().unwrap_or(stamp);
        Out::new(format!("\nBackup successful. The timestamp for this backup image is : {named}\n\n"), 0)
    }

    /// The warning of a RESTORE over a database, and its question.
    pub(super) fn restore_question(&self) -> String {
        self.says("SQL2539W", &[]).text + "Do you want to continue ? (y/n) "
    }

    /// RESTORE. `None`: it asks and nobody types.
    pub(super) fn restore(
        &mut self,
        running: &mut Running,
        name: &str,
        from: &str,
        taken_at: Option<&str>,
        prompting: bool,
    ) -> Option<Out> {
        let name = name.to_uppercase();
        let exists = self.m.database.as_ref().is_some_and(|d| d.name == name);
        if exists && self.in_use() {
            return Some(self.says("SQL1035N", &[]));
        }
        if exists && self.m.role() != Some(Role::Standard) {
            return Some(self.says("SQL1776N", &["1"]));
        }
        if !self.host.is_dir(from) {
            return Some(self.says("SQL2036N", &[from]));
        }
        let stamp = taken_at.unwrap_or("");
        let image = self.host.read(&self.image_path(from, &name, stamp));
        let Some(image) = image.and_then(|t| serde_json::from_str::<Image>(&t).ok()) else {
            return Some(self.says("SQL2542N", &[&name, stamp]));
        };
        let mut text = String::new();
        let mut exit = 0;
        if exists && !prompting {
            text = self.says("SQL2539W", &[]).text;
            exit = self.m.knobs.exit_restore_warned;
        }
        if exists && prompting {
            text = self.restore_question();
            if running.call.stdin == Stdin::Silent {
                return None;
            }
            let answer = running.input.pop_front().unwrap_or_default();
            if !answer.trim().eq_ignore_ascii_case("y") {
                let interrupted = self.says("SQL2001N", &[]);
                return Some(Out::new(format!("{text}\n{}", interrupted.text), 4));
            }
            exit = 2;
        }
        self.restored(image);
        let ok = self.ok("RESTORE DATABASE");
        Some(Out::new(text + &ok.text, exit))
    }

    /// What an image makes of the database: STANDARD, rollforward pending if logs were kept. An existing one keeps its HADR settings.
    fn restored(&mut self, image: Image) {
        let mut config = image.config;
        let mut alternate = (String::new(), String::new());
        if let Some(old) = &self.m.database {
            for name in [
                "LOCAL_HOST",
                "LOCAL_SVC",
                "REMOTE_HOST",
                "REMOTE_SVC",
                "REMOTE_INST",
                "TIMEOUT",
                "SYNCMODE",
                "PEER_WINDOW",
            ] {
                let name = format!("HADR_{name}");
                config.set(&name, old.config.get(&name));
            }
            alternate.clone_from(&old.alternate);
        }
        self.m.database = Some(Database {
            name: image.database,
            rollforward_pending: config.recoverable(),
            config,
            role: Role::Standard,
            log: image.log,
            backup_pending: false,
            needs_backup: false,
            disabled: false,
            promoting: false,
            alternate,
        });
    }

    /// ROLLFORWARD DB … TO END OF LOGS [AND COMPLETE].
    pub(super) fn rollforward(&mut self, complete: bool) -> Out {
        let Some(db) = &self.m.database else { return Out::default() };
        let (name, pending) = (db.name.clone(), db.rollforward_pending);
        if !pending || self.m.is_active() {
            return self.says("SQL1260N", &[&name]);
        }
        let (clock, stream) = (self.clock(), self.m.next_stream());
        if complete && let Some(db) = self.db() {
            db.rollforward_pending = false;
            // It can never follow a primary again.
            db.log.fork(stream, clock);
        }
        let log = self.m.log();
        let (file, last) = log.map_or_else(Default::default, |l| (Log::place(l.end).0, l.last_ms));
        let status = if complete { "not pending" } else { "DB  working" };
        let next = if complete { String::new() } else { file.clone() };
        let node = if self.m.knobs.version == Version::V9_7 {
            " Number of nodes have returned status   = 1\n\n Node number                            = 0\n"
        } else {
            " Number of members have returned status = 1\n\n Member ID                              = 0\n"
        };
        let alias = name.to_lowercase();
        let last = Date::of(last / 1000 * 1000).iso();
        let mut text = format!(
            "\n                                 Rollforward Status\n\n Input database alias                   = {alias}\n{node} Rollforward status                     = {status}\n Next log file to be read               = {next}\n Log files processed                    = S0000000.LOG - {file}\n Last committed transaction             = {last} UTC\n\n"
        );
        text += &self.ok("ROLLFORWARD").text;
        Out::new(text, 0)
    }
}
