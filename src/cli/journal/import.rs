//! `hamn journal import`: a run whose own machine is gone is taken over from the copy that it sent here.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use journal_schema::{Payload, RunState};
use serde_json::json;

use crate::{
    cli::{Exit, Globals, Outcome, Trouble, out, who},
    journal::{self, GuardedStore, Holder, ImportError, Imported, StateDir, Store},
};

pub(super) async fn call(globals: &Globals, file: Option<&Path>) -> Outcome {
    let dir = StateDir::new(globals.state_dir());
    let path = match file {
        Some(path) => path.to_owned(),
        None => newest_copy(globals, &dir)?,
    };
    let from = path.display().to_string();
    let bytes = fs::read(&path).map_err(|e| {
        Trouble::refused(format!("{from} cannot be read")).detail(e.to_string()).next("hamn journal import FILE")
    })?;
    // What is refused must not leave a journal where there was none.
    journal::readable(&bytes, &from).map_err(|e| refused(&e))?;
    let holder = Holder { operator: who::operator(), purpose: "journal import".into(), since: who::now() };
    let store = GuardedStore::open(&dir, &holder)?;
    for repair in store.repairs() {
        out::note(&format!("journal: {repair}"));
    }
    let imported = journal::import(&store, &bytes, &from).await.map_err(|e| refused(&e))?;
    for one in &imported {
        sign(&store, one, &from).await?;
        for flaw in &one.flaws {
            out::note(&format!("{from}: {flaw}; no record is missing"));
        }
        if globals.json {
            out::json(&json!({"run": one.run, "added": one.added, "already": one.already, "from": from}))?;
        } else {
            out::line(&format!("run {}: {} records added, {} were here", one.run, one.added, one.already))?;
            out::line(&format!("what it did: hamn journal show {}; go on with it: hamn resume {}", one.run, one.run))?;
        }
    }
    Ok(Exit::Done)
}

/// Records in the run who took it over, where the run can still go on.
async fn sign(store: &GuardedStore, imported: &Imported, from: &str) -> Result<(), Trouble> {
    if imported.added == 0 {
        return Ok(());
    }
    let records = store.read(imported.run).await?;
    let state = RunState::fold(&records).map_err(|e| {
        Trouble::failure(format!("run {} was taken over, but cannot be understood", imported.run)).detail(e.to_string())
    })?;
    // A run that has ended is only read here; its records stay as they are everywhere.
    if state.end.is_some() {
        return Ok(());
    }
    let record = state.next_record(
        who::now(),
        Payload::Imported { run: imported.run, from: from.to_owned(), operator: who::operator() },
    );
    state.check(&record).map_err(|e| Trouble::failure("the takeover cannot be recorded").detail(e.to_string()))?;
    Ok(store.commit(&record).await?)
}

fn refused(error: &ImportError) -> Trouble {
    match error {
        ImportError::Store(_) => Trouble::failure(error.to_string()).next(error.hint()),
        _ => Trouble::refused(error.to_string()).next(error.hint()),
    }
}

/// Where this machine receives copies as a managed node, and where its own journal is: the same unless somebody moved one.
fn places(globals: &Globals, dir: &StateDir) -> BTreeSet<PathBuf> {
    let mut places = BTreeSet::from([dir.copies()]);
    if let Ok(config) = globals.load() {
        places.insert(StateDir::new(&config.pair.node_dir).copies());
    }
    places
}

/// The copy that was written last, of those that other machines sent here.
pub(in crate::cli) fn newest(globals: &Globals) -> Option<PathBuf> {
    let entries = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten().map(|e| e.path());
    places(globals, &StateDir::new(globals.state_dir()))
        .iter()
        .flat_map(|place| entries(place))
        .flat_map(|node| entries(&node).collect::<Vec<_>>())
        .filter(|file| file.extension().is_some_and(|e| e == "frames"))
        .max_by_key(|file| fs::metadata(file).and_then(|m| m.modified()).unwrap_or(SystemTime::UNIX_EPOCH))
}

fn newest_copy(globals: &Globals, dir: &StateDir) -> Result<PathBuf, Trouble> {
    newest(globals).ok_or_else(|| {
        let looked = |place: &PathBuf| format!("looked for NODE/RUN.frames in {}", place.display());
        Trouble::refused("there is no copy of a run here")
            .detail(places(globals, dir).iter().map(looked).collect::<Vec<_>>().join("\n"))
            .next("name the file: hamn journal import FILE")
    })
}
