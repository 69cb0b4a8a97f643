//! A person at a terminal of the simulated world: types the commands that an error names, as they stand there.

use lab::{
    db2::{Call, Reply, Side},
    sim::World,
};
use workflows::{
    Action, Command, Place,
    model::{NodeId, Pair},
};

fn side(id: NodeId) -> Side {
    match id {
        NodeId::A => Side::A,
        NodeId::B => Side::B,
    }
}

/// Words of hamn's own command line that errors name.
const OWN: [&str; 6] = ["run", "resume", "rollback", "abandon", "journal", "status"];

/// Whether hamn has that command; `RUN` and `WHY` stand for what the reader knows.
fn is_own(command: &str) -> bool {
    let mut words = command.split_whitespace();
    words.next() == Some("hamn") && words.next().is_some_and(|word| OWN.contains(&word))
}

/// The machine and the rest of `ssh root@ADDRESS …`.
fn over_ssh<'c>(pair: &Pair, command: &'c str) -> Option<(NodeId, &'c str)> {
    let (address, rest) = command.strip_prefix("ssh root@")?.split_once(' ')?;
    let id = NodeId::BOTH.into_iter().find(|id| pair.node(*id).addresses.iter().any(|a| a == address))?;
    Some((id, rest))
}

/// One program or statement as the instance's owner.
pub(crate) fn db2(world: &mut World, side: Side, words: &[&str]) -> Reply {
    let now = world.now_ms();
    let reply = world.db2_mut().expect("a pair with DB2").call(side, &Call::new(words).within(100_000));
    // The stand-in has gone on to its own time.
    let reached = world.db2().map_or(now, lab::db2::Pair::now_ms);
    world.advance(reached.saturating_sub(now) + 10);
    reply
}

/// Types a command as it stands in an error. Every command must exist; what one that looks says is not judged.
#[track_caller]
pub(crate) fn types(world: &mut World, command: &str) {
    if is_own(command) {
        return;
    }
    let pair = world.pair().clone();
    let (id, rest) = over_ssh(&pair, command).unwrap_or_else(|| panic!("who is to type that, and where: {command}"));
    let db2_home = pair.db2();
    let owner = format!("\"su - {} -c '", db2_home.instance);
    if let Some(line) = rest.strip_prefix(&owner) {
        let line = line.strip_suffix("'\"").unwrap_or_else(|| panic!("quotes: {command}"));
        assert!(!line.contains('\''), "quotes: {command}");
        for part in line.split("; ") {
            let reply = match part.strip_prefix("db2 ") {
                Some(statement) => db2(world, side(id), &["db2", statement.replace("\\\"", "").trim()]),
                None => db2(world, side(id), &part.split(' ').collect::<Vec<_>>()),
            };
            let said = format!("{}{}", reply.stdout, reply.stderr);
            assert!(reply.exit != 127 && !said.contains("SQL0104N"), "{part}: {said}");
        }
        return;
    }
    match rest.split(' ').collect::<Vec<_>>()[..] {
        ["date" | "ls", ..] | ["lssam"] | ["chronyc", "makestep"] => {}
        ["'stopsrc", "-s", "xntpd;", ..] => world.clock_offset(id, 0),
        ["rm", "-r", path] => world.remove_file(id, &format!("{path}/text")),
        ref words => {
            let action = Action::Run(Command::new(words.iter().copied()));
            let ran = world.exec_action(Place::Node(id), &action).expect("it is on");
            assert_eq!(ran.exit, Some(0), "{command}: {ran:?}");
        }
    }
}
