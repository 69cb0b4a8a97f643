//! xCAT's database as cfgloc says: PostgreSQL through `psql`, or the stand-in of DB2 on this host.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::{
    db2::Change,
    hosts::quote,
    xcat::{Cfgloc, DbError, Row, TABLES, Table},
};

use super::db2;

/// How the database is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// PostgreSQL.
    Psql(Cfgloc),
    /// The instance of that name on this host.
    Db2(String),
}

impl Way {
    /// Reads cfgloc's line: `Pg:…` or `DB2:DATABASE|INSTANCE|…`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("DB2:") {
            Some(rest) => Some(Self::Db2(rest.lines().next()?.split('|').nth(1)?.to_owned())),
            None => Cfgloc::parse(text).map(Self::Psql),
        }
    }

    /// Host that it leads to by the network.
    pub(super) fn host(&self) -> Option<&str> {
        match self {
            Self::Psql(cfgloc) => Some(&cfgloc.host),
            Self::Db2(_) => None,
        }
    }
}

/// All rows, by table.
pub(super) type Rows = BTreeMap<&'static str, Vec<Row>>;

/// The server's own psql: the wrapper in /usr/bin takes longer than the query.
fn program() -> PathBuf {
    fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path().join("bin/psql"))
        .filter(|p| p.exists())
        .max()
        .unwrap_or_else(|| "psql".into())
}

/// Runs statements; what they print.
fn run(cfgloc: &Cfgloc, sql: &str) -> Result<String, DbError> {
    let mut child = Command::new(program())
        .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-p", "5432", "-f", "-"])
        .args(["-h", &cfgloc.host, "-U", &cfgloc.user, "-d", &cfgloc.dbname])
        .env("PGPASSWORD", &cfgloc.password)
        .env("PGCONNECT_TIMEOUT", "3")
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|_| DbError::Down)?;
    if let Some(mut pipe) = child.stdin.take() {
        // Without a connection it does not read.
        let _ = pipe.write_all(sql.as_bytes());
    }
    let out = child.wait_with_output().map_err(|_| DbError::Down)?;
    if out.status.success() {
        return Ok(String::from_utf8_lossy(&out.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&out.stderr);
    Err(if said.contains("read-only transaction") { DbError::ReadOnly } else { DbError::Down })
}

/// Whether it can be reached. One of DB2 is by who holds a connection.
pub(super) fn probe(way: &Way) -> Result<(), DbError> {
    let Way::Psql(cfgloc) = way else { return Ok(()) };
    run(cfgloc, "SELECT 1 FROM site LIMIT 1;\n").map(drop)
}

fn columns(table: &Table) -> String {
    table.columns.iter().map(|c| format!("\"{c}\"")).collect::<Vec<_>>().join(", ")
}

/// Every row of every table, in one go.
pub(super) fn all(way: &Way) -> Result<Rows, DbError> {
    let cfgloc = match way {
        Way::Psql(cfgloc) => cfgloc,
        Way::Db2(instance) => {
            let mut content = db2::content(instance).ok_or(DbError::Down)?;
            return Ok(TABLES.iter().map(|t| (t.name, content.remove(t.name).unwrap_or_default())).collect());
        }
    };
    let mut sql = String::new();
    for table in TABLES {
        let _ = writeln!(
            sql,
            "\\echo @{}\nCOPY (SELECT {} FROM {} ORDER BY \"{}\" COLLATE \"C\") TO STDOUT;",
            table.name,
            columns(table),
            table.name,
            table.columns[0]
        );
    }
    Ok(parse(&run(cfgloc, &sql)?))
}

/// Reads lines of COPY's text form, each table after a line `@NAME`; a row has always a tab and such a line never.
fn parse(text: &str) -> Rows {
    let mut rows = Rows::new();
    let mut current = None;
    for line in text.lines() {
        if !line.contains('\t') {
            current = line.strip_prefix('@').and_then(|name| TABLES.iter().find(|t| t.name == name));
            if let Some(table) = current {
                rows.insert(table.name, Vec::new());
            }
        } else if let Some(list) = current.and_then(|t| rows.get_mut(t.name)) {
            list.push(line.split('\t').map(field).collect());
        }
    }
    rows
}

fn field(text: &str) -> String {
    if text == "\\N" {
        return String::new();
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.push(match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('r') => '\r',
                Some('b') => '\u{8}',
                Some('f') => '\u{c}',
                Some('v') => '\u{b}',
                Some(other) => other,
                None => '\\',
            },
            (c, false) => c,
        });
    }
    out
}

/// Inserts a row, or replaces the one of its key.
pub(super) fn put(way: &Way, table: &Table, row: &Row) -> Result<(), DbError> {
    let cfgloc = match way {
        Way::Psql(cfgloc) => cfgloc,
        Way::Db2(instance) => {
            let done = db2::change(instance, Change::Put { table: table.name.to_owned(), row: row.clone() });
            return if done { Ok(()) } else { Err(DbError::Down) };
        }
    };
    let key = table.columns[0];
    let values: Vec<String> =
        row.iter().enumerate().map(|(n, v)| if n > 0 && v.is_empty() { "NULL".to_owned() } else { quote(v) }).collect();
    let set: Vec<String> = table.columns[1..].iter().map(|c| format!("\"{c}\" = EXCLUDED.\"{c}\"")).collect();
    let sql = format!(
        "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT (\"{key}\") DO UPDATE SET {};\n",
        table.name,
        columns(table),
        values.join(", "),
        set.join(", ")
    );
    run(cfgloc, &sql).map(drop)
}

/// Deletes the rows of a key; how many.
pub(super) fn delete(way: &Way, table: &Table, key: &str) -> Result<usize, DbError> {
    let cfgloc = match way {
        Way::Psql(cfgloc) => cfgloc,
        Way::Db2(instance) => {
            let before = all(way)?.get(table.name).map_or(0, |rows| rows.iter().filter(|r| r[0] == key).count());
            let done = db2::change(instance, Change::Delete { table: table.name.to_owned(), key: key.to_owned() });
            return if done { Ok(before) } else { Err(DbError::Down) };
        }
    };
    let sql = format!(
        "WITH gone AS (DELETE FROM {} WHERE \"{}\" = {} RETURNING 1) SELECT count(*) FROM gone;\n",
        table.name,
        table.columns[0],
        quote(key)
    );
    Ok(run(cfgloc, &sql)?.trim().parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_went_in() {
        let rows = parse(
            "@site\nmaster\t10.77.0.10\t\\N\t\\N\nodd\ta\\tb\\\\c\\nd\t\\N\t\\N\n@passwd\n@hosts\n@x\t\t\t\t\t\n",
        );
        assert_eq!(rows["site"][0], ["master", "10.77.0.10", "", ""]);
        assert_eq!(rows["site"][1], ["odd", "a\tb\\c\nd", "", ""]);
        assert!(rows["passwd"].is_empty());
        assert_eq!(rows["hosts"][0][0], "@x");
    }
}
