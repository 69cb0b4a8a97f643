//! Which form of takeover a state permits. The one place where that is decided; a pure function of what both sides were seen to be.
//!
//! What DB2 itself would do (documented): a plain takeover only in peer state, or in remote catchup with SUPERASYNC; by force within the
//! peer window in peer and disconnected peer state, until five seconds before the window's end by the standby's clock; by force from
//! these and from remote catchup pending. hamn asks for less: by force only when the old primary is fenced, and what may be lost is shown
//! and accepted first. A form that DB2 refuses is never followed by a stronger one: the state is read and decided anew.

use journal_schema::{Fact, HadrConnection, HadrRole, HadrState, TakeoverForm, Tri};

use crate::{model::SyncMode, table::Request};

/// DB2 refuses a takeover in the window this long before its end (documented), milliseconds.
pub const MARGIN_MS: u64 = 5_000;

/// One side of the pair as it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Side {
    /// Role.
    pub role: HadrRole,
    /// Whether the database is active.
    pub active: Tri,
    /// State.
    pub state: HadrState,
    /// Connection.
    pub connection: HadrConnection,
}

impl Side {
    /// Nothing is known of it.
    pub const UNKNOWN: Self = Self {
        role: HadrRole::Unknown,
        active: Tri::Unknown,
        state: HadrState::Unknown,
        connection: HadrConnection::Unknown,
    };

    /// Of evidence.
    pub fn of(fact: Option<&Fact>) -> Self {
        match fact {
            Some(Fact::Hadr { role, active, state, connection, .. }) => {
                Self { role: *role, active: *active, state: *state, connection: *connection }
            }
            _ => Self::UNKNOWN,
        }
    }

    fn is(self, role: HadrRole) -> bool {
        self.role == role && self.active == Tri::Yes
    }
}

/// Everything that the decision looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// The machine that is to take over.
    pub target: Side,
    /// The other one.
    pub other: Side,
    /// Whether the other one is proven to be off.
    pub fenced: bool,
    /// Whether a cluster manager owns HADR.
    pub managed: bool,
    /// `HADR_SYNCMODE`, as the standby has it.
    pub sync_mode: Option<SyncMode>,
    /// `HADR_TIMEOUT`, milliseconds: so long a lost connection may go unnoticed.
    pub timeout_ms: u64,
    /// `HADR_PEER_WINDOW`, milliseconds; 0 or `None`: there is none.
    pub window_ms: Option<u64>,
    /// End of the peer window as the standby knows it, by the primary's clock.
    pub window_end_ms: Option<u64>,
    /// The standby's clock.
    pub clock_ms: Option<u64>,
    /// At most so much the two clocks differ; `None`: not measured, which closes the window.
    pub skew_ms: Option<u64>,
    /// Since when the connection has been as it is, by the standby's clock.
    pub since_ms: Option<u64>,
    /// Time of the last log record that the standby received, by the primary's clock (from 10.1 on).
    pub received_ms: Option<u64>,
    /// Whether the standby had received all that it knew the primary to have written.
    pub level: bool,
    /// Bytes that the other one had written and the target had not received when both were seen.
    pub lacks: Option<u64>,
}

/// What is lost at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// Bytes of log; `None`: unknown.
    pub bytes: Option<u64>,
    /// Milliseconds of commits; `None`: unknown.
    pub millis: Option<u64>,
}

impl Loss {
    /// Nothing.
    pub const NONE: Self = Self { bytes: Some(0), millis: Some(0) };

    /// Whether nothing is lost for certain.
    pub fn nothing(&self) -> bool {
        *self == Self::NONE
    }

