//! The pure functions: what is lost, what a crontab line does, what a number of nodes means.

mod common;

use common::{Desk, PUSH_LINE, RESTORE_LINE};
use journal_schema::{Fact, Tri};
use workflows::steps::{
    loss::{View, bound, in_words},
    read::{self, StandbyPosition},
    schedules::{Surroundings, threat},
    xcat::fewest_nodes,
};

const NOW: u64 = 1_768_478_461_000;

/// How far clocks may be apart.
const CLOCKS: u64 = 5_000;

fn position(
    received: Option<u64>,
    replayed: Option<u64>,
    commit: Option<u64>,
    contact: Option<u64>,
    streaming: bool,
) -> StandbyPosition {
    StandbyPosition {
        received,
        replayed,
        last_commit_ms: commit,
        last_message_ms: contact,
        last_checkpoint_ms: None,
        streaming,
        now_ms: NOW,
    }
}

fn with_checkpoint(standby: StandbyPosition, ago: u64) -> StandbyPosition {
    StandbyPosition { last_checkpoint_ms: Some(NOW - ago), ..standby }
}

/// Primary: silent or its position. Standby: streaming or not; last contact, commit, checkpoint known or not. Synchronous or not.
#[test]
fn t30_the_matrix_of_the_loss_bound() {
    let (at, commit, contact) = (Some(1_000_u64), Some(NOW - 9_000), Some(NOW - 500));
    let view = |written, standby, synchronous| View { written, standby, synchronous, clocks_ms: CLOCKS };
    for (view, expected, what) in [
        (view(Some(1_000), position(at, at, commit, contact, true), Tri::No), (Some(0), Some(0)), "alive, equal"),
        (
            view(Some(1_500), position(at, at, commit, contact, true), Tri::No),
            (Some(500), Some(500)),
            "alive, behind since the last contact",
        ),
        (
            view(Some(1_500), position(at, at, commit, None, true), Tri::No),
            (Some(500), Some(14_000)),
            "alive, behind, and more was left to send at each message",
        ),
        (
            view(Some(1_500), position(at, at, commit, contact, true), Tri::Yes),
            (Some(0), Some(0)),
            "synchronous and streaming",
        ),
        (
            view(Some(1_500), position(at, at, commit, None, false), Tri::Yes),
            (Some(500), Some(14_000)),
            "synchronous, but no stream",
        ),
        (
            view(Some(900), position(at, at, commit, None, false), Tri::No),
            (Some(0), Some(0)),
            "looked at a moment earlier",
        ),
        (
            view(Some(1_500), position(Some(1_000), Some(1_200), commit, None, false), Tri::No),
            (Some(300), Some(14_000)),
            "replayed from an archive",
        ),
        (view(Some(1_500), position(None, None, None, None, false), Tri::No), (None, None), "never received"),
        (view(None, position(at, at, commit, None, false), Tri::Unknown), (None, Some(14_000)), "dead"),
        (
            view(None, position(at, at, commit, contact, true), Tri::Unknown),
            (None, Some(500)),
            "dead a moment ago: nothing was left to send then",
        ),
        (
            view(None, position(at, at, None, contact, true), Tri::Unknown),
            (None, Some(500)),
            "dead, nothing replayed since the start",
        ),
        (
            view(None, position(Some(1_500), at, None, contact, true), Tri::Unknown),
            (None, Some(500)),
            "dead, replay waits: what is received is not lost",
        ),
        (view(None, position(at, at, None, None, false), Tri::Unknown), (None, None), "dead, nothing known"),
        (
            view(None, with_checkpoint(position(at, at, None, None, false), 60_000), Tri::Unknown),
            (None, Some(65_000)),
            "dead, the receiver has ended, nothing replayed since the start: the checkpoint is left",
        ),
        (
            view(None, with_checkpoint(position(at, at, commit, None, false), 60_000), Tri::Unknown),
            (None, Some(14_000)),
            "the younger of commit and checkpoint",
        ),
        (
            view(None, with_checkpoint(position(at, at, commit, None, false), 1_000), Tri::Unknown),
            (None, Some(6_000)),
            "the younger of commit and checkpoint",
        ),
        (
            view(None, position(at, at, Some(NOW + 2_000), None, false), Tri::Unknown),
            (None, Some(3_000)),
            "a commit of the future, as far as clocks may differ",
        ),
        (
            view(None, position(at, at, Some(NOW + 5_001), None, false), Tri::Unknown),
            (None, None),
            "a commit of a future too far: clocks",
        ),
        (
            view(None, with_checkpoint(position(at, at, Some(NOW + 5_001), None, false), 60_000), Tri::Unknown),
            (None, None),
            "the same clock wrote the checkpoint",
        ),
        (
            view(None, position(at, at, Some(NOW + 5_001), contact, true), Tri::Unknown),
            (None, Some(500)),
            "the contact bears the standby's own clock where it is the older",
        ),
        (
            view(None, position(at, at, commit, None, true), Tri::Yes),
            (Some(0), Some(0)),
            "synchronous by an earlier look",
        ),
    ] {
        assert_eq!(bound(&view), expected, "{what}");
    }
    assert_eq!(in_words(Some(0), Some(0)), "nothing is lost");
    assert_eq!(
        in_words(None, Some(13_005)),
        "at most an unknown number of bytes of database log and 13.005 s of commits are lost"
    );
}

