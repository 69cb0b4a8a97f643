//! What is lost at most if the failover is done now.

use journal_schema::{Fact, Tri};

use super::read::StandbyPosition;

/// What the bound is computed from.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// End of the log that the primary wrote, if its database was asked and answered as primary on the standby's timeline.
    pub written: Option<u64>,
    /// The standby's position, seen together with `written`.
    pub standby: StandbyPosition,
    /// Whether commits wait for this standby, as the primary said.
    pub synchronous: Tri,
    /// How far the clocks of two machines may be apart, milliseconds, by the configuration.
    pub clocks_ms: u64,
}

/// Bytes and milliseconds that are lost at most; `None`: unknown, which needs the stronger consent (invariant 9).
///
/// - Commits wait for this standby and its stream is up: nothing.
/// - The primary answered: the difference of the positions is exact at that moment; what is written until the fence comes on top.
/// - The primary is silent: how much it wrote last is not known. Since when anything can be missing is: every commit that is not here
///   is younger than each of the last contact, the last commit replayed and the last checkpoint known, because all three lie before it
///   in the log that is here. The best of them counts. The contact is gone when the receiver has ended, the others stay, so that a bound
///   that was known stays known.
///
/// Commit and checkpoint bear the time of the primary's clock: it may be ahead by what the configuration allows, which is added; one
/// that lies further in the future shows that it is ahead by more, and says nothing.
pub fn bound(view: &View) -> (Option<u64>, Option<u64>) {
    let standby = &view.standby;
    if standby.streaming && view.synchronous == Tri::Yes {
        return (Some(0), Some(0));
    }
    let bytes = match (view.written, standby.end()) {
        (Some(written), Some(end)) => Some(written.saturating_sub(end)),
        _ => None,
    };
    if bytes == Some(0) {
        return (bytes, Some(0));
    }
    let contact = standby.last_message_ms.and_then(|m| standby.now_ms.checked_sub(m));
    let latest = standby.now_ms.saturating_add(view.clocks_ms);
    let theirs: Option<Vec<u64>> = [standby.last_commit_ms, standby.last_checkpoint_ms]
        .into_iter()
        .flatten()
        .map(|moment| latest.checked_sub(moment))
        .collect();
    (bytes, contact.into_iter().chain(theirs.into_iter().flatten()).min())
}

/// The bound as evidence.
pub fn fact(view: &View) -> Fact {
    let (bytes, millis) = bound(view);
    Fact::LossBound { bytes, millis }
}

/// The bound for a person.
pub fn in_words(bytes: Option<u64>, millis: Option<u64>) -> String {
    match (bytes, millis) {
        (Some(0), Some(0)) => "nothing is lost".into(),
        (bytes, millis) => {
            let bytes = bytes.map_or("an unknown number of bytes".into(), |b| format!("{b} bytes"));
            let time = millis.map_or("an unknown time".into(), |ms| format!("{}.{:03} s", ms / 1000, ms % 1000));
            format!("at most {bytes} of database log and {time} of commits are lost")
        }
    }
}
