//! Rules of the house that no compiler checks: which room may know which, how long a file may be, licences, documents that are
//! made from the tree.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files of the workspace, without what was built.
fn sources() -> Vec<(PathBuf, String)> {
    fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
        let mut entries: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                walk(&path, out);
            } else if path.extension().is_some_and(|e| e == "rs") {
                out.push(path);
            }
        }
    }
    let mut files = Vec::new();
    walk(root(), &mut files);
    assert!(files.len() > 30, "the tree was not found");
    files.into_iter().map(|p| (p.strip_prefix(root()).unwrap().to_owned(), fs::read_to_string(&p).unwrap())).collect()
}

/// Rooms of the program and the rooms that they may use; `lib.rs` and `main.rs` only open the door.
const ARROWS: &[(&str, &[&str])] = &[
    ("cli", &["cli", "runner", "engine", "journal", "remote", "config", "report"]),
    ("runner", &["runner", "engine", "journal", "remote", "config", "report"]),
    ("engine", &["engine", "journal", "remote"]),
    ("journal", &["journal"]),
    ("remote", &["remote"]),
    ("config", &["config"]),
    ("report", &["report"]),
];

/// Room names that follow `crate::` in a text, `use crate::{a, b}` included.
fn rooms_used(text: &str) -> BTreeSet<String> {
    let code: String = text.lines().map(|l| l.split("//").next().unwrap_or("").to_owned() + "\n").collect();
    let mut used = BTreeSet::new();
    for part in code.split("crate::").skip(1) {
        let word =
            |s: &str| s.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        if let Some(group) = part.trim_start().strip_prefix('{') {
            let mut depth = 0;
            let mut item = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        used.insert(word(&item));
                        item.clear();
                        continue;
                    }
                    _ => {}
                }
                item.push(c);
            }
            used.insert(word(&item));
        } else {
            used.insert(word(part));
        }
    }
    used
}

#[test]
fn nothing_points_back_up() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let Ok(inside) = path.strip_prefix("src") else { continue };
        let room = inside.components().next().unwrap().as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned();
        if ["lib", "main"].contains(&room.as_str()) {
            continue;
        }
        let (_, allowed) =
            ARROWS.iter().find(|(r, _)| *r == room).unwrap_or_else(|| panic!("{room}: a room without arrows"));
        for used in rooms_used(&text) {
            if ARROWS.iter().any(|(r, _)| *r == used) && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{}: {room} -> {used}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The module paths that a text names, from a `crate::` or `super::` on: groups in braces taken apart.
fn paths_used(code: &str) -> Vec<Vec<String>> {
    /// Reads one path or group; what is behind it.
    fn tree<'a>(mut rest: &'a str, before: &[String], out: &mut Vec<Vec<String>>) -> &'a str {
        let mut path = before.to_vec();
        loop {
            rest = rest.trim_start();
            if let Some(mut group) = rest.strip_prefix('{') {
                loop {
                    group = tree(group, &path, out).trim_start();
                    group = match group.strip_prefix(',') {
                        Some(next) if !next.trim_start().starts_with('}') => next,
                        end => {
                            let end = end.unwrap_or(group).trim_start();
                            return end.strip_prefix('}').unwrap_or(end);
                        }
                    };
                }
            }
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            path.push(rest[..end].to_owned());
            rest = &rest[end..];
            if let Some(next) = rest.strip_prefix("::") {
                rest = next;
                continue;
            }
            out.push(path);
            let word = |c: char| c.is_alphanumeric() || c == '_';
            return rest.trim_start().strip_prefix("as ").map_or(rest, |alias| alias.trim_start_matches(word));
        }
    }
    let mut out = Vec::new();
    let mut rest = code;
    while let Some(at) = ["crate::", "super::"].iter().filter_map(|word| rest.find(word)).min() {
        rest = tree(&rest[at..], &[], &mut out);
    }
    out
}

