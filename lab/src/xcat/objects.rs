//! Objects: lsdef, mkdef, chdef, rmdef, and nodeset for the state that a node has.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{Call, Done, Reply, Stop, schema::NODE_ATTRIBUTES, table};

const DONE: &str = "1 object definitions have been created or modified.\n";

/// The arguments of the four commands.
struct Arguments<'a> {
    kind: &'a str,
    names: Vec<&'a str>,
    set: Vec<(&'a str, &'a str)>,
    only: Option<Vec<&'a str>>,
    force: bool,
    long: bool,
    stanza: bool,
}

impl<'a> Arguments<'a> {
    fn of(args: &[&'a str]) -> Self {
        let mut found = Self {
            kind: "node",
            names: Vec::new(),
            set: Vec::new(),
            only: None,
            force: false,
            long: false,
            stanza: false,
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match *arg {
                "-t" => found.kind = args.next().copied().unwrap_or("node"),
                "-o" => found.names.extend(args.next().into_iter().flat_map(|n| n.split(','))),
                "-i" => found.only = Some(args.next().map(|n| n.split(',').collect()).unwrap_or_default()),
                "-f" => found.force = true,
                "-l" => found.long = true,
                "-z" => found.stanza = true,
                other => match other.split_once('=') {
                    Some(pair) => found.set.push(pair),
                    None => found.names.extend(other.split(',')),
                },
            }
        }
        found
    }
}

type Attributes = BTreeMap<String, String>;

impl Call<'_> {
    /// All objects of a kind, by name.
    fn objects(&mut self, kind: &str) -> Result<BTreeMap<String, Attributes>, Stop> {
        let mut all: BTreeMap<String, Attributes> = BTreeMap::new();
        match kind {
            "node" => {
                for row in self.rows("nodelist")? {
                    all.insert(row[0].clone(), Attributes::new());
                }
                for (attribute, name, column) in NODE_ATTRIBUTES {
                    let column = table(name).and_then(|t| t.column(column)).expect("a column of the schema");
                    for row in self.rows(name)? {
                        if let Some(object) = all.get_mut(&row[0]).filter(|_| !row[column].is_empty()) {
                            object.insert((*attribute).to_owned(), row[column].clone());
                        }
                    }
                }
            }
            "site" => {
                let values = self.rows("site")?.into_iter().map(|r| (r[0].clone(), r[1].clone())).collect();
                all.insert("clustersite".to_owned(), values);
            }
            "osimage" => {
                for name in ["osimage", "nimimage"] {
                    let columns = table(name).expect("a table of the schema").columns;
                    for row in self.rows(name)? {
                        let object = all.entry(row[0].clone()).or_default();
                        for (column, value) in columns.iter().zip(&row).skip(1).filter(|(_, v)| !v.is_empty()) {
                            object.insert((*column).to_owned(), value.clone());
                        }
                    }
                }
            }
            other => {
                let Some(known) = table(if other == "network" { "networks" } else { other }) else {
                    return Err(Stop::Reply(Reply::failed(
                        1,
                        "",
                        self.error(&format!("Type '{other}' is not a valid xCAT object type.")),
                    )));
                };
                for row in self.rows(known.name)? {
                    let values = known.columns.iter().zip(&row).skip(1).filter(|(_, v)| !v.is_empty());
                    all.insert(row[0].clone(), values.map(|(c, v)| ((*c).to_owned(), v.clone())).collect());
                }
            }
        }
        Ok(all)
    }

    fn no_such(&self, name: &str, kind: &str) -> String {
        self.error(&format!("Could not find an object named '{name}' of type '{kind}'."))
    }

    pub(super) fn lsdef(&mut self) -> Done {
        let given = Arguments::of(self.args);
        let objects = self.objects(given.kind)?;
        if objects.is_empty() && given.names.is_empty() {
            return Ok(Reply::ok("Could not find any object definitions to display.\n"));
        }
        let mut out = String::new();
        let mut error = String::new();
        if given.names.is_empty() && !given.long && !given.stanza && given.kind != "site" {
            for name in objects.keys() {
                let _ = writeln!(out, "{name}  ({})", given.kind);
            }
            return Ok(Reply::ok(out));
        }
        let names: Vec<&str> =
            if given.names.is_empty() { objects.keys().map(String::as_str).collect() } else { given.names.clone() };
        if given.stanza {
            out.push_str("# <xCAT data object stanza file>\n");
        }
        let mut found = 0;
        for name in names {
            let Some(attributes) = objects.get(name) else {
                error.push_str(&self.no_such(name, given.kind));
                continue;
            };
            found += 1;
            if given.stanza {
                let _ = writeln!(out, "\n{name}:\n    objtype={}", given.kind);
            } else {
                let _ = writeln!(out, "Object name: {name}");
            }
            match &given.only {
                Some(only) => {
                    for attribute in only {
                        let value = attributes.get(*attribute).map_or("", String::as_str);
                        let _ = writeln!(out, "    {attribute}={value}");
                    }
                }
                None => attributes.iter().for_each(|(k, v)| {
                    let _ = writeln!(out, "    {k}={v}");
                }),
            }
        }
        if found == 0 {
            out.clear();
            out.push_str("No object definitions have been found\n");
        }
        Ok(Reply::failed(i32::from(!error.is_empty()), out, error))
    }