fn around() -> Surroundings {
    Surroundings::of(&common::pair(), ["aixmn1", "aixmn2"])
}

/// The procedure's own lines, with the mistakes that its scan has: cron rejects some of them today, somebody repairs them tomorrow.
#[test]
fn t22_t27_the_lines_of_the_procedure() {
    for line in [
        "0 5 * * * /var/lib/pgsql/bin/pg_restore -d xcatdb -c /tmp/xcatdb",
        "0 5 * * * /var/lib/pgsql/bin/pg restore -d xcatdb -c /tmp/xcatdb",
        "0 4 * * * scp /tmp/xcatdb aixmn2:/tmp/",
        "0 4 * * * gcp /tmp/xcatdb aixmn2:/tmp/",
        "01 * * * /usr/bin/rsync -az /etc/xcat/ca /etc/xcat/cert /etc/xcat/hostkeys aixmn2:/etc/xcat",
        "0 1 * * * /usr/bin/rsync -az /etc/xcat/ca /etc/xcat/cert aixmn2:/etc/xcat",
        "01 * * * rsync —-az $HOME/.xcat aixmn2:$HOME/",
        "0 2 * * * /usr/bin/rsync -az /install aixmn2:/",
        "0 2 * * * /usr/bin/rsync -az /etc/hosts /etc/resolv.conf aixmn2:/etc/",
        RESTORE_LINE,
        PUSH_LINE,
    ] {
        assert!(threat(line, &around()).is_some(), "{line}");
    }
}

#[test]
fn t24_t25_t26_other_lines_that_write() {
    for line in [
        "@daily root /usr/bin/pg_restore -1 -e -d xcatdb /srv/dump",
        "*/5 * * * * root PGPASSFILE=/root/.pgpass /usr/bin/psql -d xcatdb -f /srv/dump.sql",
        "*/5 * * * * postgres psql xcatdb < /srv/dump.sql",
        "0 6 * * * root XCATBYPASS=1 /opt/xcat/sbin/restorexCATdb -p /srv/dump",
        "30 1 * * * root rsync -az --delete root@mn2.cluster.test:/install/ /install/",
        "30 1 * * * root rsync -az mirror:/xcat/install/ /install",
        "30 1 * * * root rsync -az /install/ 10.77.0.12:/install/",
        "30 1 * * * root rsync -az /install/ backup-alias:/install/",
        "30 1 * * * root cd / && rsync -a -e 'ssh -p 2222' install \"root@10.78.0.12:/\"",
        "15 * * * * root /usr/local/sbin/push-images mn2",
        "0 0 1 1 * root db2 restore database XCATDB from /var/lib/db2/backup",
        "0 3 * * 0 root test -x /usr/bin/rsync && rsync -a /etc/hosts mn2:/etc/",
    ] {
        assert!(threat(line, &around()).is_some(), "{line}");
    }
}

#[test]
fn what_does_not_write_is_left_alone() {
    for line in [
        "",
        "   ",
        "# 0 5 * * * pg_restore -d xcatdb -c /tmp/xcatdb",
        "#hamn:run-0123456789abcdef: 0 5 * * * pg_restore -d xcatdb -c /tmp/xcatdb",
        "SHELL=/bin/sh",
        "MAILTO = root@mn2",
        "17 * * * * root cd / && run-parts --report /etc/cron.hourly",
        "0 3 * * * postgres /var/lib/pgsql/bin/pg_dump -f /tmp/xcatdb -F t xcatdb",
        "0 4 * * * root rsync -az /home/ backup.example.org:/srv/home/",
        "0 4 * * * root rsync -az files.example.org:/pub/ /srv/pub/",
        "*/10 * * * * root psql -d xcatdb -c 'VACUUM'",
        "25 6 * * * root test -x /usr/sbin/anacron || run-parts /etc/cron.daily",
    ] {
        assert_eq!(threat(line, &around()), None, "{line}");
    }
}

