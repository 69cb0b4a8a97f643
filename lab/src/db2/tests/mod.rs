//! Tests of the stand-in.

mod golden;
mod properties;
mod read;
mod stories;
mod table;

use super::{Build, Call, Change, Content, Pair, Reply, Role, Side, State};

/// A `db2` statement from a shell of its own.
fn db2(pair: &mut Pair, side: Side, statement: &str) -> Reply {
    pair.call(side, &Call::new(&["db2", statement]))
}

/// The same, which must succeed.
fn ok(pair: &mut Pair, side: Side, statement: &str) -> String {
    let reply = db2(pair, side, statement);
    assert_eq!((reply.exit, reply.hangs), (0, false), "{statement}: {reply:?}");
    reply.stdout
}

/// The same, which must fail with this code at the beginning of its message.
fn fails(pair: &mut Pair, side: Side, statement: &str, code: &str) -> String {
    let reply = db2(pair, side, statement);
    assert_eq!(reply.exit, 4, "{statement}: {reply:?}");
    assert!(reply.stdout.starts_with(code), "{statement}: {reply:?}");
    reply.stdout
}

fn put(key: &str) -> Change {
    Change::Put { table: "nodelist".into(), row: vec![key.into(), "compute".into()] }
}

fn has(pair: &Pair, side: Side, key: &str) -> bool {
    pair.content(side).and_then(|c| c.get("nodelist")).is_some_and(|rows| rows.iter().any(|r| r[0] == key))
}

fn state(pair: &Pair, side: Side) -> Option<(Role, State)> {
    pair.hadr(side).map(|(role, state, _)| (role, state))
}

fn formed() -> Pair {
    let content = Content::from([("nodelist".to_owned(), vec![vec!["cn01".to_owned(), "compute".to_owned()]])]);
    Pair::formed(&Build { content, ..Build::default() })
}
