//! Reading what AIX' commands print. As in [`super::read`]: what is cut or not understood is no answer.

use journal_schema::Tri;

use super::read::{self, Arp};
use crate::script::ActionResult;

/// [`crate::vocabulary_aix::arp_probe`] and the same from elsewhere. That the prober itself holds the address is silence of the others.
pub fn arp(r: &ActionResult) -> Arp {
    let mut lines = r.stdout.lines().map(str::trim).filter(|l| !l.is_empty());
    let (line, more) = (lines.next().unwrap_or_default(), lines.next());
    match (r.exit, line.split_once(' ').unwrap_or((line, "")), more) {
        (Some(0), ("silence" | "own", ""), None) => Arp::Silence,
        (Some(1), ("answered", mac), None) if mac.contains(':') => Arp::Answered(mac.to_owned()),
        _ => Arp::Unknown,
    }
}

/// Whether the prober itself holds the address.
pub fn own(r: &ActionResult) -> bool {
    read::line(r) == Some("own")
}

/// State of a subsystem by `lssrc -s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Src {
    /// It runs.
    Active,
    /// It does not run.
    Inoperative,
    /// It is being stopped or something in between.
    Between,
    /// SRC does not know it.
    NoSuch,
    /// Not understood.
    Unknown,
}

/// `lssrc -s NAME`
pub fn src(r: &ActionResult, name: &str) -> Src {
    if r.exit == Some(1) && (r.stderr.contains("0513-085") || r.stdout.contains("0513-085")) {
        return Src::NoSuch;
    }
    let state = |row: &str| match row.split_whitespace().last() {
        Some("active") => Src::Active,
        Some("inoperative") => Src::Inoperative,
        Some("stopping" | "warned" | "starting") => Src::Between,
        _ => Src::Unknown,
    };
    // A subsystem that may run more than once has a line each: one that runs, runs.
    let rows = read::complete(r).into_iter().flat_map(str::lines).filter(|l| l.split_whitespace().next() == Some(name));
    let states: Vec<Src> = rows.map(state).collect();
    match states.first() {
        Some(first) if states.iter().all(|s| s == first) => *first,
        Some(_) if states.contains(&Src::Active) => Src::Active,
        _ => Src::Unknown,
    }
}

/// [`Src`] as an answer to *does it run*.
pub fn runs(state: Src) -> Tri {
    match state {
        Src::Active | Src::Between => Tri::Yes,
        Src::Inoperative | Src::NoSuch => Tri::No,
        Src::Unknown => Tri::Unknown,
    }
}

/// What differs between two [`crate::vocabulary_aix::network`] listings, apart from lines of `interface` and those of the
/// loopback, where each address that moves has a route: `-line` and `+line`.
pub fn network_changes(before: &str, after: &str, interface: &str) -> Vec<String> {
    let of = |text: &str| -> Vec<String> {
        let others = |l: &&str| {
            let mut words = l.split_whitespace();
            !l.starts_with("host ") && !words.any(|w| w == interface || w == "lo0")
        };
        text.lines().map(str::trim).filter(|l| !l.is_empty()).filter(others).map(str::to_owned).collect()
    };
    let (before, after) = (of(before), of(after));
    let gone = before.iter().filter(|l| !after.contains(l)).map(|l| format!("-{l}"));
    let came = after.iter().filter(|l| !before.contains(l)).map(|l| format!("+{l}"));
    gone.chain(came).collect()
}
