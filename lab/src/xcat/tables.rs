//! Tables as they are: tabdump, gettab, chtab, nodels, and lsxcatd.

use std::fmt::Write as _;

use super::{Call, Cfgloc, Done, Reply, Row, Stop, TABLES, table};

impl Call<'_> {
    pub(super) fn tabdump(&mut self) -> Done {
        let (mut file, mut name) = (None, None);
        let mut args = self.args.iter();
        while let Some(arg) = args.next() {
            match *arg {
                "-f" => file = args.next().copied(),
                other => name = Some(other),
            }
        }
        let Some(name) = name else {
            // The list comes from the schema and still asks the database.
            self.rows("site")?;
            return Ok(Reply::ok(TABLES.iter().fold(String::new(), |all, t| all + t.name + "\n")));
        };
        let Some(known) = table(name) else {
            self.rows("site")?;
            return Ok(Reply::failed(1, "", self.error(&format!("No such table: {name}"))));
        };
        let rows = self.rows(name)?;
        let mut out = String::with_capacity(64 * (rows.len() + 1));
        out.push('#');
        out.push_str(&known.columns.join(","));
        out.push('\n');
        for row in rows {
            csv(&row, &mut out);
        }
        if let Some(path) = file {
            self.backend.write_file(path, &out);
            out.clear();
        }
        Ok(Reply::ok(out))
    }

    /// `gettab key=K site.value`: the value; nothing and exit 0 when there is none.
    pub(super) fn gettab(&mut self) -> Done {
        let [key, wanted] = self.args else {
            return Ok(Reply::failed(1, "Usage: gettab key=value table.attribute\n", ""));
        };
        let Some(((column, value), (name, attribute))) = key.split_once('=').zip(wanted.split_once('.')) else {
            return Ok(Reply::failed(1, "Usage: gettab key=value table.attribute\n", ""));
        };
        let Some(known) = table(name) else {
            return Ok(Reply::failed(1, "", self.error(&format!("No such table: {name}"))));
        };
        let (Some(by), Some(want)) = (known.column(column), known.column(attribute)) else {
            return Ok(Reply::ok(""));
        };
        let found = self.rows(name)?.into_iter().find(|r| r[by] == value);
        Ok(Reply::ok(found.map(|mut r| r.swap_remove(want) + "\n").unwrap_or_default()))
    }

    /// `chtab key=K table.column=V …` and `chtab -d key=K table`: silent, also when there is nothing to delete.
    pub(super) fn chtab(&mut self) -> Done {
        let delete = self.args.first() == Some(&"-d");
        let args = if delete { &self.args[1..] } else { self.args };
        let usage = || Stop::Reply(Reply::failed(1, "Usage: chtab [-d] key=value table.attribute=value\n", ""));
        let (key, rest) = args.split_first().ok_or_else(usage)?;
        let (_, key) = key.split_once('=').ok_or_else(usage)?;
        for change in rest {
            let (name, set) = change.split_once('.').map_or((*change, None), |(t, set)| (t, Some(set)));
            let Some(known) = table(name) else {
                return Ok(Reply::failed(1, format!("Table {name} does not exist.\n"), ""));
            };
            if delete {
                self.delete(name, key)?;
                continue;
            }
            let (column, value) = set.and_then(|s| s.split_once('=')).ok_or_else(usage)?;
            let Some(column) = known.column(column) else {
                return Ok(Reply::failed(1, format!("Attribute {column} does not exist in table {name}.\n"), ""));
            };
            let mut row = self.rows(name)?.into_iter().find(|r| r[0] == key).unwrap_or_else(|| known.empty_row(key));
            value.clone_into(&mut row[column]);
            self.put(name, row)?;
        }
        Ok(Reply::ok(""))
    }

    /// `nodels`, `nodels RANGE`, `nodels RANGE table.column`.
    pub(super) fn nodels(&mut self) -> Done {
        let nodes = self.range(self.args.first().copied())?;
        let mut out = String::new();
        match self.args.get(1).and_then(|a| a.split_once('.')) {
            Some((name, column)) => {
                let Some((known, index)) = table(name).and_then(|t| Some((t, t.column(column)?))) else {
                    return Ok(Reply::failed(1, "", self.error(&format!("No such table: {name}"))));
                };
                let rows = self.rows(known.name)?;
                for node in nodes {
                    let value = rows.iter().find(|r| r[0] == node).map_or("", |r| &r[index]);
                    let _ = writeln!(out, "{node}: {value}");
                }
            }
            None => nodes.iter().for_each(|n| {
                out.push_str(n);
                out.push('\n');
            }),
        }
        Ok(Reply::ok(out))
    }

    /// The nodes of a node range: names and groups, separated by commas; no range: all.
    pub(super) fn range(&mut self, range: Option<&str>) -> Result<Vec<String>, Stop> {
        let rows = self.rows("nodelist")?;
        let Some(range) = range else {
            return Ok(rows.into_iter().map(|mut r| r.swap_remove(0)).collect());
        };
        let mut found: Vec<String> = Vec::new();
        let mut unknown: Vec<&str> = Vec::new();
        for word in range.split(',') {
            let before = found.len();
            for row in &rows {
                if (row[0] == word || row[1].split(',').any(|g| g == word)) && !found.contains(&row[0]) {
                    found.push(row[0].clone());
                }
            }
            if found.len() == before && !rows.iter().any(|r| r[0] == word) {
                unknown.push(word);
            }
        }
        if unknown.is_empty() {
            Ok(found)
        } else {
            let text = format!("Error: Invalid nodes and/or groups in noderange: {}\n", unknown.join(","));
            Err(Stop::Reply(Reply::failed(1, "", text)))
        }
    }

    /// `lsxcatd -a|-d|-v|-h`.
    pub(super) fn lsxcatd(&mut self) -> Done {
        const USAGE: &str = "lsxcatd [-v|--version]\nlsxcatd [-h|--help|-?]\nlsxcatd [-d|--database]\nlsxcatd [-t|--nodetype]\nlsxcatd [-a|--all]\n";
        let mut out = String::new();
        let option = self.args.first().copied().unwrap_or("");
        match option {
            "-h" | "--help" => return Ok(Reply::ok(USAGE)),
            "-a" | "--all" | "-d" | "--database" | "-v" | "--version" | "-t" | "--nodetype" => {}
            _ => return Ok(Reply::failed(1, USAGE, "")),
        }
        self.rows("site")?;
        let all = matches!(option, "-a" | "--all");
        if all || matches!(option, "-v" | "--version") {
            out.push_str("Version 2.19.0 (git commit 7733d16f8de0fc36b80638c04a7033931fa13304)\n");
        }
        if all || matches!(option, "-t" | "--nodetype") {
            // Only means that /etc/xCATMN exists: a standby says it too.
            out.push_str("This is a Management Node\n");
        }
        if all || matches!(option, "-d" | "--database") {
            match self.backend.read_file("/etc/xcat/cfgloc").as_deref().and_then(Cfgloc::parse) {
                Some(Cfgloc { engine, dbname, host, user, .. }) => {
                    let _ = write!(
                        out,
                        "cfgloc={engine}:dbname={dbname};host={host}|{user}\ndbengine={engine}\ndbname={dbname}\ndbhost={host}\ndbadmin={user}\n"
                    );
                }
                None => out.push_str("dbengine=SQLite\n"),
            }
        }
        Ok(Reply::ok(out))
    }
}

/// A row as tabdump writes it: set values quoted, quotes doubled, unset ones empty.
fn csv(row: &Row, out: &mut String) {
    for (i, value) in row.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        if !value.is_empty() {
            out.push('"');
            for c in value.chars() {
                if c == '"' {
                    out.push('"');
                }
                out.push(c);
            }
            out.push('"');
        }
    }
    out.push('\n');
}
