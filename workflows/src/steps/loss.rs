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
}

/// Bytes and milliseconds that are lost at most; `None`: unknown, which needs the stronger consent (invariant 9).
///
/// - Commits wait for this standby and its stream is up: nothing.
/// - The primary answered: the difference of the positions is exact at that moment; what is written until the fence comes on top.
/// - The primary is silent: what it wrote last is not known. Every commit that is missing is younger than the last one replayed; when none
///   was replayed since the standby started and nothing waits for replay, the last message of the primary bounds it. Times of commits are the primary's clock: one that lies in the future makes the bound unknown.
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
    let since = |moment: Option<u64>| moment.and_then(|m| standby.now_ms.checked_sub(m));
    let all_replayed = standby.received == standby.replayed;
    (bytes, since(standby.last_commit_ms.or(standby.last_message_ms.filter(|_| all_replayed))))
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
