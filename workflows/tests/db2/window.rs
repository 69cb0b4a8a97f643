//! The arithmetic of the peer window: to the millisecond, in every clock's view, and never open on what cannot be.

use journal_schema::{HadrConnection, HadrRole, HadrState, TakeoverForm, Tri};
use proptest::prelude::*;
use workflows::{
    ActionResult, Output,
    db2::{
        look,
        read::{self, Hadr},
        takeover::{self, Permitted, Side, View, permitted, window_open},
    },
    model::SyncMode,
};

use crate::captures::hadr;

const NOW: u64 = 1_932_598_740_000;

fn view(state: HadrState, window_ms: Option<u64>, end: Option<u64>, clock: Option<u64>, skew: Option<u64>) -> View {
    View {
        target: Side { role: HadrRole::Standby, active: Tri::Yes, state, connection: HadrConnection::Disconnected },
        other: Side::UNKNOWN,
        fenced: true,
        managed: false,
        sync_mode: Some(SyncMode::NearSync),
        timeout_ms: 60_000,
        window_ms,
        window_end_ms: end,
        clock_ms: clock,
        skew_ms: skew,
        since_ms: Some(NOW - 30_000),
        received_ms: None,
        level: false,
        lacks: None,
    }
}

fn peer(window_ms: u64, end: u64, skew: u64) -> View {
    view(HadrState::DisconnectedPeer, Some(window_ms), Some(end), Some(NOW), Some(skew))
}

/// Exactly at the edge, one millisecond and one second to each side; the other edge is what no primary can have said.
#[test]
fn t21_the_edges_of_the_window() {
    for skew in [0, 1, 20, 2_000, 9_999] {
        let edge = NOW + takeover::MARGIN_MS + skew;
        for (end, open) in
            [(edge - 1_000, false), (edge - 1, false), (edge, false), (edge + 1, true), (edge + 1_000, true)]
        {
            assert_eq!(window_open(&peer(120_000, end, skew)), open, "skew {skew}, end {end}");
        }
        let last = NOW + 120_000 + 1_000 + skew;
        for (end, open) in
            [(last - 1_000, true), (last, true), (last + 1, false), (last + 86_400_000, false), (u64::MAX, false)]
        {
            assert_eq!(window_open(&peer(120_000, end, skew)), open, "skew {skew}, end {end}");
        }
    }
    for end in [0, 1, NOW - 86_400_000, NOW - 1, NOW] {
        assert!(!window_open(&peer(120_000, end, 0)), "{end}: past");
    }
}

/// A window of no length, an end without a length, a clock or a skew that nobody measured: closed.
#[test]
fn t21_what_is_not_known_closes_the_window() {
    let whole = peer(120_000, NOW + 60_000, 20);
    assert!(window_open(&whole));
    for part in [
        View { window_ms: None, ..whole },
        View { window_ms: Some(0), ..whole },
        View { window_end_ms: None, ..whole },
        View { clock_ms: None, ..whole },
        View { skew_ms: None, ..whole },
        View { sync_mode: None, ..whole },
        View { clock_ms: Some(u64::MAX), ..whole },
        View { skew_ms: Some(u64::MAX), ..whole },
    ] {
        assert!(!window_open(&part), "{part:?}");
        assert!(!matches!(permitted(&part), Permitted::Form(TakeoverForm::PeerWindowOnly, _)));
    }
}

fn clocks(first: &str, last: &str) -> Option<u64> {
    let ran = |text: &str| ActionResult { exit: Some(0), stdout: format!("{text}\n"), stderr: String::new() };
    let output = Output { results: vec![ran(first), ran(last)], ..Output::default() };
    look::own_clock(&output, [0, 1])
}

/// The end of a look counts; a clock that was set back meanwhile does not count at all.
#[test]
fn t21_a_clock_that_jumps() {
    assert_eq!(clocks("1932598740000000000", "1932598741000000000"), Some(1_932_598_741_000));
    assert_eq!(clocks("1932598740000000000", "1932598740000000000"), Some(1_932_598_740_000));
    // Forward over the hour that is left out: the window is closed by it, which costs a consent and no data.
    assert_eq!(clocks("1932598740000000000", "1932602340000000000"), Some(1_932_602_340_000));
    assert_eq!(clocks("1932598740000000000", "1932595140000000000"), None, "an hour back");
    for bad in ["", "now", "-1", "1932598740.5"] {
        assert_eq!(clocks("1932598740000000000", bad), None, "{bad:?}");
        assert_eq!(clocks(bad, "1932598740000000000"), None, "{bad:?}");
    }
}

/// A standby of 11.x in that state, its last message a while ago.
fn standby(connection: HadrConnection, since_s: u64, received_s: u64, end_s: u64) -> Hadr {
    let mut told = hadr("db2pd-v11-standby-peer-peerwindow-id2", "ID2");
    told.connection = connection;
    told.connected_since = Some(since_s);
    told.since_received_s = Some(received_s);
    told.peer_window_s = Some(120);
    told.peer_window_end = Some(end_s);
    told
}

