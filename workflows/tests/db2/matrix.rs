//! The takeover matrix: each state of a standby against each proof, and what is lost at most.

use journal_schema::{HadrConnection, HadrRole, HadrState, TakeoverForm, Tri};
use proptest::prelude::*;
use workflows::{
    Request,
    db2::takeover::{self, Loss, Permitted, Side, View, permitted},
    model::{NodeId, SyncMode},
    table::AcceptedLoss,
};

const NOW: u64 = 1_281_016_200_000;

fn side(role: HadrRole, state: HadrState, connection: HadrConnection) -> Side {
    Side { role, active: Tri::Yes, state, connection }
}

/// A fenced primary, a standby in that state, a window that is open for a minute, clocks that agree within 20 ms.
fn view(state: HadrState, connection: HadrConnection) -> View {
    View {
        target: side(HadrRole::Standby, state, connection),
        other: Side::UNKNOWN,
        fenced: true,
        managed: false,
        sync_mode: Some(SyncMode::NearSync),
        timeout_ms: 60_000,
        window_ms: Some(120_000),
        window_end_ms: Some(NOW + 60_000),
        clock_ms: Some(NOW),
        skew_ms: Some(20),
        since_ms: Some(NOW - 30_000),
        received_ms: None,
        level: false,
        lacks: None,
    }
}

fn closed(view: View) -> View {
    View { window_end_ms: Some(NOW - 1_000), ..view }
}

fn form(view: &View) -> &'static str {
    match permitted(view) {
        Permitted::Form(TakeoverForm::Plain, _) => "plain",
        Permitted::Form(TakeoverForm::PeerWindowOnly, _) => "window",
        Permitted::Form(TakeoverForm::ByForce, _) => "force",
        Permitted::LookAgain(_) => "again",
        Permitted::Refused(_) => "refused",
    }
}

/// State and connection of the standby; the primary is fenced; the window open, and closed.
#[test]
fn t40_the_matrix_behind_a_fence() {
    use HadrConnection::{Congested, Connected, Disconnected, Unknown};
    use HadrState as S;
    for (state, connection, open, over) in [
        (S::Peer, Connected, "window", "again"),
        (S::Peer, Congested, "window", "again"),
        (S::Peer, Disconnected, "window", "force"),
        (S::Peer, Unknown, "window", "again"),
        (S::DisconnectedPeer, Disconnected, "window", "force"),
        (S::DisconnectedPeer, Unknown, "window", "force"),
        (S::RemoteCatchupPending, Disconnected, "force", "force"),
        (S::RemoteCatchupPending, Connected, "force", "force"),
        (S::RemoteCatchup, Connected, "again", "again"),
        (S::RemoteCatchup, Disconnected, "refused", "refused"),
        (S::LocalCatchup, Disconnected, "refused", "refused"),
        (S::LocalCatchup, Connected, "refused", "refused"),
        (S::Disconnected, Disconnected, "again", "again"),
        (S::Unknown, Unknown, "again", "again"),
    ] {
        let view = view(state, connection);
        assert_eq!(form(&view), open, "{state:?} {connection:?}, window open");
        assert_eq!(form(&closed(view)), over, "{state:?} {connection:?}, window over");
    }
}

/// Without a fence there is one form only: the role switch by both databases, when both say peer and connected.
#[test]
fn t1_without_a_fence_only_a_role_switch() {
    use HadrConnection::{Congested, Connected, Disconnected};
    use HadrRole::{Primary, Standby};
    let both = |mine, his| View {
        target: side(Standby, mine, Connected),
        other: side(Primary, his, Connected),
        fenced: false,
        ..view(HadrState::Peer, Connected)
    };
    let peer = both(HadrState::Peer, HadrState::Peer);
    assert_eq!(permitted(&peer), Permitted::Form(TakeoverForm::Plain, Loss::NONE));
    for other in [
        side(Primary, HadrState::Peer, Disconnected),
        side(Primary, HadrState::Peer, Congested),
        side(Primary, HadrState::DisconnectedPeer, Disconnected),
        Side { active: Tri::No, ..peer.other },
        Side { active: Tri::Unknown, ..peer.other },
        side(Standby, HadrState::Peer, Connected),
        Side::UNKNOWN,
    ] {
        assert_eq!(form(&View { other, ..peer }), "again", "{other:?}");
    }
    assert_eq!(form(&both(HadrState::Peer, HadrState::RemoteCatchup)), "again");
    assert_eq!(form(&both(HadrState::RemoteCatchup, HadrState::RemoteCatchup)), "again");
    let super_async =
        View { sync_mode: Some(SyncMode::SuperAsync), ..both(HadrState::RemoteCatchup, HadrState::RemoteCatchup) };
    assert_eq!(form(&super_async), "plain");
}