    /// Whether the request accepts it. A bound that was known when it was shown and is not any more was not accepted.
    pub fn accepted(&self, request: &Request) -> bool {
        let covered = request.accept_loss.is_some_and(|shown| match (self.millis, shown.millis) {
            (Some(_), Some(_)) => self.bytes.is_none_or(|now| shown.bytes.is_none_or(|then| now <= then)),
            _ => false,
        });
        self.nothing() || covered || request.accept_unknown_loss
    }
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permitted {
    /// In this form, with this loss at most. By force with a loss that is not none only where it was accepted.
    Form(TakeoverForm, Loss),
    /// Not decided yet: a state that will change by itself.
    LookAgain(&'static str),
    /// Not at all.
    Refused(&'static str),
}

/// Decides.
pub fn permitted(view: &View) -> Permitted {
    use HadrConnection::Connected;
    use HadrState::{DisconnectedPeer, LocalCatchup, Peer, RemoteCatchup, RemoteCatchupPending};
    let (target, other) = (&view.target, &view.other);
    if view.managed {
        return Permitted::Refused("a cluster manager owns HADR here: take over with it, or take HADR away from it");
    }
    match target.role {
        HadrRole::Standby => {}
        HadrRole::Primary if other.role == HadrRole::Primary && other.active != Tri::No && !view.fenced => {
            return Permitted::Refused(
                "both databases are PRIMARY: hamn does not choose between them; compare their contents, stop one, and restore it from the other",
            );
        }
        HadrRole::Primary => return Permitted::Refused("its database is PRIMARY already"),
        HadrRole::Standard => return Permitted::Refused("its database is in no HADR pair: hamn run setup"),
        HadrRole::Unknown => return Permitted::Refused("the role of its database is not known"),
    }
    match target.active {
        Tri::Yes => {}
        Tri::No => {
            return Permitted::Refused("its database is a standby that is not active: activate it and look again");
        }
        Tri::Unknown => return Permitted::LookAgain("whether its database is active is not known"),
    }
    if !view.fenced {
        let together = |state| {
            [target, other].iter().all(|side| side.state == state && side.connection == Connected)
                && other.is(HadrRole::Primary)
        };
        if together(Peer) || (view.sync_mode == Some(SyncMode::SuperAsync) && together(RemoteCatchup)) {
            return Permitted::Form(TakeoverForm::Plain, Loss::NONE);
        }
        return Permitted::LookAgain(
            "the two databases do not both say peer and connected, and the primary is not fenced",
        );
    }
    let noticed = target.connection == HadrConnection::Disconnected;
    match target.state {
        Peer | DisconnectedPeer if window_open(view) => Permitted::Form(TakeoverForm::PeerWindowOnly, Loss::NONE),
        // Two standbys: a role switch that ended half-way. The other one's log is no longer ahead if both were seen.
        Peer | DisconnectedPeer | RemoteCatchupPending if other.role == HadrRole::Standby => {
            let loss = if view.lacks == Some(0) { Loss::NONE } else { Loss { bytes: view.lacks, millis: None } };
            Permitted::Form(TakeoverForm::ByForce, loss)
        }
        Peer | RemoteCatchup if !noticed => {
            Permitted::LookAgain("the standby has not noticed yet that the primary is gone")
        }
        Peer | DisconnectedPeer | RemoteCatchupPending => Permitted::Form(TakeoverForm::ByForce, bound(view)),
        RemoteCatchup => {
            Permitted::Refused("DB2 lets nothing take over in remote catchup: it lacks what the primary had written")
        }
        LocalCatchup => {
            Permitted::Refused("DB2 lets nothing take over in local catchup: it still replays its own log files")
        }
        HadrState::Disconnected | HadrState::Unknown => Permitted::LookAgain("the state of the standby is not known"),
    }
}

/// Whether DB2 may be asked to take over within the peer window: by the standby's clock, less DB2's own margin, less what the clocks may
/// differ. What is not known closes it, and so does what cannot be: the primary's last message said *its clock plus the window*, and came
/// before now. An end that lies further ahead is of a clock that was set since, or of a window of another length.
pub fn window_open(view: &View) -> bool {
    /// Whole seconds are shown.
    const ROUNDING_MS: u64 = 1_000;
    let has_window = view.sync_mode.is_some_and(SyncMode::has_peer_window);
    match (view.window_ms, view.window_end_ms, view.clock_ms, view.skew_ms) {
        (Some(window), Some(end), Some(now), Some(skew)) if has_window => {
            let left = |ms: u64| now.saturating_add(skew).saturating_add(ms);
            left(MARGIN_MS) < end && end <= left(window.saturating_add(ROUNDING_MS))
        }
        _ => false,
    }
}

/// What a takeover by force loses at most. Each way of knowing gives an upper bound; the smallest counts.
///
/// - SYNC and NEARSYNC, the connection broke in peer state: what was written after the peer window's end, until which the primary held
///   commits back. The end is not cleared when the state is left, so that it counts in these states only.
/// - The connection broke in peer state, or when the standby had all that it knew of: what was written since. That the connection broke may
///   have gone unnoticed for `HADR_TIMEOUT`.
/// - In any mode and state: what is younger than the last record that was received.
///
/// Times of the primary count with what the clocks may differ; if that was not measured they bound nothing.
pub fn bound(view: &View) -> Loss {
    let Some(now) = view.clock_ms else { return Loss { bytes: view.lacks, millis: None } };
    let synchronous = view.sync_mode.is_some_and(SyncMode::has_peer_window);
    let broke_in_peer = synchronous && matches!(view.target.state, HadrState::Peer | HadrState::DisconnectedPeer);
    let by_primary = |moment: Option<u64>| Some(now.saturating_add(view.skew_ms?).saturating_sub(moment?));
    let disconnected = view.target.connection == HadrConnection::Disconnected;
    let since = view.since_ms.filter(|_| disconnected && (broke_in_peer || view.level));
    let bounds = [
        by_primary(view.window_end_ms.filter(|_| broke_in_peer)),
        since.map(|since| now.saturating_sub(since).saturating_add(view.timeout_ms)),
        by_primary(view.received_ms),
    ];
    // A bound of no time at all would claim that nothing is lost, which only an open window proves.
    Loss { bytes: view.lacks, millis: bounds.into_iter().flatten().min().map(|ms| ms.max(1)) }
}