/// What a dead primary's clock differed by, of its own last message. A time since that message which cannot be (nothing comes by a
/// connection that is lost) would make a clock that is ahead look right, and a window that is over look open.
#[test]
fn t21_the_clock_of_a_dead_primary() {
    use HadrConnection::{Connected, Disconnected, Unknown};
    let now_s = NOW / 1_000;
    let skew = |told: &Hadr| look::skew_by_hadr(told, Some(NOW));
    // Died 70 s ago, noticed 10 s ago.
    assert_eq!(skew(&standby(Disconnected, now_s - 10, 70, now_s - 70 + 120)), Some(2_000));
    assert_eq!(skew(&standby(Connected, now_s - 900, 3, now_s - 3 + 120)), Some(2_000));
    // Ahead and behind by half a minute.
    assert_eq!(skew(&standby(Disconnected, now_s - 10, 70, now_s - 70 + 150)), Some(32_000));
    assert_eq!(skew(&standby(Disconnected, now_s - 10, 70, now_s - 70 + 90)), Some(32_000));
    // Set back to 0 when the connection was lost, 30 s ago, by a primary that was 30 s ahead: it would look right.
    for connection in [Disconnected, Unknown] {
        assert_eq!(skew(&standby(connection, now_s - 30, 0, now_s + 120)), None, "{connection:?}");
    }
    let mut told = standby(Disconnected, now_s - 10, 70, now_s + 50);
    told.connected_since = None;
    assert_eq!(skew(&told), None);
    for (window, end) in [(None, Some(now_s)), (Some(0), Some(now_s)), (Some(120), None), (Some(120), Some(60))] {
        let told = Hadr { peer_window_s: window, peer_window_end: end, ..standby(Connected, now_s - 900, 3, now_s) };
        assert_eq!(skew(&told), None, "{window:?} {end:?}");
    }
    assert_eq!(look::skew_by_hadr(&told, None), None);
}

/// A standby whose partner's positions are not known is never level.
#[test]
fn t69_nothing_known_is_nothing_equal() {
    let text = "Database Member 0 -- Database XCATDB -- Standby -- Up 0 days 00:00:11\n\nHADR_ROLE = STANDBY\nHADR_STATE = LOCAL_CATCHUP\n\
                HADR_CONNECT_STATUS = DISCONNECTED\n";
    let ran = ActionResult { exit: Some(0), stdout: text.to_owned(), stderr: String::new() };
    let seen = read::hadr(&ran, "XCATDB");
    let told = seen.hadr().expect("it is a standby");
    assert!(!told.equal() && !told.has_all());
}

proptest! {
    /// Against the sum in numbers that cannot overflow, for any values whatever.
    #[test]
    fn t21_the_window_is_that_sum(
        window in prop::option::of(prop_oneof![0..400_000_u64, any::<u64>()]),
        end in prop::option::of(prop_oneof![NOW - 200_000..NOW + 400_000, any::<u64>()]),
        clock in prop::option::of(prop_oneof![Just(NOW), any::<u64>()]),
        skew in prop::option::of(prop_oneof![0..20_000_u64, any::<u64>()]),
        mode in prop::sample::select(vec![None, Some(SyncMode::Sync), Some(SyncMode::NearSync), Some(SyncMode::Async), Some(SyncMode::SuperAsync)]),
    ) {
        let mut view = view(HadrState::Peer, window, end, clock, skew);
        view.sync_mode = mode;
        let wide = |n: u64| i128::from(n);
        let open = match (window, end, clock, skew, mode) {
            (Some(window), Some(end), Some(clock), Some(skew), Some(SyncMode::Sync | SyncMode::NearSync)) => {
                let (end, now) = (wide(end), wide(clock) + wide(skew));
                now + 5_000 < end && end <= now + wide(window) + 1_000
            }
            _ => false,
        };
        // Where the sum does not fit it may only be closed.
        let fits = [window, clock, skew].into_iter().flatten().map(wide).sum::<i128>() + 5_000 < wide(u64::MAX);
        prop_assert!(window_open(&view) == open || (!fits && !window_open(&view)));
    }

    /// The later the standby's clock, the worse the clocks are known, the nearer the end: a window that is closed stays so.
    #[test]
    fn t21_no_delay_opens_a_window(
        end in NOW - 10_000..NOW + 121_000, skew in 0..10_000_u64, later in 0..100_000_u64,
    ) {
        let early = peer(120_000, end, skew);
        if !window_open(&early) {
            let late = View { clock_ms: Some(NOW + later), ..early };
            // But for one that lay too far ahead: time makes it possible again.
            prop_assert!(!window_open(&late) || end > NOW + 120_000 + 1_000 + skew);
        }
    }

    /// A takeover that is permitted in the window is one that DB2 permits, whatever the two clocks truly are within what was measured.
    #[test]
    fn t21_hamn_asks_only_for_what_is_promised(
        true_offset in -10_000..10_000_i64, more in 0..3_000_u64, died_ago in 0..200_000_u64, window_s in 1..300_u64,
    ) {
        // The primary's clock is ours plus the offset; it died so long ago, and promised until its clock plus the window.
        let end = (NOW - died_ago).saturating_add_signed(true_offset) + window_s * 1_000;
        let view = peer(window_s * 1_000, end, true_offset.unsigned_abs() + more);
        if window_open(&view) {
            prop_assert!(died_ago + takeover::MARGIN_MS < window_s * 1_000, "the promise is over");
        }
    }
}
