//! xCAT's database through `psql`, as cfgloc says.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::{
    hosts::quote,
    xcat::{Cfgloc, DbError, Row, TABLES, Table},
};

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

/// Whether it can be reached.
pub(super) fn probe(cfgloc: &Cfgloc) -> Result<(), DbError> {
    run(cfgloc, "SELECT 1 FROM site LIMIT 1;\n").map(drop)
}

fn columns(table: &Table) -> String {
    table.columns.iter().map(|c| format!("\"{c}\"")).collect::<Vec<_>>().join(", ")
}

/// Every row of every table, in one go.
pub(super) fn all(cfgloc: &Cfgloc) -> Result<Rows, DbError> {
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
pub(super) fn put(cfgloc: &Cfgloc, table: &Table, row: &Row) -> Result<(), DbError> {
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
pub(super) fn delete(cfgloc: &Cfgloc, table: &Table, key: &str) -> Result<usize, DbError> {
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
