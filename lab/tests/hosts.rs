//! The practice cluster of real hosts. Needs root and the packages that `lab::hosts::preflight` names.

use std::{path::PathBuf, time::Instant};

use lab::hosts::{Lab, Machine, Options};

fn base() -> PathBuf {
    PathBuf::from("/var/lib/hamn-lab-tests")
}

fn options(name: &str) -> Options {
    Options { dir: base().join(name), tied: true, ..Options::new(env!("CARGO_BIN_EXE_lab-standin")) }
}

#[test]
fn pair_boots_and_replicates() {
    let start = Instant::now();
    let lab = Lab::up(&options("boot")).unwrap_or_else(|e| panic!("{e}"));
    eprintln!("up {:?}", start.elapsed());
    for s in lab.status() {
        eprintln!("{s:?}");
    }
    for c in [vec!["ps", "-ef"], vec!["mount"], vec!["cat", "/run/boot/log"], vec!["/opt/xcat/bin/lsdef", "cn01"]] {
        let o = lab.exec(Machine::Mn1, &c).unwrap();
        eprintln!("{c:?} {:?}\n{}{}", o.exit, o.stdout, o.stderr);
    }
    let start = Instant::now();
    lab.down().unwrap();
    eprintln!("down {:?}", start.elapsed());
}