/// The file of a module in a crate's folder, by its path.
fn modules(dir: &str, sources: &[(PathBuf, String)]) -> BTreeMap<Vec<String>, usize> {
    let place = |path: &Path| {
        let mut parts: Vec<String> =
            path.strip_prefix(dir).ok()?.with_extension("").iter().map(|p| p.to_string_lossy().into_owned()).collect();
        parts.pop_if(|last| ["mod", "lib", "main"].contains(&last.as_str()));
        Some(parts)
    };
    sources
        .iter()
        .enumerate()
        .filter(|(_, (path, _))| !path.iter().any(|p| p == "tests" || p == "tests.rs"))
        .filter_map(|(n, (path, _))| Some((place(path)?, n)))
        .collect()
}

/// Files that import each other in a loop are one room that nobody can read alone. A module's own parent holds the words that its
/// children share: that they use these is no loop.
#[test]
fn no_files_know_each_other_in_a_circle() {
    let sources = sources();
    let mut uses: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for dir in ["journal-schema/src", "workflows/src", "lab/src", "src"] {
        let files = modules(dir, &sources);
        for (module, file) in &files {
            let text = sources[*file].1.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
            let code: String = text.lines().map(|l| l.split("//").next().unwrap_or("").to_owned() + "\n").collect();
            for path in paths_used(&code) {
                let ups = path.iter().take_while(|p| *p == "super").count();
                let from = if ups == 0 { 0 } else { module.len().saturating_sub(ups) };
                let names = &path[ups.max(1)..];
                let whole: Vec<String> = module[..from].iter().chain(names).cloned().collect();
                let found = (0..=whole.len()).rev().find_map(|n| files.get_key_value(&whole[..n]));
                let Some((_, to)) = found.filter(|(other, _)| !module.starts_with(other)) else { continue };
                uses.entry(*file).or_default().insert(*to);
            }
        }
    }
    assert!(uses.len() > 100, "the imports were not found");
    // Whoever uses nobody that is left cannot be in a circle.
    while let Some(free) = uses.keys().copied().find(|f| uses[f].iter().all(|to| !uses.contains_key(to))) {
        uses.remove(&free);
    }
    let named = |file: usize| sources[file].0.display();
    let left: Vec<String> = uses
        .iter()
        .flat_map(|(from, all)| all.iter().filter(|to| uses.contains_key(to)).map(|to| (*from, *to)))
        .map(|(from, to)| format!("{} -> {}", named(from), named(to)))
        .collect();
    assert!(left.is_empty(), "these, or some of them, import each other in a loop:\n{}", left.join("\n"));
}

#[test]
fn crates_know_only_those_below_them() {
    let manifest = |dir: &str| fs::read_to_string(root().join(dir).join("Cargo.toml")).unwrap();
    let uses = |dir: &str, other: &str| {
        manifest(dir).lines().any(|l| l.starts_with(&format!("{other}.")) || l.starts_with(&format!("{other} ")))
    };
    for other in ["workflows", "lab", "hamn", "tokio"] {
        assert!(!uses("journal-schema", other), "journal-schema knows {other}");
    }
    for other in ["lab", "hamn", "tokio"] {
        assert!(!uses("workflows", other), "workflows knows {other}");
    }
    assert!(!uses("lab", "hamn"), "lab knows hamn");
}

#[test]
fn no_file_is_longer_than_a_reader_can_hold() {
    let long: Vec<String> = sources()
        .into_iter()
        .map(|(path, text)| (text.lines().count(), path))
        // A table of cases reads well at any length; code does not.
        .filter(|(lines, path)| *lines > if path.components().any(|c| c.as_os_str() == "tests") { 900 } else { 640 })
        .map(|(lines, path)| format!("{}: {lines}", path.display()))
        .collect();
    assert!(long.is_empty(), "too long:\n{}", long.join("\n"));
}

/// Whether a licence expression can be met with the allowed licences: some alternative of every part.
fn permitted(expression: &str, allowed: &[String]) -> bool {
    let plain = expression.replace('/', " OR ");
    plain.split(" AND ").all(|part| {
        part.trim_matches(['(', ')', ' '])
            .split(" OR ")
            .any(|one| allowed.iter().any(|a| a == one.trim_matches(['(', ')', ' '])))
    })
}