    pub(super) fn mkdef(&mut self) -> Done {
        let given = Arguments::of(self.args);
        let Some(name) = given.names.first().copied() else {
            return Ok(Reply::failed(1, "", self.error("No object names were provided.")));
        };
        if self.objects(given.kind)?.contains_key(name) {
            if !given.force {
                let host = self.backend.host_name();
                return Ok(Reply::failed(
                    1,
                    "",
                    format!(
                        "Warning: [{host}]: A definition for '{name}' already exists. No changes will be made.  Run again with '-f' option to force replace.\n\
                     Error: [{host}]: 0 object definitions have been created or modified.\n"
                    ),
                ));
            }
            // -f replaces: what is not named is lost.
            self.remove(given.kind, name)?;
        }
        self.set(given.kind, name, &given.set)?;
        Ok(Reply::ok(DONE))
    }

    pub(super) fn chdef(&mut self) -> Done {
        let given = Arguments::of(self.args);
        let name = if given.kind == "site" { "clustersite" } else { given.names.first().copied().unwrap_or("") };
        if name.is_empty() {
            return Ok(Reply::failed(1, "", self.error("No object names were provided.")));
        }
        let known = self.objects(given.kind)?.contains_key(name);
        self.set(given.kind, name, &given.set)?;
        if given.kind == "node" && !known && !given.set.iter().any(|(k, _)| *k == "groups") {
            // It says no, exits 1, and the row of the attribute stays behind in its table.
            let host = self.backend.host_name();
            return Ok(Reply::failed(
                1,
                "",
                format!(
                    "Error: [{host}]: Attribute 'groups' is not specified for node '{name}', skipping to the next node.\n\
                 Error: [{host}]: One or more errors occured when attempting to create or modify xCAT object definitions.\n"
                ),
            ));
        }
        Ok(Reply::ok(DONE))
    }

    pub(super) fn rmdef(&mut self) -> Done {
        let given = Arguments::of(self.args);
        let objects = self.objects(given.kind)?;
        let (mut removed, mut error) = (0, String::new());
        for name in &given.names {
            if objects.contains_key(*name) {
                self.remove(given.kind, name)?;
                removed += 1;
            } else {
                error.push_str(&self.no_such(name, given.kind));
            }
        }
        let out = if removed == 0 {
            "No objects have been removed from the xCAT database.\n".to_owned()
        } else {
            format!("{removed} object definitions have been removed.\n")
        };
        Ok(Reply::failed(i32::from(!error.is_empty()), out, error))
    }

    fn remove(&mut self, kind: &str, name: &str) -> Result<(), Stop> {
        let tables: &[&str] = match kind {
            "node" => &["nodelist", "hosts", "mac", "nodehm", "noderes", "nodetype", "chain"],
            "osimage" => &["osimage", "nimimage"],
            "network" => &["networks"],
            other => &[table(other).map_or("site", |t| t.name)],
        };
        for t in tables {
            self.delete(t, name)?;
        }
        Ok(())
    }

    fn set(&mut self, kind: &str, name: &str, set: &[(&str, &str)]) -> Result<(), Stop> {
        for (attribute, value) in set {
            let (key, in_table, column) = match kind {
                "node" => match NODE_ATTRIBUTES.iter().find(|(a, ..)| a == attribute) {
                    Some((_, t, c)) => (name, *t, *c),
                    None => continue,
                },
                "site" => (*attribute, "site", "value"),
                "osimage" if table("osimage").is_some_and(|t| t.column(attribute).is_some()) => {
                    (name, "osimage", *attribute)
                }
                "osimage" => (name, "nimimage", *attribute),
                "network" => (name, "networks", *attribute),
                other => (name, other, *attribute),
            };
            let Some((known, index)) = table(in_table).and_then(|t| Some((t, t.column(column)?))) else { continue };
            let mut row =
                self.rows(known.name)?.into_iter().find(|r| r[0] == key).unwrap_or_else(|| known.empty_row(key));
            (*value).clone_into(&mut row[index]);
            self.put(known.name, row)?;
        }
        Ok(())
    }

    /// `nodeset RANGE stat|boot`. Anything that would install a node is refused as if its image were unknown.
    pub(super) fn nodeset(&mut self) -> Done {
        let [range, action] = self.args else {
            return Ok(Reply::failed(1, "Usage: nodeset <noderange> [boot|stat|osimage=<imagename>]\n", ""));
        };
        let nodes = self.range(Some(range))?;
        if let Some((_, image)) = action.split_once('=') {
            return Ok(Reply::failed(
                1,
                "",
                self.error(&format!("Cannot find the OS image {image} in the osimage table.")),
            ));
        }
        let known = table("chain").expect("a table of the schema");
        let rows = self.rows("chain")?;
        let mut out = String::new();
        for node in nodes {
            let row = rows.iter().find(|r| r[0] == node);
            let state = if *action == "boot" {
                let mut row = row.cloned().unwrap_or_else(|| known.empty_row(&node));
                "boot".clone_into(&mut row[1]);
                self.put("chain", row)?;
                "boot"
            } else {
                row.map(|r| r[1].as_str()).filter(|s| !s.is_empty()).unwrap_or("boot")
            };
            let _ = writeln!(out, "{node}: {state}");
        }
        Ok(Reply::ok(out))
    }
}
