//! Edits of files.

use super::*;

const PATH: &str = "/etc/some.conf";

fn with(content: &str) -> World {
    let mut w = world();
    w.put_file(A, PATH, content);
    w
}

fn replace(prefix: &str, after: &str, until: &str, value: &str) -> Action {
    Action::ReplaceInLines {
        path: PATH.into(),
        line_prefix: prefix.into(),
        after: after.into(),
        until: until.into(),
        value: value.into(),
    }
}

#[test]
fn written_files_have_their_content_and_mode() {
    let mut w = world();
    assert!(act(&mut w, A, write("/var/lib/hamn/epoch", "4\n")).ok());
    assert_eq!(w.file(A, "/var/lib/hamn/epoch"), Some("4\n"));
    assert_eq!(w.epoch(A), 4);
    assert!(act(&mut w, A, write("/var/lib/hamn/epoch", "4\n")).ok());
    assert_eq!(w.effect_count("write a:/var/lib/hamn/epoch"), 1, "the same content is no effect");
}

#[test]
fn parts_of_lines_are_replaced() {
    let mut w = with("# host=one\n  key:host=one|x\nkey:host=two");
    assert!(act(&mut w, A, replace("key:", "host=", "|", "NEW")).ok());
    assert_eq!(w.file(A, PATH), Some("# host=one\n  key:host=NEW|x\nkey:host=NEW"));
    assert_eq!(w.file(A, "/etc/some.conf.hamn-before"), Some("# host=one\n  key:host=one|x\nkey:host=two"));
    assert!(act(&mut w, A, replace("key:", "host=", "", "LAST")).ok());
    assert_eq!(w.file(A, PATH), Some("# host=one\n  key:host=LAST\nkey:host=LAST"));
    assert_eq!(
        w.file(A, "/etc/some.conf.hamn-before"),
        Some("# host=one\n  key:host=one|x\nkey:host=two"),
        "the first former file stays"
    );
    let writes = w.effect_count("write a:/etc/some.conf");
    assert!(act(&mut w, A, replace("key:", "host=", "", "LAST")).ok());
    assert_eq!(w.effect_count("write a:/etc/some.conf"), writes);
}

#[test]
fn a_line_that_is_not_there_is_exit_3() {
    let mut w = with("other\n");
    assert_eq!(act(&mut w, A, replace("key:", "host=", "", "x")).exit, Some(3));
    assert_eq!(w.file(A, PATH), Some("other\n"));
    let line = |path: &str| Action::EnsureLine { path: path.into(), line: "x".into() };
    assert_eq!(act(&mut w, A, line("/no/such")).exit, Some(3));
}

#[test]
fn lines_are_ensured_once() {
    let mut w = with("first");
    let line = Action::EnsureLine { path: PATH.into(), line: "second".into() };
    assert!(act(&mut w, A, line.clone()).ok());
    assert!(act(&mut w, A, line).ok());
    assert_eq!(w.file(A, PATH), Some("first\nsecond\n"));
}

#[test]
fn lines_are_commented_out_and_in_again() {
    let text = "a pg_restore\nb\n";
    let mut w = with(text);
    let out = Action::CommentOut { path: PATH.into(), contains: "pg_restore".into(), tag: "t".into() };
    assert!(act(&mut w, A, out.clone()).ok());
    assert!(act(&mut w, A, out).ok());
    assert_eq!(w.file(A, PATH), Some("#hamn:t: a pg_restore\nb\n"));
    let back = |path: &str, tag: &str| Action::Uncomment { path: path.into(), tag: tag.into() };
    assert!(act(&mut w, A, back(PATH, "other")).ok());
    assert_eq!(w.file(A, PATH), Some("#hamn:t: a pg_restore\nb\n"));
    assert!(act(&mut w, A, back(PATH, "t")).ok());
    assert_eq!(w.file(A, PATH), Some(text));
    assert!(act(&mut w, A, back("/no/such", "t")).ok());
}

#[test]
fn t9_a_claim_is_one_owner_s() {
    let mut w = world();
    let claim = |content: &str| Action::Claim { path: "/var/lib/hamn/claim".into(), content: content.into() };
    let unclaim = |content: &str| Action::Unclaim { path: "/var/lib/hamn/claim".into(), content: content.into() };
    assert!(act(&mut w, A, claim("one")).ok());
    assert!(act(&mut w, A, claim("one")).ok());
    let second = act(&mut w, A, claim("two"));
    assert_eq!((second.exit, second.stdout.as_str()), (Some(17), "one"));
    let text = vocabulary::claim_text_path(w.pair());
    assert_eq!(on(&mut w, A, vocabulary::cat(&text)).stdout, "one");
    assert_eq!(act(&mut w, A, unclaim("two")).exit, Some(17));
    assert!(act(&mut w, A, unclaim("one")).ok());
    assert!(act(&mut w, A, unclaim("one")).ok());
    assert!(act(&mut w, A, claim("two")).ok());
}

#[test]
fn files_survive_the_power() {
    let mut w = with("kept\n");
    w.power(A, false);
    w.power(A, true);
    assert_eq!(w.file(A, PATH), Some("kept\n"));
}
