//! What a tired person reads: the story of a run, where it stands, the command to type next.

mod story;

use hamn::report::{self, Timeline};
use journal_schema::{Direction, End, OpenItem, Payload, Seq, UnixMillis, Verdict};
use story::{RUN, START, alice, refs, told_to_the_pivot};

#[test]
fn an_interrupted_run_says_what_may_have_happened_and_what_to_type() {
    let story = told_to_the_pivot();
    insta::assert_snapshot!("interrupted", story.text(Timeline::default()));
    insta::assert_snapshot!("interrupted_full", story.text(Timeline { full: true, ..Timeline::default() }));
}

#[test]
fn a_finished_run_names_what_is_open() {
    let mut story = told_to_the_pivot();
    story
        .say(86_400_000, Payload::Resumed { operator: alice(), refs: refs(), way: Direction::Forward })
        .done(900, "promote.database", "primary, timeline 2", vec![])
        .say(1, Payload::Entered { state: "Promoted".into() })
        .say(
            1,
            Payload::ItemOpened(OpenItem {
                id: "unprotected".into(),
                text: "nothing replicates from mn-b".into(),
                command: String::new(),
            }),
        )
        .say(1, Payload::Finished { end: End::Done, summary: "mn-b is in service".into() });
    insta::assert_snapshot!("finished", story.text(Timeline::default()));
}

#[test]
fn a_stuck_run_gives_the_commands_that_settle_it() {
    let mut story = told_to_the_pivot();
    story
        .outcome(
            30_000,
            "promote.database",
            Verdict::Unknown,
            "the connection broke and mn-b is not reached",
            vec![],
            "",
        )
        .say(
            1,
            Payload::Stuck {
                step: "promote.database".into(),
                why: "nobody can tell whether it happened".into(),
                settle: "ssh root@10.77.0.12 psql -c 'SELECT pg_is_in_recovery()'\n".into(),
            },
        );
    let text = story.text(Timeline::default());
    insta::assert_snapshot!("stuck", text);
    assert!(!text.contains("rollback"), "the pivot may have been passed");
}

#[test]
fn colours_change_nothing_but_colours() {
    let story = told_to_the_pivot();
    let coloured = story.text(Timeline { colour: true, ..Timeline::default() });
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some(at) = rest.find("\x1b[") {
        plain.push_str(&rest[..at]);
        rest = &rest[at + rest[at..].find('m').unwrap() + 1..];
    }
    plain.push_str(rest);
    assert_ne!(plain, coloured);
    assert_eq!(plain, story.text(Timeline::default()));
}

#[test]
fn the_table_of_runs_tells_running_from_unfinished() {
    let story = told_to_the_pivot();
    let states = [story.state.unwrap()];
    let now = UnixMillis(START + 3_600_000);
    insta::assert_snapshot!(
        "runs",
        format!("{}\n{}", report::runs(&states, None, now), report::runs(&states, Some(RUN), now))
    );
    assert_eq!(states[0].last.0, Seq(14));
    assert_eq!(report::runs(&[], None, now), "no runs yet\n");
}

#[test]
fn what_a_later_run_reverted_is_no_longer_open() {
    let item = |id: &str| OpenItem { id: id.into(), text: format!("{id} of the first run"), command: String::new() };
    let mut first = told_to_the_pivot();
    first
        .say(60_000, Payload::Resumed { operator: alice(), refs: refs(), way: Direction::Forward })
        .done(900, "promote.database", "primary, timeline 2", vec![])
        .say(1, Payload::Entered { state: "Promoted".into() });
    for id in ["divergence", "fenced", "unprotected"] {
        first.say(1, Payload::ItemOpened(item(id)));
    }
    first.say(1, Payload::Finished { end: End::Done, summary: String::new() });
    let first = first.state.unwrap();
    let before = first.items.len();
    let open = |second: &journal_schema::RunState| {
        let states = [first.clone(), second.clone()];
        let of_first = |(run, _): &(journal_schema::RunId, &OpenItem)| *run == first.run;
        report::open_of_all(&states).into_iter().filter(of_first).map(|(_, i)| i.id.clone()).collect::<Vec<_>>()
    };
    let mut later = first.clone();
    later.run = journal_schema::RunId(RUN.0 + 1);
    later.workflow = "failback".into();
    let left = open(&later);
    assert_eq!(left.len(), before - 2, "{left:?}");
    assert!(!left.iter().any(|id| id == "fenced" || id == "unprotected"), "{left:?}");
    assert!(left.contains(&"divergence".to_owned()), "a failback leaves what was saved where it is");
    // One that is not done has settled nothing, and neither has one that settles nothing.
    later.end = None;
    assert_eq!(open(&later).len(), before);
    later.end = first.end.clone();
    later.workflow = "drill".into();
    assert_eq!(open(&later).len(), before);
}
