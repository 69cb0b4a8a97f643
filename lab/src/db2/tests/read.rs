//! What the stand-in prints, read by the steps that will read the real one: whatever the version, language and state, and wherever the
//! output is cut, they take it for what is true or for nothing.

use proptest::prelude::*;
use workflows::{
    ActionResult,
    db2::read::{self, Seen},
};

use super::{Build, Call, Pair, Side, properties};
use crate::db2::{Knobs, Locale, Reply, Version};

fn result(reply: Reply) -> ActionResult {
    ActionResult { exit: Some(reply.exit), stdout: reply.stdout, stderr: reply.stderr }
}

/// Compares what is read on a side with what is true.
fn compare(pair: &mut Pair, side: Side, cut: Option<usize>) -> Result<(), TestCaseError> {
    if !pair.alive(side) {
        return Ok(());
    }
    let mut said = result(pair.call(side, &Call::new(&["db2pd", "-d", "XCATDB", "-hadr"])));
    if let Some(cut) = cut {
        said.stdout = said.stdout.chars().take(cut % (said.stdout.chars().count() + 1)).collect();
    }
    let (machine, now) = (pair.machine(side), pair.now_ms());
    let truth = match (machine.is_up(), machine.is_active(), machine.hadr()) {
        (false, ..) => "down".to_owned(),
        (true, false, _) => "inactive".to_owned(),
        (true, true, None) => "standard".to_owned(),
        (true, true, Some((state, connect))) => {
            format!("{:?} {state:?} {connect:?}", machine.role().expect("an active database"))
        }
    };
    let seen = read::hadr(&said, "XCATDB");
    let told = match &seen {
        Seen::InstanceDown => "down".to_owned(),
        Seen::Inactive => "inactive".to_owned(),
        Seen::Standard => "standard".to_owned(),
        Seen::Hadr(h) => format!("{:?} {:?} {:?}", h.role, h.state, h.connection),
        Seen::Unknown if cut.is_some() => return Ok(()),
        Seen::Unknown => "unknown".to_owned(),
    };
    // Of an output that is cut, less may be known.
    let agrees = told.split(' ').zip(truth.split(' ')).all(|(t, w)| t == w || cut.is_some() && t == "Unknown");
    prop_assert!(agrees, "{} is read as {}, at {}: {}", truth, told, now, said.stdout);
    if let Some(h) = seen.hadr() {
        let known = |read: Option<u64>, true_one: Option<u64>| read == true_one || cut.is_some() && read.is_none();
        prop_assert!(known(h.peer_window_end, machine.peer_window_end_ms().map(|ms| ms / 1000)), "{}", said.stdout);
        if machine.role() == Some(crate::db2::Role::Primary) {
            let end = machine.log().map(crate::db2::Log::end);
            prop_assert!(known(h.primary.as_ref().map(|p| p.byte), end), "{:?}: {}", end, said.stdout);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_printed_is_read_as_what_is_true_or_not_at_all(
        version in proptest::sample::select(Version::ALL.to_vec()),
        russian in any::<bool>(),
        all in proptest::collection::vec(properties::happens(), 0..15),
        cut in any::<usize>(),
    ) {
        let locale = if russian { Locale::Ru } else { Locale::C };
        let knobs = Knobs { version, ..Knobs::default() };
        let mut pair = Pair::formed(&Build { timeout_s: 10, window_s: 40, knobs, ..Build::default() });
        for side in Side::BOTH {
            pair.knobs(side).locale = locale;
            // What is printed is true at the moment of the call.
            pair.knobs(side).latency = false;
        }
        for (n, what) in all.iter().enumerate() {
            properties::apply(&mut pair, what, &format!("cn{n}"));
            for side in Side::BOTH {
                compare(&mut pair, side, None)?;
                compare(&mut pair, side, Some(cut.wrapping_add(n * 37)))?;
            }
        }
    }
}

#[test]
fn versions_and_instances_are_read() {
    for version in Version::ALL {
        let mut pair = Pair::new(&Build { knobs: Knobs { version, ..Knobs::default() }, ..Build::default() });
        let level = read::level(&result(pair.call(Side::A, &Call::new(&["db2level"])))).unwrap();
        assert_eq!(format!("v{}.{}.{}.{}", level[0], level[1], level[2], level[3]), version.token());
        let state = |pair: &mut Pair| read::instance(&result(pair.call(Side::A, &Call::new(&["db2gcf", "-s"]))));
        assert_eq!(state(&mut pair), read::Instance::Operable);
        pair.call(Side::A, &Call::new(&["db2start"]));
        assert_eq!(state(&mut pair), read::Instance::Available);
    }
}