/// hamn stops and reports; it never chooses.
#[test]
fn t11_both_primaries_are_refused() {
    let both = View {
        target: side(HadrRole::Primary, HadrState::Disconnected, HadrConnection::Disconnected),
        other: side(HadrRole::Primary, HadrState::Disconnected, HadrConnection::Disconnected),
        fenced: false,
        ..view(HadrState::Peer, HadrConnection::Connected)
    };
    let Permitted::Refused(why) = permitted(&both) else { panic!() };
    assert!(why.contains("both databases are PRIMARY"));
    for role in [HadrRole::Primary, HadrRole::Standard, HadrRole::Unknown] {
        let other = View { target: Side { role, ..view(HadrState::Peer, HadrConnection::Connected).target }, ..both };
        assert_eq!(form(&View { fenced: true, ..other }), "refused", "{role:?}");
    }
    let idle =
        View { target: Side { active: Tri::No, ..view(HadrState::Peer, HadrConnection::Connected).target }, ..both };
    assert_eq!(form(&View { fenced: true, ..idle }), "refused");
    // Whether it is active is not known: not now, whatever else is so.
    let target = Side { active: Tri::Unknown, ..view(HadrState::Peer, HadrConnection::Connected).target };
    for fenced in [true, false] {
        let other = side(HadrRole::Primary, HadrState::Peer, HadrConnection::Connected);
        assert_eq!(form(&View { target, other, fenced, ..both }), "again", "fenced: {fenced}");
    }
}

/// A role switch that ended half-way leaves two standbys: by force on one of them, behind a fence.
#[test]
fn two_standbys() {
    let view = View {
        other: side(HadrRole::Standby, HadrState::RemoteCatchupPending, HadrConnection::Disconnected),
        ..closed(view(HadrState::RemoteCatchupPending, HadrConnection::Disconnected))
    };
    let unknown = Loss { bytes: None, millis: None };
    assert_eq!(permitted(&view), Permitted::Form(TakeoverForm::ByForce, unknown));
    assert_eq!(permitted(&View { lacks: Some(0), ..view }), Permitted::Form(TakeoverForm::ByForce, Loss::NONE));
    assert_eq!(form(&View { fenced: false, ..view }), "again");
}

/// The cluster manager takes over by itself; DB2 refuses it to others with reason 10.
#[test]
fn a_cluster_manager_owns_hadr() {
    assert_eq!(form(&View { managed: true, ..view(HadrState::Peer, HadrConnection::Connected) }), "refused");
}

/// Five seconds are DB2's own margin; on top comes what the clocks may differ. Not measured is the worst.
#[test]
fn t21_the_window_by_the_standby_s_clock() {
    let at = |left_ms: u64, skew_ms| View {
        window_end_ms: Some(NOW + left_ms),
        skew_ms,
        ..view(HadrState::DisconnectedPeer, HadrConnection::Disconnected)
    };
    assert_eq!(form(&at(5_021, Some(20))), "window");
    assert_eq!(form(&at(5_020, Some(20))), "force");
    assert_eq!(form(&at(4_000, Some(0))), "force");
    assert_eq!(form(&at(14_000, Some(10_000))), "force");
    assert_eq!(form(&at(60_000, None)), "force");
    for mode in [Some(SyncMode::Async), Some(SyncMode::SuperAsync), None] {
        assert_eq!(form(&View { sync_mode: mode, ..at(60_000, Some(20)) }), "force", "{mode:?} knows no window");
    }
    assert_eq!(form(&View { window_end_ms: None, ..at(60_000, Some(20)) }), "force");
    assert_eq!(form(&View { clock_ms: None, ..at(60_000, Some(20)) }), "force");
}

/// Right after its death the primary is still shown as connected: the state is looked at again, not believed.
#[test]
fn t41_just_died() {
    let view = closed(view(HadrState::Peer, HadrConnection::Connected));
    let Permitted::LookAgain(why) = permitted(&view) else { panic!() };
    assert!(why.contains("not noticed"));
    let noticed =
        View { target: side(HadrRole::Standby, HadrState::RemoteCatchupPending, HadrConnection::Disconnected), ..view };
    assert_eq!(form(&noticed), "force");
}

/// What is lost at most by force.
#[test]
fn t30_the_bound_of_a_forced_takeover() {
    let base = view(HadrState::DisconnectedPeer, HadrConnection::Disconnected);
    let millis = |view: &View| takeover::bound(view).millis;
    assert_eq!(millis(&closed(base)), Some(1_020), "since the window's end, and what the clocks differ");
    let no_window = View { window_end_ms: None, ..base };
    assert_eq!(millis(&no_window), Some(90_000), "since it broke, and what that went unnoticed");
    let pending = View {
        target: side(HadrRole::Standby, HadrState::RemoteCatchupPending, HadrConnection::Disconnected),
        ..closed(base)
    };
    assert_eq!(millis(&pending), None, "the window of an earlier peer state proves nothing");
    assert_eq!(millis(&View { level: true, ..pending }), Some(90_000), "it had everything when it broke");
    let connected = View { target: side(HadrRole::Standby, HadrState::Peer, HadrConnection::Connected), ..no_window };
    assert_eq!(millis(&connected), None, "since when it has been connected says nothing of what is lost");
    assert_eq!(millis(&View { window_end_ms: Some(NOW + 20), ..base }), Some(1), "no time at all would be a proof");
    assert_eq!(millis(&View { received_ms: Some(NOW - 7_000), ..pending }), Some(7_020));
    assert_eq!(millis(&View { received_ms: Some(NOW - 7_000), skew_ms: None, ..pending }), None, "clocks not measured");
    assert_eq!(millis(&View { sync_mode: Some(SyncMode::Async), ..closed(base) }), None);
    assert_eq!(millis(&View { clock_ms: None, ..closed(base) }), None);
    assert_eq!(takeover::bound(&View { lacks: Some(4_096), ..pending }), Loss { bytes: Some(4_096), millis: None });
}