#[test]
fn a_listing_is_read_to_its_mark() {
    let whole = common::ok("/etc/crontab:SHELL=/bin/sh\n/etc/cron.d/x:0 1 * * * root a:b c\n:end\n");
    let lines = [("/etc/crontab", "SHELL=/bin/sh"), ("/etc/cron.d/x", "0 1 * * * root a:b c")];
    assert_eq!(read::crontabs(&whole), Some(lines.to_vec()));
    assert_eq!(read::crontabs(&common::ok(":end\n")), Some(Vec::new()), "a machine without crontabs");
    for cut in ["", "/etc/crontab:SHELL=/bin/sh\n", "/etc/crontab:SHELL=/bin/sh\n:end", "/etc/crontab:SHELL"] {
        assert_eq!(read::crontabs(&common::ok(cut)), None, "{cut:?}");
    }
}

#[test]
fn t52_the_fewest_nodes() {
    let fewest = |counts: &[(&str, u64)]| {
        let mut desk = Desk::new();
        for (node, count) in counts {
            desk.learn(&[Fact::ClusterNodes { node: (*node).into(), count: *count }]);
        }
        fewest_nodes(&desk.context())
    };
    assert_eq!(fewest(&[]), 1, "an empty database is never right");
    assert_eq!(fewest(&[("mn-a", 100), ("mn-b", 91)]), 90, "by the one that has most");
    assert_eq!(fewest(&[("mn-b", 12)]), 11);
    assert_eq!(fewest(&[("mn-b", 0)]), 1);
    let mut desk = Desk::new();
    desk.pair.xcat.min_nodes_percent = 0;
    assert_eq!(fewest_nodes(&desk.context()), 0, "a cluster that has no nodes yet, by its operator's word");
}

#[test]
fn positions_are_read() {
    assert_eq!(read::lsn("0/3000028"), Some(0x300_0028));
    assert_eq!(read::lsn("1/0"), Some(1 << 32));
    for bad in ["", "0", "0/", "/0", "0/xyz", "123456789/0"] {
        assert_eq!(read::lsn(bad), None, "{bad}");
    }
    let row = common::ok("50331808|50331808||1768478460900|streaming|1768478461000|1768478400000\n");
    let position = read::standby_position(&row).unwrap();
    assert_eq!((position.end(), position.last_commit_ms, position.streaming), (Some(50_331_808), None, true));
    for bad in ["", "1|2|3|4|streaming|5\n", "1|2|x|4||5|6\n", "1|2|3|4|||6\n", "1|2|3|4||5|6\n1|2|3|4||5|6\n"] {
        assert_eq!(read::standby_position(&common::ok(bad)), None, "{bad}");
    }
}

/// What keeps the standby's files is armed again after a way back; what may write to the machine in service is not.
#[test]
fn t22_only_what_copies_to_elsewhere_is_armed_again() {
    use workflows::steps::schedules::outgoing;
    let crontab = "/var/spool/cron/crontabs/root";
    for line in [
        "0 1 * * * /usr/bin/rsync -az $HOME/.xcat mn-standby:$HOME/",
        "0 1 * * * /usr/bin/rsync -az /etc/xcat/ca /etc/xcat/cert mn-standby:/etc/xcat >/dev/null 2>&1",
        "0 2 * * * root scp -p /etc/hosts aixmn2:/etc/",
    ] {
        assert!(outgoing(crontab, line), "{line}");
        assert!(
            !outgoing("/etc/cron.daily/sync", line) && !outgoing("sync.service", line),
            "only a crontab says it all"
        );
    }
    for line in [
        "0 5 * * * pg_restore -d xcatdb -c /tmp/xcatdb",
        "0 1 * * * rsync -az mn-standby:/install /",
        "0 1 * * * rsync -az /install /backup",
        "0 1 * * * rsync -az /install mn2:/ ; pg_restore -d xcatdb /tmp/x",
        "0 1 * * * pg_restore -d xcatdb /tmp/x && rsync -az /install mn2:/",
        "0 1 * * * rsync -az mn1:/install mn2:/",
        "0 1 * * * rsync -az /install $OTHER:/",
        "0 1 * * * ssh mn2 date",
        "",
    ] {
        assert!(!outgoing(crontab, line), "{line}");
    }
}
