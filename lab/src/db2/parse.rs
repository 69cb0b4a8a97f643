//! Statements of the command line processor.

/// What a statement says. Names are as given; keywords count in any case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Statement {
    Connect(String),
    ConnectReset,
    Terminate,
    Quit,
    Activate(String),
    Deactivate(String),
    StartHadr {
        db: String,
        standby: bool,
        by_force: bool,
    },
    StopHadr(String),
    Takeover {
        db: String,
        form: Form,
    },
    UpdateConfig {
        db: Option<String>,
        pairs: Vec<(String, String)>,
    },
    GetConfig(Option<String>),
    UpdateManager,
    GetManager,
    Backup {
        db: String,
        to: String,
    },
    Restore {
        db: String,
        from: String,
        taken_at: Option<String>,
        prompting: bool,
    },
    Rollforward {
        db: String,
        complete: bool,
    },
    Quiesce(bool),
    ForceAll,
    ListApplications,
    UpdateAlternate {
        db: String,
        host: String,
        port: String,
    },
    ListDirectory,
    Snapshot(String),
    CreateDatabase(String),
    DropDatabase(String),
    Count(String),
    Timestamp,
    GetInstance,
    Start,
    Stop(bool),
    /// Not understood, from this word on.
    Unknown(String),
}

/// Form of TAKEOVER HADR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    ByForce,
    PeerWindowOnly,
}

/// A statement, and who it is to be done as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parsed {
    pub(super) statement: Statement,
    pub(super) password: Option<String>,
}

/// Splits at blanks; quotes keep a word together.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let (mut word, mut any, mut quote) = (String::new(), false, None);
    for c in text.chars() {
        match quote {
            Some(q) if c == q => quote = None,
            None if matches!(c, '"' | '\'') => (quote, any) = (Some(c), true),
            None if c.is_whitespace() => {
                if any || !word.is_empty() {
                    out.push(std::mem::take(&mut word));
                    any = false;
                }
            }
            _ => word.push(c),
        }
    }
    if any || !word.is_empty() {
        out.push(word);
    }
    out
}

/// Statements of a batch: ended by `;` (`terminated`) or by the line's end. Comment lines are left out.
pub(super) fn split(text: &str, terminated: bool) -> Vec<String> {
    let code = text.lines().filter(|l| !l.trim_start().starts_with("--"));
    if !terminated {
        return code.map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect();
    }
    let (mut out, mut one, mut quote) = (Vec::new(), String::new(), None);
    for c in code.flat_map(|l| l.chars().chain(['\n'])) {
        match (quote, c) {
            (None, ';') => out.push(std::mem::take(&mut one)),
            (None, '"' | '\'') => {
                quote = Some(c);
                one.push(c);
            }
            (Some(q), c) if q == c => {
                quote = None;
                one.push(c);
            }
            _ => one.push(c),
        }
    }
    out.push(one);
    out.iter().map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()).collect()
}

/// The words of a statement, one after the other.
struct Words {
    words: Vec<String>,
    at: usize,
}

impl Words {
    fn peek(&self) -> &str {
        self.words.get(self.at).map_or("", String::as_str)
    }

    fn next(&mut self) -> String {
        let word = self.peek().to_owned();
        self.at += 1;
        word
    }

    /// Takes these keywords if they come next; `|` separates spellings.
    fn take(&mut self, keywords: &str) -> bool {
        let list: Vec<&str> = keywords.split(' ').collect();
        let fits = list
            .iter()
            .enumerate()
            .all(|(n, k)| self.words.get(self.at + n).is_some_and(|w| k.split('|').any(|k| w.eq_ignore_ascii_case(k))));
        if fits {
            self.at += list.len();
        }
        fits
    }

    /// `USER name [USING password]`: the password.
    fn credentials(&mut self) -> Option<String> {
        if !self.take("USER") {
            return None;
        }
        self.next();
        if self.take("USING") { Some(self.next()) } else { None }
    }

    fn rest(&self) -> bool {
        self.at < self.words.len()
    }
}

