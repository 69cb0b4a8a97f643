//! Files of every schema version: what was written once is read for ever, and the present version is written to the byte.
//!
//! The present version's files are made anew with `HAMN_WRITE_GOLDEN=1 cargo test -p journal-schema --test golden`. Once a
//! release has written a version its files never change: another layout is another version (`SCHEMA.md`).

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::PathBuf,
};

use common::{golden, shape};
use journal_schema::{
    Channel, DatabaseRole, Direction, End, Fact, Frames, HadrConnection, HadrRole, HadrState, Kind, Mode, Payload,
    Power, Record, RunId, RunState, SchemaVersion, TakeoverForm, Tri, Verdict,
};
use serde::{Serialize, de::DeserializeOwned};

fn folder(version: u16) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("golden/v{version}"))
}

fn frames() -> Vec<u8> {
    golden::records().iter().flat_map(|r| r.encode().expect("small")).collect()
}

fn lines() -> String {
    golden::records().iter().map(|r| r.to_json() + "\n").collect()
}

/// Makes the present version's files if asked to; returns whether it was.
fn write_if_asked() -> bool {
    let asked = std::env::var_os("HAMN_WRITE_GOLDEN").is_some();
    if asked {
        let folder = folder(SchemaVersion::CURRENT.0);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("records.frames"), frames()).unwrap();
        fs::write(folder.join("records.jsonl"), lines()).unwrap();
    }
    asked
}

#[test]
fn every_version_is_read_for_ever() {
    if write_if_asked() {
        return;
    }
    for version in SchemaVersion::OLDEST.0..=SchemaVersion::CURRENT.0 {
        let bytes = fs::read(folder(version).join("records.frames")).unwrap();
        let mut records = Vec::new();
        for (offset, record) in Frames::new(&bytes) {
            records.push(record.unwrap_or_else(|e| panic!("version {version}, byte {offset}: {e}")));
        }
        let json = fs::read_to_string(folder(version).join("records.jsonl")).unwrap();
        let from_json: Result<Vec<_>, _> = json.lines().map(Record::from_json).collect();
        assert_eq!(from_json.as_ref(), Ok(&records), "version {version}");
        assert!(records.iter().all(|r| r.version == SchemaVersion(version)));
        let mut runs: BTreeMap<RunId, Vec<Record>> = BTreeMap::new();
        for record in records {
            runs.entry(record.run).or_default().push(record);
        }
        let ends: BTreeSet<_> =
            runs.values().map(|run| format!("{:?}", RunState::fold(run).expect("legal").end.unwrap().0)).collect();
        assert_eq!(ends.len(), 3, "version {version}");
    }
}

#[test]
fn the_present_version_is_written_to_the_byte() {
    if write_if_asked() {
        return;
    }
    let folder = folder(SchemaVersion::CURRENT.0);
    let advice = "the layout of records has changed: old journals would be misread (see SCHEMA.md, rules of evolution)";
    assert!(fs::read(folder.join("records.frames")).unwrap() == frames(), "{advice}");
    assert!(fs::read_to_string(folder.join("records.jsonl")).unwrap() == lines(), "{advice}");
}

/// Values seen, by the type's name.
#[derive(Default)]
struct Seen(BTreeMap<&'static str, BTreeSet<String>>);

impl Seen {
    fn see<T: Serialize>(&mut self, value: &T) {
        self.0.entry(std::any::type_name::<T>()).or_default().insert(shape::variant(value));
    }

    #[track_caller]
    fn assert_all<T: DeserializeOwned + fmt::Debug>(&self) {
        let name = std::any::type_name::<T>();
        let seen = self.0.get(name).unwrap_or_else(|| panic!("no {name} in the golden file"));
        for variant in shape::variants::<T>() {
            assert!(seen.contains(&variant), "{name}::{variant} is not in the golden file: add it to common/golden.rs");
        }
    }

    /// Without a wildcard: a new variant does not compile until someone has thought of it here.
    fn payload(&mut self, payload: &Payload) {
        self.see(payload);
        match payload {
            Payload::RunStarted { table, .. } => table.iter().for_each(|row| self.see(&row.kind)),
            Payload::Planned { steps, .. } => steps.iter().for_each(|step| self.see(&step.mode)),
            Payload::Intent { direction, .. } => self.see(direction),
            Payload::Outcome { verdict, evidence, .. } => {
                self.see(verdict);
                for fact in evidence {
                    self.fact(fact);
                }
            }
            Payload::Finished { end, .. } => self.see(end),
            Payload::Decided { .. }
            | Payload::Skipped { .. }
            | Payload::Regressed { .. }
            | Payload::Entered { .. }
            | Payload::RollbackStarted { .. }
            | Payload::Reverted { .. }
            | Payload::Stuck { .. }
            | Payload::Interrupted { .. }
            | Payload::Resumed { .. }
            | Payload::ItemOpened(_)
            | Payload::ItemClosed { .. }
            | Payload::Imported { .. } => {}
        }
    }

    fn fact(&mut self, fact: &Fact) {
        self.see(fact);
        match fact {
            Fact::Answers { channel, answer, .. } => {
                self.see(channel);
                self.see(answer);
            }
            Fact::PowerState { power, .. } => self.see(power),
            Fact::Database { role, .. } => self.see(role),
            Fact::Hadr { role, active, state, connection, .. } => {
                self.see(role);
                self.see(active);
                self.see(state);
                self.see(connection);
            }
            Fact::Permitted { form, .. } => self.see(form),
            Fact::Identity { .. }
            | Fact::Setting { .. }
            | Fact::BackupImage { .. }
            | Fact::Deployment { .. }
            | Fact::ClockOffset { .. }
            | Fact::FenceIdentity { .. }
            | Fact::LogPosition { .. }
            | Fact::Streaming { .. }
            | Fact::HoldsAddress { .. }
            | Fact::AddressProbe { .. }
            | Fact::Service { .. }
            | Fact::ScheduledJob { .. }
            | Fact::Epoch { .. }
            | Fact::ClusterNodes { .. }
            | Fact::Attested { .. }
            | Fact::LossBound { .. }
            | Fact::Claimed { .. }
            | Fact::Note { .. } => {}
        }
    }
}

#[test]
fn every_value_of_every_enum_is_in_it() {
    let mut seen = Seen::default();
    for record in golden::records() {
        seen.payload(&record.payload);
    }
    seen.assert_all::<Payload>();
    seen.assert_all::<Fact>();
    seen.assert_all::<Kind>();
    seen.assert_all::<Mode>();
    seen.assert_all::<Direction>();
    seen.assert_all::<Verdict>();
    seen.assert_all::<End>();
    seen.assert_all::<Tri>();
    seen.assert_all::<Channel>();
    seen.assert_all::<Power>();
    seen.assert_all::<DatabaseRole>();
    seen.assert_all::<HadrRole>();
    seen.assert_all::<HadrState>();
    seen.assert_all::<HadrConnection>();
    seen.assert_all::<TakeoverForm>();
}

#[test]
fn names_are_those_of_the_json_form() {
    for record in golden::records() {
        assert_eq!(record.payload.name(), shape::variant(&record.payload));
    }
}
