//! What must hold whatever happens.

use proptest::prelude::*;

use super::{Build, Call, Change, Pair, Role, Side, State};
use crate::db2::Commit;

/// Something that happens to the pair.
#[derive(Debug, Clone)]
pub(super) enum Happens {
    Statement(Side, &'static str),
    Program(Side, &'static [&'static str]),
    Kill(Side),
    Power(Side, bool),
    Cut(bool),
    Pass(u64),
    Commit(Side),
}

const GENTLE: [&str; 8] = [
    "START HADR ON DB XCATDB AS PRIMARY",
    "START HADR ON DB XCATDB AS STANDBY",
    "STOP HADR ON DB XCATDB",
    "TAKEOVER HADR ON DB XCATDB",
    "ACTIVATE DB XCATDB",
    "DEACTIVATE DB XCATDB",
    "CONNECT TO XCATDB",
    "TERMINATE",
];
const TOOLS: [&[&str]; 4] = [&["db2start"], &["db2stop", "force"], &["db2_kill"], &["db2gcf", "-u", "-i", "xcatdb"]];

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::A), Just(Side::B)]
}

pub(super) fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => (side(), proptest::sample::select(GENTLE.to_vec())).prop_map(|(s, c)| Happens::Statement(s, c)),
        2 => (side(), proptest::sample::select(TOOLS.to_vec())).prop_map(|(s, c)| Happens::Program(s, c)),
        1 => side().prop_map(Happens::Kill),
        2 => (side(), any::<bool>()).prop_map(|(s, on)| Happens::Power(s, on)),
        2 => any::<bool>().prop_map(Happens::Cut),
        4 => (1_u64..90_000).prop_map(Happens::Pass),
        4 => side().prop_map(Happens::Commit),
    ]
}

/// Lets it happen; a commit's answer within a second.
pub(super) fn apply(pair: &mut Pair, what: &Happens, key: &str) -> Option<(Side, Commit)> {
    match what {
        Happens::Statement(side, statement) => {
            pair.call(*side, &Call::new(&["db2", statement]).within(20_000));
        }
        Happens::Program(side, words) => {
            pair.call(*side, &Call::new(words).within(20_000));
        }
        Happens::Kill(side) => pair.kill_instance(*side),
        Happens::Power(side, on) => pair.power(*side, *on),
        Happens::Cut(cut) => pair.cut(*cut),
        Happens::Pass(ms) => pair.advance(*ms),
        Happens::Commit(side) => {
            let change = Change::Put { table: "nodelist".into(), row: vec![key.into(), String::new()] };
            return Some((*side, pair.commit(*side, change, 1_000)));
        }
    }
    None
}

fn small() -> Pair {
    Pair::formed(&Build { timeout_s: 10, window_s: 40, ..Build::default() })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Documented: a role switch may leave two standbys and never two primaries; only BY FORCE makes two.
    #[test]
    fn without_force_there_are_never_two_primaries(all in proptest::collection::vec(happens(), 1..40)) {
        let mut pair = small();
        for (n, what) in all.iter().enumerate() {
            apply(&mut pair, what, &format!("cn{n}"));
            let writable = Side::BOTH.iter().filter(|s| {
                let m = pair.machine(**s);
                m.writable() && m.role() == Some(Role::Primary)
            }).count();
            prop_assert!(writable < 2, "after {:?}", &all[..=n]);
        }
    }

    /// Documented: what was acknowledged before the end of the standby's window is on the standby.
    #[test]
    fn what_was_acknowledged_inside_the_window_is_on_the_standby(
        all in proptest::collection::vec(
            prop_oneof![Just(Happens::Commit(Side::A)), (1_u64..15_000).prop_map(Happens::Pass), any::<bool>().prop_map(Happens::Cut)],
            1..30,
        ),
        dead in 0_u64..60_000,
        power in any::<bool>(),
    ) {
        let mut pair = small();
        let mut acknowledged = Vec::new();
        for (n, what) in all.iter().enumerate() {
            let key = format!("cn{n}");
            if let Some((_, Commit::Done)) = apply(&mut pair, what, &key) {
                acknowledged.push(key);
            }
        }
        if power { pair.power(Side::A, false) } else { pair.kill_instance(Side::A) }
        pair.advance(dead);
        let reply = pair.call(Side::B, &Call::new(&["db2", "TAKEOVER HADR ON DB XCATDB BY FORCE PEER WINDOW ONLY"]));
        if reply.exit == 0 {
            for key in acknowledged {
                prop_assert!(super::has(&pair, Side::B, &key), "{key} was acknowledged and is lost");
            }
        }
    }

    /// Whatever happened, once both run, are linked and of the same logs they come to peer; of other logs, the standby ends.
    #[test]
    fn a_standby_that_may_follow_comes_to_peer_and_another_one_ends(all in proptest::collection::vec(happens(), 0..25)) {
        let mut pair = small();
        for (n, what) in all.iter().enumerate() {
            apply(&mut pair, what, &format!("cn{n}"));
        }
        pair.cut(false);
        for side in Side::BOTH {
            pair.power(side, true);
            pair.call(side, &Call::new(&["db2start"]));
        }
        let roles = Side::BOTH.map(|s| pair.machine(s).role());
        let (primary, standby) = match roles {
            [Some(Role::Primary), Some(Role::Standby)] => (Side::A, Side::B),
            [Some(Role::Standby), Some(Role::Primary)] => (Side::B, Side::A),
            _ => return Ok(()),
        };
        let follows = pair.machine(standby).log().unwrap().is_prefix_of(pair.machine(primary).log().unwrap());
        pair.call(standby, &Call::new(&["db2", "ACTIVATE DB XCATDB"]));
        if pair.machine(primary).pending().2 { return Ok(()); }
        pair.call(primary, &Call::new(&["db2", "START HADR ON DB XCATDB AS PRIMARY BY FORCE"]));
        pair.advance(30_000);
        prop_assert_eq!(pair.in_peer(), follows, "{:?} {:?}", pair.hadr(Side::A), pair.hadr(Side::B));
        if !follows {
            prop_assert_eq!(pair.hadr(standby).map(|h| h.1), None::<State>);
        }
    }
}