/// Reads a statement.
pub(super) fn parse(text: &str) -> Parsed {
    let mut w = Words { words: words(text), at: 0 };
    let mut password = None;
    let statement = read(&mut w, &mut password);
    let statement = match statement {
        Some(s) if !w.rest() => s,
        _ => Statement::Unknown(w.peek().to_owned()),
    };
    Parsed { statement, password }
}

fn read(w: &mut Words, password: &mut Option<String>) -> Option<Statement> {
    if w.take("CONNECT RESET") {
        return Some(Statement::ConnectReset);
    }
    if w.take("CONNECT TO") {
        let db = w.next();
        *password = w.credentials();
        return Some(Statement::Connect(db));
    }
    if w.take("TERMINATE") {
        return Some(Statement::Terminate);
    }
    if w.take("QUIT") {
        return Some(Statement::Quit);
    }
    for (verb, activate) in [("ACTIVATE", true), ("DEACTIVATE", false)] {
        if w.take(&format!("{verb} DB|DATABASE")) {
            let db = w.next();
            *password = w.credentials();
            return Some(if activate { Statement::Activate(db) } else { Statement::Deactivate(db) });
        }
    }
    hadr(w, password).or_else(|| configuration(w)).or_else(|| utility(w, password)).or_else(|| other(w))
}

fn hadr(w: &mut Words, password: &mut Option<String>) -> Option<Statement> {
    if w.take("START HADR ON DB|DATABASE") {
        let db = w.next();
        *password = w.credentials();
        if w.take("AS STANDBY") {
            return Some(Statement::StartHadr { db, standby: true, by_force: false });
        }
        if w.take("AS PRIMARY") {
            return Some(Statement::StartHadr { db, standby: false, by_force: w.take("BY FORCE") });
        }
        return None;
    }
    if w.take("STOP HADR ON DB|DATABASE") {
        let db = w.next();
        *password = w.credentials();
        return Some(Statement::StopHadr(db));
    }
    if w.take("TAKEOVER HADR ON DB|DATABASE") {
        let db = w.next();
        *password = w.credentials();
        let form = match (w.take("BY FORCE"), w.take("PEER WINDOW ONLY")) {
            (false, _) => Form::Plain,
            (true, false) => Form::ByForce,
            (true, true) => Form::PeerWindowOnly,
        };
        return Some(Statement::Takeover { db, form });
    }
    None
}

fn configuration(w: &mut Words) -> Option<Statement> {
    const MANAGER: &str = "DBM|DATABASE CFG|CONFIG|CONFIGURATION|MANAGER";
    if w.take("UPDATE DB|DATABASE CFG|CONFIG|CONFIGURATION") {
        let db = w.take("FOR").then(|| w.next());
        if !w.take("USING") {
            return None;
        }
        let mut pairs = Vec::new();
        while w.rest() && !w.take("IMMEDIATE|DEFERRED") {
            let name = w.next().to_uppercase();
            if !w.rest() {
                return None;
            }
            pairs.push((name, w.next()));
        }
        return (!pairs.is_empty()).then_some(Statement::UpdateConfig { db, pairs });
    }
    if w.take("GET DB|DATABASE CFG|CONFIG|CONFIGURATION") {
        let db = w.take("FOR").then(|| w.next());
        w.take("SHOW DETAIL");
        return Some(Statement::GetConfig(db));
    }
    if w.take(&format!("UPDATE {MANAGER}")) {
        w.at = w.words.len();
        return Some(Statement::UpdateManager);
    }
    if w.take(&format!("GET {MANAGER}")) {
        return Some(Statement::GetManager);
    }
    None
}

