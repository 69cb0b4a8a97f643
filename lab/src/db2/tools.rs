//! The programs beside `db2`: db2start, db2stop, db2_kill, db2gcf, db2level, db2ilist, db2flsn.

use super::{Call, Log, Out, Version, clock::Date, machine::Cx};

/// Said to `--help` and `--version`, so that nobody takes it for the real thing.
pub(super) const WHAT: &str = "This is a stand-in for IBM DB2, for practice and tests. It is no DB2.\n";

impl Cx<'_> {
    /// A program other than `db2`.
    pub(super) fn tool(&mut self, call: &Call) -> Out {
        let arguments: Vec<&str> = call.argv[1..].iter().map(String::as_str).collect();
        match call.program() {
            "db2start" => self.db2start(),
            "db2stop" => self.db2stop(arguments.iter().any(|a| a.eq_ignore_ascii_case("force"))),
            "db2_kill" => {
                self.die();
                Out::new("ipclean: Removing DB2 engine and client's IPC resources.\n", 0)
            }
            "db2pd" => self.db2pd(call),
            "db2gcf" => self.db2gcf(&arguments),
            "db2level" => self.db2level(),
            "db2ilist" => Out::new(format!("{}\n", self.m.instance), 0),
            _ => self.db2flsn(&arguments),
        }
    }

    /// The message with the time and member before it, and once more.
    fn twice(&self, code: &str) -> String {
        let message = self.says(code, &[]).text;
        let date = Date::of(self.clock()).slashes(self.m.knobs.locale);
        format!("{date}     0   0   {message}{message}")
    }

    pub(super) fn db2start(&mut self) -> Out {
        if let Some(out) = self.wrong_nodes_cfg() {
            return Out { exit: self.m.knobs.exit_nodes_cfg, ..out };
        }
        if self.m.run.up {
            let text = self.says("SQL1026N", &[]).text;
            return Out::new(text, self.m.knobs.exit_started);
        }
        self.m.run.up = true;
        Out::new(self.twice("SQL1063N"), 0)
    }

    pub(super) fn db2stop(&mut self, force: bool) -> Out {
        if let Some(out) = self.wrong_nodes_cfg() {
            return Out { exit: self.m.knobs.exit_nodes_cfg, ..out };
        }
        if !self.m.run.up {
            let text = self.says("SQL1032N-STOP", &[]).text;
            return Out::new(text, self.m.knobs.exit_stopped);
        }
        if self.m.is_active() && !force {
            let text = self.says("SQL1025N", &[]).text;
            return Out::new(text, self.m.knobs.exit_databases_active);
        }
        if self.m.is_active() {
            self.drop_connections();
            self.deactivate();
        }
        self.m.power_off();
        Out::new(self.twice("SQL1064N"), 0)
    }

    fn db2gcf(&mut self, arguments: &[&str]) -> Out {
        let instance =
            arguments.iter().skip_while(|a| **a != "-i").nth(1).copied().unwrap_or(&self.m.instance).to_owned();
        let head = format!("\nInstance  : {instance}\n");
        let known = self.m.installed && instance == self.m.instance;
        let bad = self.m.knobs.exit_gcf;
        let said = |what: &str, ok: bool| {
            let word = if ok { "Success" } else { "Failure" };
            Out::new(format!("{head}DB2 {what} : {word}\nPartition 0 : {word}\n"), if ok { 0 } else { bad })
        };
        let flag = arguments.iter().find(|a| matches!(**a, "-u" | "-d" | "-k" | "-s" | "-o"));
        match flag.copied() {
            Some("-s") => {
                let word = match (known, self.m.run.up) {
                    (true, true) => "Available",
                    (true, false) => "Operable",
                    (false, _) => "Not operable",
                };
                Out::new(format!("{head}DB2 State : {word}\n"), if word == "Available" { 0 } else { bad })
            }
            Some("-u") if known => {
                let path = self.m.nodes_cfg();
                let line = format!("0 {} 0\n", self.host.host_name());
                if !self.host.write(&path, &line) {
                    return said("Start", false);
                }
                self.m.run.up = true;
                said("Start", true)
            }
            Some("-d") if known => {
                let was_up = self.m.run.up;
                if was_up {
                    self.db2stop(true);
                }
                said("Stop", was_up)
            }
            Some("-k") if known => {
                self.die();
                said("Stop", true)
            }
            Some("-u") => said("Start", false),
            Some("-d" | "-k") => said("Stop", false),
            _ => Out::new(
                "Usage: db2gcf [-u | -d | -k | -s | -o] [-i <instance>] [-p <partition>[,...]] [-t <seconds>] [-L]\n",
                bad,
            ),
        }
    }

    fn db2level(&mut self) -> Out {
        let version = self.m.knobs.version;
        let (token, pack) = (version.token(), version.token().rsplit('.').next().unwrap_or("0"));
        let level = match version {
            Version::V9_7 => "03040107",
            Version::V10_1 => "0203010E",
            Version::V10_5 => "0608010E",
            Version::V11_1 => "0205010F",
            Version::V11_5 => "0609010F",
        };
        let instance = &self.m.instance;
        let release = version.token().trim_start_matches('v').replace('.', "");
        let text = format!(
            "DB21085I  Instance \"{instance}\" uses \"64\" bits and DB2 code release \"SQL{release}\"\nwith level identifier \"{level}\".\nInformational tokens are \"DB2 {token}\", \"standin\", \"STANDIN\", and Fix Pack\n\"{pack}\".\nProduct is installed at \"/opt/ibm/db2\".\n"
        );
        Out::new(text, 0)
    }

    /// `db2flsn [-d X] POSITION` (hexadecimal): the log file of a position. From memory.
    fn db2flsn(&mut self, arguments: &[&str]) -> Out {
        let position = arguments.last().and_then(|p| u64::from_str_radix(p.trim_start_matches("0x"), 16).ok());
        let end = self.m.log().map_or(0, Log::end);
        match position.filter(|p| *p <= end && *p >= Log::FIRST) {
            Some(p) => Out::new(format!("Given LSN is contained in log file {}\n", Log::place(p).0), 0),
            None => Out::new("Input LRI or LSO value is not in the range of the log files.\n", 4),
        }
    }
}
