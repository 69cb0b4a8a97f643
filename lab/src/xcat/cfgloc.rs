//! `/etc/xcat/cfgloc`: the one line that says where xCAT's database is.

/// The line taken apart: `Pg:dbname=xcatdb;host=10.77.0.1|xcatadm|secret`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cfgloc {
    /// `Pg`, `mysql`.
    pub engine: String,
    /// Name of the database.
    pub dbname: String,
    /// Host or address.
    pub host: String,
    /// Role to log in with.
    pub user: String,
    /// Its password.
    pub password: String,
}

impl Cfgloc {
    /// Reads the first line. `None` when it is no such line (DB2 and SQLite have no host).
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.lines().next()?.trim_end().split('|');
        let (engine, source) = parts.next()?.split_once(':')?;
        let (mut dbname, mut host) = (None, None);
        for pair in source.split(';') {
            match pair.split_once('=')? {
                ("dbname", v) => dbname = Some(v),
                ("host", v) => host = Some(v),
                _ => {}
            }
        }
        Some(Self {
            engine: engine.to_owned(),
            dbname: dbname?.to_owned(),
            host: host?.to_owned(),
            user: parts.next()?.to_owned(),
            password: parts.next().unwrap_or("").to_owned(),
        })
    }

    /// The host alone, without taking the rest apart.
    pub fn host_of(text: &str) -> Option<&str> {
        let source = text.lines().next()?.split('|').next()?;
        source.split([':', ';']).find_map(|p| p.strip_prefix("host="))
    }
}