#[test]
fn licences_and_exceptions_are_those_of_deny_toml() {
    let deny: toml::Table = fs::read_to_string(root().join("deny.toml")).unwrap().parse().unwrap();
    let texts = |v: &toml::Value| -> Vec<String> {
        v.as_array().unwrap().iter().map(|t| t.as_str().unwrap().to_owned()).collect()
    };
    let allowed = texts(&deny["licenses"]["allow"]);
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--locked",
            "--offline",
            "--format-version",
            "1",
            "--filter-platform",
            "x86_64-unknown-linux-gnu",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut names = BTreeSet::new();
    for package in tree["packages"].as_array().unwrap() {
        let (name, licence) = (package["name"].as_str().unwrap(), package["license"].as_str().unwrap_or("none"));
        assert!(permitted(licence, &allowed), "{name}: {licence} is not among the licences of deny.toml");
        names.insert(name.to_owned());
    }
    let mut used = BTreeSet::new();
    for licence in &allowed {
        let needed = tree["packages"]
            .as_array()
            .unwrap()
            .iter()
            .any(|p| p["license"].as_str().unwrap_or("").contains(licence.as_str()));
        assert!(needed, "{licence} is allowed in deny.toml and nobody has it");
        used.insert(licence);
    }
    for entry in deny["advisories"]["ignore"].as_array().unwrap() {
        let reason = entry["reason"].as_str().unwrap();
        let package = reason.split_whitespace().next().unwrap();
        assert!(names.contains(package), "an advisory is ignored for {package}, which is not in the tree");
    }
    for entry in deny["bans"]["deny"].as_array().unwrap() {
        let spec = entry["crate"].as_str().unwrap();
        assert!(spec.contains(':') || !names.contains(spec), "{spec} is banned and in the tree");
    }
}

#[test]
fn licence_expressions_are_understood() {
    let allowed = ["MIT".to_owned(), "Unicode-3.0".to_owned()];
    for (expression, good) in [
        ("MIT OR Apache-2.0", true),
        ("Apache-2.0/MIT", true),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
        ("MIT AND GPL-3.0", false),
        ("none", false),
    ] {
        assert_eq!(permitted(expression, &allowed), good, "{expression}");
    }
}

/// Tests that bear a trap's number: `fn t22_…`.
fn tests_of_traps() -> BTreeMap<u32, BTreeSet<String>> {
    let mut found: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in sources() {
        let mut is_test = false;
        for line in text.lines() {
            let line = line.trim_start();
            if line.starts_with("#[") {
                is_test |= line.contains("test]") || line.contains("test(");
                continue;
            }
            let after = line.trim_start_matches("pub ").trim_start_matches("async ").strip_prefix("fn t");
            // Tests within a macro (proptest!) have their attribute, too.
            if let Some(rest) = after.filter(|_| is_test) {
                let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let mut numbers =
                    name.split('_').map_while(|part| part.trim_start_matches('t').parse::<u32>().ok()).peekable();
                if numbers.peek().is_some() && name.starts_with(|c: char| c.is_ascii_digit()) {
                    for number in numbers {
                        found.entry(number).or_default().insert(format!("`t{name}` ({})", path.display()));
                    }
                }
            }
            if !line.is_empty() && !line.starts_with("//") {
                is_test = false;
            }
        }
    }
    found
}

