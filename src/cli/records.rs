//! Finding the run that is meant, and who is at it.

use journal_schema::{Record, RunId, RunState};

use super::{Globals, Reading, Trouble, out};

/// Opens the journal and says what opening had to settle.
pub(super) async fn open(globals: &Globals, purpose: &str) -> Result<Reading, Trouble> {
    let journal = Reading::open(globals, purpose).await?;
    for repair in journal.repairs() {
        out::note(&format!("journal: {repair}"));
    }
    Ok(journal)
}

/// The runs that have not ended, oldest first. A run that cannot be read stops the caller: nobody knows whether it has ended.
pub(super) async fn unfinished(journal: &mut Reading) -> Result<Vec<RunState>, Trouble> {
    let mut found = Vec::new();
    for run in journal.runs().await? {
        let (state, _) = journal.run(run).await?;
        if state.end.is_none() {
            found.push(state);
        }
    }
    Ok(found)
}

/// The run that somebody means; without a word, the only one that has not ended.
pub(super) async fn find(journal: &mut Reading, word: Option<&str>) -> Result<RunId, Trouble> {
    if word.is_some() {
        return journal.select(word).await;
    }
    let list = "see which runs there are: hamn journal list";
    match &unfinished(journal).await?[..] {
        [] => Err(Trouble::refused("no run is unfinished").next(list)),
        [one] => Ok(one.run),
        several => Err(Trouble::refused(format!("{} runs are unfinished; say which", several.len()))
            .detail(several.iter().map(|s| format!("{} {}", s.run, s.workflow)).collect::<Vec<_>>().join("\n"))
            .next(list)),
    }
}

/// Where a run stands, from its records.
pub(super) fn fold(records: &[Record]) -> Result<RunState, Trouble> {
    RunState::fold(records).map_err(|error| {
        Trouble::failure("the journal cannot be understood")
            .detail(error.to_string())
            .next("see what is left in which copy: hamn journal verify")
    })
}
