//! What a machine does to the other one by its own ssh, and to the images of a database: the commands of `vocabulary::transfer`.

use workflows::{
    Place,
    model::{NodeId, Platform},
    vocabulary::transfer::{Call, Way},
};

use super::{Ran, World, fixed::ip};

/// Longest silence of ssh before it gives an address up, ms.
const PATIENCE_MS: u64 = 10_000;
/// What an image takes on its way, ms.
const COPY_MS: u64 = 800;

/// Whether a path is of a pattern in which `*` stands for anything.
fn fits(path: &str, pattern: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return path == pattern };
    let Some(path) = path.strip_prefix(start) else { return false };
    path.char_indices().map(|(at, _)| at).chain([path.len()]).any(|at| fits(&path[at..], rest))
}

impl World {
    pub(super) fn transfer(&mut self, id: NodeId, call: Call<'_>) -> Ran {
        match call {
            Call::Reaches(way) => match self.on_the_way(id, way) {
                Ok(cost_ms) => Ran::ok("yes\n", cost_ms),
                Err(cost_ms) => Ran::ok("no\n", cost_ms),
            },
            Call::Send(way, directory, pattern) => self.send(id, way, directory, pattern),
            Call::Compare(way, directory, pattern) => self.compare(id, way, directory, pattern),
            // A directory is there when a file in it is.
            Call::Directory(_) => Ran::ok("", 10),
            Call::Resolves(name) => {
                let known = self.m(id).files.get("/etc/hosts").is_some_and(|hosts| {
                    hosts
                        .lines()
                        .any(|l| l.split('#').next().unwrap_or("").split_whitespace().skip(1).any(|n| n == name))
                });
                Ran::ok(if known { "yes\n" } else { "no\n" }, 10)
            }
            Call::Mark(path) => {
                self.charge(Place::Node(id), "mark");
                self.m_mut(id).files.set(path, "", 0o644);
                Ran::ok("", 5)
            }
            Call::Since(mark, start) => self.made_since(id, mark, start),
            Call::IsMachine(wanted) => {
                let own = match self.fixed.pair.node(id).platform {
                    Platform::Linux => self.m(id).files.get("/etc/machine-id").map_or("", |t| t.trim()).to_owned(),
                    Platform::Aix => self.native(id, &["uname", "-f"]).stdout.trim().to_owned(),
                };
                let same = own.eq_ignore_ascii_case(wanted);
                Ran::ok(own + "\n", 10).exit(if same { 0 } else { 9 })
            }
        }
    }

    /// Whether the other machine lets this one in: the time that it takes, or the time until it is given up.
    fn on_the_way(&self, id: NodeId, way: Way<'_>) -> Result<u64, u64> {
        let other = id.other();
        let pinned = self.m(id).files.get(way.known_hosts).is_some_and(|keys| {
            keys.lines().any(|l| {
                l.split_once(' ').is_some_and(|(name, key)| {
                    name == way.name && self.fixed.pair.node(other).host_keys.iter().any(|k| k == key)
                })
            })
        });
        let mut cost_ms = 0;
        for address in way.addresses {
            let number = ip(address);
            if number.and_then(|a| self.route(Some(id), a)) == Some(other) {
                return if pinned { Ok(cost_ms + 150) } else { Err(cost_ms + 150) };
            }
            cost_ms += PATIENCE_MS;
        }
        Err(cost_ms)
    }

    /// Files of a machine in a directory that match a pattern: path, content.
    fn matching(&self, id: NodeId, directory: &str, pattern: &str) -> Vec<(String, String)> {
        let prefix = format!("{directory}/");
        let files = self.m(id).files.under(&prefix);
        let named = files.filter(|(path, _)| fits(&path[prefix.len()..], pattern));
        named.map(|(path, content)| (path.to_owned(), content.to_string())).collect()
    }

    fn send(&mut self, id: NodeId, way: Way<'_>, directory: &str, pattern: &str) -> Ran {
        let found = self.matching(id, directory, pattern);
        match self.on_the_way(id, way) {
            Err(cost_ms) => Ran::failed(1, "ssh: connect to host: Connection timed out\n", cost_ms),
            Ok(_) if found.is_empty() => Ran::failed(1, "scp: no such file\n", 150),
            Ok(cost_ms) => {
                for (path, content) in found {
                    self.wrote(Place::Node(id.other()), "write", &path);
                    self.put_file(id.other(), &path, &content);
                }
                Ran::ok("", cost_ms + COPY_MS)
            }
        }
    }

    fn compare(&mut self, id: NodeId, way: Way<'_>, directory: &str, pattern: &str) -> Ran {
        let here = self.matching(id, directory, pattern);
        if here.is_empty() {
            return Ran::ok("other\n", 10);
        }
        match self.on_the_way(id, way) {
            Err(cost_ms) => Ran::failed(1, "ssh: connect to host: Connection timed out\n", cost_ms),
            Ok(cost_ms) => {
                let same = here == self.matching(id.other(), directory, pattern);
                Ran::ok(if same { "same\n" } else { "other\n" }, cost_ms + 50)
            }
        }
    }

    fn made_since(&mut self, id: NodeId, mark: &str, start: &str) -> Ran {
        let files = &self.m(id).files;
        if files.get(mark).is_none() {
            return Ran::failed(1, "", 5);
        }
        let start = format!("{start}.0.");
        let young = files.under(&start).map(|(path, _)| path).filter(|path| files.since(path, mark));
        let names = young.filter_map(|path| path.rsplit('/').next());
        let listed = names.fold(String::new(), |all, name| all + name + "\n") + ":end\n";
        self.charge(Place::Node(id), "mark");
        self.m_mut(id).files.remove(mark);
        Ran::ok(listed, 20)
    }
}