#[test]
fn docs_list_the_traps_and_the_tests_that_guard_them() {
    let path = root().join("docs/traps.md");
    let have = fs::read_to_string(&path).unwrap();
    let tests = tests_of_traps();
    let mut rows: BTreeMap<u32, (String, String)> = BTreeMap::new();
    for line in have.lines().filter(|l| l.starts_with("| T")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let number = cells[0][1..].parse().unwrap();
        let twice = rows.insert(number, (cells[1].into(), cells[2].into())).is_some();
        assert!(!twice || std::env::var_os("UPDATE_DOCS").is_some(), "T{number} is listed twice");
    }
    assert_eq!(rows.keys().copied().collect::<Vec<_>>(), (1..=79).collect::<Vec<_>>(), "every trap has a row");
    for number in tests.keys() {
        assert!(rows.contains_key(number), "a test bears the number of trap {number}, which there is not");
    }
    let head = have.split("\n## Guarded").next().unwrap();
    let (mut guarded, mut open) = (String::new(), String::new());
    for (number, (what, guard)) in &rows {
        // What the stand-ins of the practice cluster do shows the trap, and no guard against it.
        let guards = |name: &&String| !name.contains(" (lab/");
        if let Some(tests) = tests.get(number).filter(|tests| tests.iter().any(|name| guards(&name))) {
            let list: Vec<&str> = tests.iter().map(String::as_str).collect();
            guarded.push_str(&format!("| T{number} | {what} | {guard} | {} |\n", list.join("<br>")));
        } else {
            open.push_str(&format!("| T{number} | {what} | {guard} |\n"));
        }
    }
    let want = format!(
        "{head}\n## Guarded\n\n| trap | what happens | guard | tests |\n|---|---|---|---|\n{guarded}\n## Not guarded yet\n\n| trap | what happens | guard to come |\n|---|---|---|\n{open}"
    );
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &want).unwrap();
        return;
    }
    assert!(have == want, "docs/traps.md is out of date; make it anew: UPDATE_DOCS=1 cargo test --test house traps");
}

/// Words in backticks of a cell.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// What the table of the procedure's steps names exists: the steps in a golden plan, the tests in the tree.
#[test]
fn docs_of_the_procedure_name_what_there_is() {
    let text = fs::read_to_string(root().join("docs/procedure.md")).unwrap();
    let mut ids = BTreeSet::new();
    for entry in fs::read_dir(root().join("workflows/tests/snapshots")).unwrap() {
        let plan = fs::read_to_string(entry.unwrap().path()).unwrap();
        let steps = plan.lines().filter_map(|l| l.strip_prefix("    ")?.split_once(" on "));
        ids.extend(steps.map(|(id, _)| id.to_owned()).filter(|id| !id.contains(' ')));
    }
    let sources = sources();
    let is_test = |name: &str| sources.iter().any(|(_, text)| text.contains(&format!("fn {name}()")));
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter(|l| l.starts_with("| ") && !l.starts_with("| section"))
        .map(|l| l.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert!(rows.len() > 50, "the table was not found");
    for row in &rows {
        assert_eq!(row.len(), 6, "{row:?}");
        assert!(row[0].starts_with("10") || row[0].starts_with(|c: char| ('1'..='9').contains(&c)), "{row:?}");
        // What hamn does not do has a reason.
        assert!(!row[2].is_empty() || !row[5].is_empty() || row[0] == "5.0, 5.1" || row[0] == "10.0", "{row:?}");
        // What it does, some test holds.
        assert!(row[3].is_empty() || !row[4].is_empty(), "{}: no test for {}", row[0], row[3]);
        for id in quoted(row[3]) {
            let there = match id.strip_suffix('*') {
                Some(head) => ids.iter().any(|i| i.starts_with(head)),
                None => ids.contains(id),
            };
            assert!(there, "{}: no plan has the step {id}", row[0]);
        }
        for name in quoted(row[4]) {
            assert!(is_test(name), "{}: there is no test {name}", row[0]);
        }
    }
    for section in 1..=10 {
        assert!(rows.iter().any(|r| r[0].starts_with(&format!("{section}.0"))), "section {section}.0 is missing");
    }
}

#[test]
fn scripts_are_valid_and_executable() {
    use std::os::unix::fs::PermissionsExt;
    for script in ["tests/run", "benches/run", ".ci/run"] {
        let path = root().join(script);
        assert!(fs::metadata(&path).unwrap().permissions().mode() & 0o100 != 0, "{script} is not executable");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("set -euo pipefail"), "{script}");
        let check = Command::new("bash").arg("-n").arg(&path).output().unwrap();
        assert!(check.status.success(), "{script}: {}", String::from_utf8_lossy(&check.stderr));
    }
}