fn utility(w: &mut Words, password: &mut Option<String>) -> Option<Statement> {
    if w.take("BACKUP DB|DATABASE") {
        let db = w.next();
        *password = w.credentials();
        let to = if w.take("TO") { w.next() } else { ".".to_owned() };
        w.take("COMPRESS");
        w.take("WITHOUT PROMPTING");
        return Some(Statement::Backup { db, to });
    }
    if w.take("RESTORE DB|DATABASE") {
        let db = w.next();
        *password = w.credentials();
        let from = if w.take("FROM") { w.next() } else { ".".to_owned() };
        let taken_at = w.take("TAKEN AT").then(|| w.next());
        w.take("REPLACE HISTORY FILE");
        let replace = w.take("REPLACE EXISTING");
        w.take("REPLACE HISTORY FILE");
        let prompting = !w.take("WITHOUT PROMPTING") && !replace;
        return Some(Statement::Restore { db, from, taken_at, prompting });
    }
    if w.take("ROLLFORWARD DB|DATABASE") {
        let db = w.next();
        let _ = w.take("TO END OF LOGS");
        let complete = w.take("AND COMPLETE|STOP") || w.take("COMPLETE|STOP");
        return Some(Statement::Rollforward { db, complete });
    }
    if w.take("UPDATE ALTERNATE SERVER FOR DB|DATABASE") {
        let db = w.next();
        if !w.take("USING HOSTNAME") {
            return None;
        }
        let host = w.next();
        return w.take("PORT").then(|| Statement::UpdateAlternate { db, host, port: w.next() });
    }
    None
}

fn other(w: &mut Words) -> Option<Statement> {
    if w.take("QUIESCE DB|DATABASE IMMEDIATE|DEFER") {
        let _ = w.take("FORCE CONNECTIONS");
        return Some(Statement::Quiesce(true));
    }
    if w.take("UNQUIESCE DB|DATABASE") {
        return Some(Statement::Quiesce(false));
    }
    if w.take("FORCE APPLICATION|APPLICATIONS ALL") {
        let _ = w.take("MODE ASYNC");
        return Some(Statement::ForceAll);
    }
    if w.take("LIST APPLICATIONS") {
        if w.take("FOR DB|DATABASE") {
            w.next();
        }
        let _ = w.take("SHOW DETAIL");
        return Some(Statement::ListApplications);
    }
    if w.take("LIST DB|DATABASE DIRECTORY") {
        return Some(Statement::ListDirectory);
    }
    if w.take("GET SNAPSHOT FOR DB|DATABASE ON") {
        return Some(Statement::Snapshot(w.next()));
    }
    for (verb, create) in [("CREATE", true), ("DROP", false)] {
        if w.take(&format!("{verb} DB|DATABASE")) {
            let db = w.next();
            if create {
                // Code set, territory, page size: nothing of it matters here.
                w.at = w.words.len();
            }
            return Some(if create { Statement::CreateDatabase(db) } else { Statement::DropDatabase(db) });
        }
    }
    if w.take("SELECT COUNT(*) FROM") {
        let table = w.next();
        return Some(Statement::Count(table.rsplit('.').next().unwrap_or(&table).to_lowercase()));
    }
    if w.take("VALUES CURRENT TIMESTAMP") {
        return Some(Statement::Timestamp);
    }
    if w.take("GET INSTANCE") {
        return Some(Statement::GetInstance);
    }
    if w.take("START DATABASE MANAGER") || w.take("START DBM") {
        return Some(Statement::Start);
    }
    if w.take("STOP DATABASE MANAGER") || w.take("STOP DBM") {
        return Some(Statement::Stop(w.take("FORCE")));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_read_in_any_case_and_spelling() {
        let restore =
            parse("restore database xcatdb from \"/var/lib/db2/back up\" taken at 20110322 replace history file");
        assert_eq!(
            restore.statement,
            Statement::Restore {
                db: "xcatdb".into(),
                from: "/var/lib/db2/back up".into(),
                taken_at: Some("20110322".into()),
                prompting: true
            }
        );
        let takeover = parse("TAKEOVER HADR ON DB XCATDB USER xcatdb USING cluster BY FORCE PEER WINDOW ONLY");
        assert_eq!(takeover.password.as_deref(), Some("cluster"));
        assert!(matches!(takeover.statement, Statement::Takeover { form: Form::PeerWindowOnly, .. }));
        assert_eq!(parse("update db cfg using").statement, Statement::Unknown(String::new()));
        assert_eq!(parse("START HADR ON DB X AS PRIMARY NOW").statement, Statement::Unknown("NOW".into()));
        assert_eq!(split("-- a\nconnect to x;\n\nterminate;", true), ["connect to x", "terminate"]);
    }
}
