//! `SCHEMA.md` says what the code does: its tables are compared with the types, its numbers with the constants.
//!
//! `HAMN_WRITE_GOLDEN=1 cargo test -p journal-schema --test schema_doc` writes the tables anew.

mod common;

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    fs,
    path::PathBuf,
};

use common::{golden, once, operator, refs, row, shape};
use journal_schema::{
    Channel, DatabaseRole, Direction, End, Fact, HadrConnection, HadrRole, HadrState, Kind, MAGIC, MAX_BODY, Mode,
    OVERHEAD, OpenItem, Payload, Power, Record, SchemaVersion, TakeoverForm, Tri, Verdict,
};
use serde::{Serialize, de::DeserializeOwned};

const BEGIN: &str = "<!-- tables: made by tests/schema_doc.rs -->\n";
const END: &str = "<!-- end of tables -->\n";

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("SCHEMA.md")
}

/// A table of an enum's variants with their numbers and fields.
fn table<T: Serialize + DeserializeOwned + fmt::Debug>(title: &str, samples: impl Iterator<Item = T>) -> String {
    let fields: BTreeMap<_, _> = samples.map(|s| (shape::variant(&s), shape::fields(&s, true))).collect();
    let mut text = format!("### {title}\n\n| number | name | fields, in order |\n|---|---|---|\n");
    for (number, name) in shape::variants::<T>().into_iter().enumerate() {
        writeln!(text, "| {number} | `{name}` | {} |", fields[&name].join(", ")).unwrap();
    }
    text + "\n"
}

fn tables() -> String {
    let records = golden::records();
    let mut text = table("Payloads", records.iter().map(|r| r.payload.clone()));
    text += &table::<Fact>("Facts", golden::facts().into_iter());
    text += "### Enums without fields\n\n| type | values, from number 0 |\n|---|---|\n";
    let mut values =
        |name: &str, variants: Vec<String>| writeln!(text, "| {name} | {} |", variants.join(", ")).unwrap();
    values("Kind", shape::variants::<Kind>());
    values("Mode", shape::variants::<Mode>());
    values("Direction", shape::variants::<Direction>());
    values("Verdict", shape::variants::<Verdict>());
    values("End", shape::variants::<End>());
    values("Tri", shape::variants::<Tri>());
    values("Channel", shape::variants::<Channel>());
    values("Power", shape::variants::<Power>());
    values("DatabaseRole", shape::variants::<DatabaseRole>());
    values("HadrRole", shape::variants::<HadrRole>());
    values("HadrState", shape::variants::<HadrState>());
    values("HadrConnection", shape::variants::<HadrConnection>());
    values("TakeoverForm", shape::variants::<TakeoverForm>());
    text += "\n### Structures\n\n| type | fields, in order |\n|---|---|\n";
    let mut structure = |name: &str, fields: Vec<String>| writeln!(text, "| {name} | {} |", fields.join(", ")).unwrap();
    structure("Record", shape::fields::<Record>(&records[0], false));
    structure("Refs", shape::fields(&refs(), false));
    structure("TableRow", shape::fields(&row("a", "b", "c", Kind::Pivot), false));
    structure("PlannedStep", shape::fields(&once("a"), false));
    structure("OpenItem", shape::fields(&item(), false));
    structure("Operator", shape::fields(&operator(), false));
    text
}

fn item() -> OpenItem {
    OpenItem { id: String::new(), text: String::new(), command: String::new() }
}

#[test]
fn tables_are_those_of_the_types() {
    let text = fs::read_to_string(path()).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the first marker");
    let (found, after) = rest.split_once(END).expect("the second marker");
    if std::env::var_os("HAMN_WRITE_GOLDEN").is_some() {
        fs::write(path(), [before, BEGIN, &tables(), END, after].concat()).unwrap();
        return;
    }
    assert!(found == tables(), "SCHEMA.md is behind the code; its tables should be:\n{}", tables());
}

#[test]
fn numbers_are_those_of_the_constants() {
    let text = fs::read_to_string(path()).unwrap();
    let magic = MAGIC.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ");
    for expected in [
        format!("Present version: **{}**", SchemaVersion::CURRENT.0),
        format!("Oldest version read: **{}**", SchemaVersion::OLDEST.0),
        format!("| magic | 4 | `{magic}` |"),
        format!("at most {MAX_BODY} bytes"),
        format!("{OVERHEAD} bytes around the body"),
    ] {
        assert!(text.contains(&expected), "SCHEMA.md does not say: {expected}");
    }
    for version in 1..=SchemaVersion::CURRENT.0 {
        let line = format!("| {version} | {} |", SchemaVersion(version).reader().unwrap());
        assert!(text.contains(&line), "SCHEMA.md does not say: {line}");
    }
}

#[test]
fn every_payload_is_explained() {
    let text = fs::read_to_string(path()).unwrap();
    let (rules, _) = text.split_once(BEGIN).unwrap();
    for payload in shape::variants::<Payload>() {
        assert!(rules.contains(&format!("`{payload}`")), "SCHEMA.md has no rule for {payload}");
    }
}