fn request(accept_unknown_loss: bool, accept_loss: Option<AcceptedLoss>) -> Request {
    Request { target: NodeId::B, accept_unknown_loss, accept_loss, operator: "olga".into(), host: "admin".into() }
}

/// What was accepted is what was shown: a bound that is not known any more, or more bytes, were not.
#[test]
fn t40_only_the_shown_loss_is_accepted() {
    let shown = AcceptedLoss { bytes: Some(100), millis: Some(5_000) };
    let (nobody, known, all) = (request(false, None), request(false, Some(shown)), request(true, None));
    let unknown = Loss { bytes: None, millis: None };
    let some = Loss { bytes: Some(100), millis: Some(9_000) };
    for (loss, accepted) in [
        (Loss::NONE, [true, true, true]),
        (some, [false, true, true]),
        (Loss { bytes: Some(101), ..some }, [false, false, true]),
        (unknown, [false, false, true]),
    ] {
        assert_eq!([&nobody, &known, &all].map(|r| loss.accepted(r)), accepted, "{loss:?}");
    }
    let blind = request(false, Some(AcceptedLoss { bytes: None, millis: None }));
    assert!(!unknown.accepted(&blind), "an unknown bound needs the stronger consent");
}

fn any_side() -> impl Strategy<Value = Side> {
    use HadrConnection as C;
    use HadrState as S;
    let role = prop::sample::select(vec![HadrRole::Standard, HadrRole::Primary, HadrRole::Standby, HadrRole::Unknown]);
    let active = prop::sample::select(vec![Tri::Yes, Tri::No, Tri::Unknown]);
    let state = prop::sample::select(vec![
        S::Disconnected,
        S::LocalCatchup,
        S::RemoteCatchupPending,
        S::RemoteCatchup,
        S::Peer,
        S::DisconnectedPeer,
        S::Unknown,
    ]);
    let connection = prop::sample::select(vec![C::Connected, C::Congested, C::Disconnected, C::Unknown]);
    (role, active, state, connection).prop_map(|(role, active, state, connection)| Side {
        role,
        active,
        state,
        connection,
    })
}

prop_compose! {
    fn any_view()(
        target in any_side(), other in any_side(), fenced in any::<bool>(), managed in any::<bool>(),
        sync_mode in prop::sample::select(vec![None, Some(SyncMode::Sync), Some(SyncMode::NearSync), Some(SyncMode::Async), Some(SyncMode::SuperAsync)]),
        window_ms in prop::option::of(0..300_000_u64),
        window_end_ms in prop::option::of(NOW - 200_000..NOW + 200_000), clock_ms in prop::option::of(Just(NOW)),
        skew_ms in prop::option::of(0..20_000_u64), since_ms in prop::option::of(NOW - 200_000..NOW + 10),
        received_ms in prop::option::of(NOW - 200_000..NOW + 10), level in any::<bool>(), lacks in prop::option::of(0..3_u64),
    ) -> View {
        View { target, other, fenced, managed, sync_mode, timeout_ms: 60_000, window_ms, window_end_ms, clock_ms, skew_ms, since_ms, received_ms, level, lacks }
    }
}

proptest! {
    /// In no state whatever: force without a fence; a takeover of what is no active standby; a plain one with a fence.
    #[test]
    fn t1_t40_no_state_permits_what_is_not_safe(view in any_view()) {
        if let Permitted::Form(form, loss) = permitted(&view) {
            prop_assert!(view.target.role == HadrRole::Standby && view.target.active == Tri::Yes && !view.managed);
            prop_assert_eq!(form == TakeoverForm::Plain, !view.fenced);
            if form == TakeoverForm::PeerWindowOnly {
                prop_assert!(takeover::window_open(&view));
                prop_assert!(view.window_end_ms.unwrap() > NOW + takeover::MARGIN_MS + view.skew_ms.unwrap());
            }
            if form == TakeoverForm::ByForce && loss.nothing() {
                prop_assert!(view.other.role == HadrRole::Standby && view.lacks == Some(0));
            }
            prop_assert!(form == TakeoverForm::ByForce || loss.nothing());
        }
    }
}
