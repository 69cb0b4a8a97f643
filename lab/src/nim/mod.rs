//! AIX' network installation manager as a pure core: a database of objects, and the commands that list and change it.
//!
//! Errors are `0042-NNN` on standard error and NNN as the exit code (*documented*, NIM guide: fatal errors only; warnings do not affect exit
//! codes). `lsnim -l` of a resource, 0042-001, -053, -081, -175: *captured*. 0042-032: *documented*. 0042-154, -061, -022: *memory*. What an unconfigured
//! master says: *inference*; xCAT only tests that it is not exit 0.

mod deploy;
mod high;
mod list;
mod objects;
mod operate;
pub mod sample;
mod spot;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::xcat::Reply;

/// An object of the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Name, at most 39 characters.
    pub name: String,
    /// `machines`, `resources`, `networks`, `groups`.
    pub class: String,
    /// Type: `lpp_source`, `spot`, `standalone`, …
    pub kind: String,
    /// Attributes in the order in which they are shown.
    pub attributes: Vec<(String, String)>,
}

impl Object {
    /// Value of an attribute.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    fn set(&mut self, name: &str, value: &str) {
        match self.attributes.iter_mut().find(|(n, _)| n == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.attributes.push((name.into(), value.into())),
        }
    }
}

/// What the machine is to NIM.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Role {
    /// Nothing: `bos.sysmgt.nim.master` is not configured.
    #[default]
    Unconfigured,
    /// The master.
    Master,
    /// An alternate master of the named machine.
    Alternate {
        /// Host name of the master.
        of: String,
    },
}

/// What nobody could verify, and what goes wrong on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Knobs {
    /// Milliseconds that making a SPOT takes (trap 66: up to an hour). *inference*.
    pub spot_ms: u64,
    /// Milliseconds that `nim_master_setup` takes; 21 s even where there is nothing to do (*captured*, xCAT).
    pub setup_ms: u64,
    /// SPOTs that `m_mkspot` makes with exit code 0 and that `nim -Fo check` refuses. *inference*: the check is a program of its own.
    pub broken_spots: Vec<String>,
    /// `nim -Fo define` of a name that is there replaces it (trap 66) instead of 0042-032. *inference*: what `-F` does here is not documented.
    pub force_replaces: bool,
    /// `m_restore_db` keeps the name of the machine that made the copy as the master's. *memory*: `nim_master_recover` exists to put that right.
    pub restore_keeps_name: bool,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            spot_ms: 600_000,
            setup_ms: 21_000,
            broken_spots: Vec::new(),
            force_replaces: false,
            restore_keeps_name: true,
        }
    }
}

/// The database of one machine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Nim {
    /// What the machine is.
    pub role: Role,
    /// Objects in the order of their definition.
    pub objects: Vec<Object>,
    /// Knobs.
    pub knobs: Knobs,
}

impl Nim {
    /// A master that knows itself and the boot resource.
    pub fn master(host_name: &str) -> Self {
        let mut nim = Self { role: Role::Master, ..Self::default() };
        nim.objects = objects::base(host_name);
        nim
    }

    /// Gives this master (`name`) an alternate master and synchronises it, with the resources (HANIM); the alternate's database. For healthy
    /// worlds.
    #[must_use]
    pub fn with_alternate(&mut self, name: &str, alternate: &str) -> Self {
        high::pair(self, name, alternate)
    }

    /// An object by its name.
    pub fn object(&self, name: &str) -> Option<&Object> {
        self.objects.iter().find(|o| o.name == name)
    }

    fn object_mut(&mut self, name: &str) -> Option<&mut Object> {
        self.objects.iter_mut().find(|o| o.name == name)
    }

    /// A resource as `nim -o define` makes it, without looking whether its location is there. For healthy worlds.
    pub fn add_resource(&mut self, kind: &str, name: &str, location: &str) {
        self.objects.push(objects::resource(kind, name, location));
    }
}

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A file.
    File,
    /// A directory.
    Directory,
}

/// What one master tells the other (HANIM).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// You are the alternate of this machine now, and these are the objects (`sync`).
    Sync {
        /// Host name of the master.
        master: String,
        /// Its objects, as they are to be restored.
        objects: Vec<Object>,
        /// Whether what is there may be overwritten.
        force: bool,
    },
    /// This machine took over; you are its alternate.
    TakenOver {
        /// Host name of the new master.
        by: String,
    },
}

/// The machine behind the commands.
pub trait Backend {
    /// The database.
    fn nim(&self) -> &Nim;

    /// As [`Self::nim`], to change.
    fn nim_mut(&mut self) -> &mut Nim;

    /// Host name now.
    fn host_name(&self) -> String;

    /// What is at a path.
    fn find(&self, path: &str) -> Option<Found>;

    /// Content of a file.
    fn read_file(&self, path: &str) -> Option<String>;

    /// Writes a file; its folder is made.
    fn write_file(&mut self, path: &str, content: &str);

    /// Takes a file away.
    fn remove_file(&mut self, path: &str);

    /// Whether the subsystem `nimesis` runs: without it nothing can be changed.
    fn nimesis(&self) -> bool;

    /// Starts or stops it.
    fn set_nimesis(&mut self, run: bool);

    /// An xCAT command on this machine.
    fn xcat(&mut self, name: &str, args: &[&str]) -> Reply;

    /// Tells another machine; its exit code, `None`: it cannot be reached.
    fn tell(&mut self, host: &str, message: &Message) -> Option<i32>;

    /// Time passes in the command, milliseconds.
    fn elapse(&mut self, ms: u64);
}

/// The names, with the paths that they have.
pub const PROGRAMS: &[(&str, &str)] = &[
    ("lsnim", "/usr/sbin/lsnim"),
    ("m_backup_db", "/usr/lpp/bos.sysmgt/nim/methods/m_backup_db"),
    ("m_mkspot", "/usr/lpp/bos.sysmgt/nim/methods/m_mkspot"),
    ("m_restore_db", "/usr/lpp/bos.sysmgt/nim/methods/m_restore_db"),
    ("mkdsklsnode", "/opt/xcat/bin/mkdsklsnode"),
    ("nim", "/usr/sbin/nim"),
    ("nim_master_setup", "/usr/sbin/nim_master_setup"),
    ("nimnodeset", "/opt/xcat/bin/nimnodeset"),
];

/// Whether there is such a command. `program` is a name or the path that it has.
pub fn is_known(program: &str) -> bool {
    name_of(program).is_some()
}

fn name_of(program: &str) -> Option<&'static str> {
    PROGRAMS.iter().find(|(name, path)| program == *name || program == *path).map(|(name, _)| *name)
}

/// Does what the command does, as root. Unknown names exit 127.
pub fn call(program: &str, args: &[&str], backend: &mut dyn Backend) -> Reply {
    match name_of(program) {
        Some("lsnim") => list::lsnim(args, backend),
        Some("m_backup_db") => high::backup(args, backend),
        Some("m_mkspot") => spot::mkspot(args, backend),
        Some("m_restore_db") => high::restore(args, backend),
        Some("nim") => operate::nim(args, backend),
        Some("nim_master_setup") => operate::master_setup(args, backend),
        Some(name) => deploy::deploy(name, args, backend),
        None => Reply::failed(127, "", format!("ksh: {program}:  not found.\n")),
    }
}

/// What a machine does with a message of the other master; the exit code of the call.
pub fn receive(message: &Message, backend: &mut dyn Backend) -> i32 {
    high::receive(message, backend)
}

/// `0042-NNN program: text`, exit NNN.
fn error(code: i32, program: &str, text: &str) -> Reply {
    Reply::failed(code, "", format!("0042-{code:03} {program}: {text}\n"))
}

/// An error of a method, as the command that called it shows it. *captured*.
fn inner(code: i32, method: &str, text: &str) -> Reply {
    Reply::failed(
        code,
        "",
        format!("0042-001 nim: processing error encountered on \"master\":\n   0042-{code:03} {method}: {text}\n"),
    )
}

fn no_object(program: &str, name: &str) -> Reply {
    error(53, program, &format!("there is no NIM object named \"{name}\""))
}

/// Words of a command line: `-a name=value` pairs, single letters, the rest.
struct Words<'a> {
    attributes: Vec<(&'a str, &'a str)>,
    letters: String,
    values: Vec<(char, &'a str)>,
    rest: Vec<&'a str>,
}

impl<'a> Words<'a> {
    /// `with`: letters that take a value, beside `a`.
    fn of(args: &[&'a str], with: &str) -> Result<Self, Reply> {
        let mut words = Self { attributes: Vec::new(), letters: String::new(), values: Vec::new(), rest: Vec::new() };
        let mut args = args.iter().copied();
        while let Some(arg) = args.next() {
            let Some(mut text) = arg.strip_prefix('-').filter(|t| !t.is_empty()) else {
                words.rest.push(arg);
                continue;
            };
            while let Some(letter) = text.chars().next() {
                text = &text[letter.len_utf8()..];
                if letter != 'a' && !with.contains(letter) {
                    words.letters.push(letter);
                    continue;
                }
                let given = if text.is_empty() { args.next() } else { Some(text) };
                let Some(given) = given else {
                    return Err(error(4, "nim", &format!("the -{letter} flag requires an argument")));
                };
                if letter == 'a' {
                    words.attributes.push(given.split_once('=').unwrap_or((given, "")));
                } else {
                    words.values.push((letter, given));
                }
                break;
            }
        }
        Ok(words)
    }

    fn attribute(&self, name: &str) -> Option<&'a str> {
        self.attributes.iter().rev().find(|(n, _)| *n == name).map(|(_, v)| *v).filter(|v| !v.is_empty())
    }

    fn value(&self, letter: char) -> Option<&'a str> {
        self.values.iter().rev().find(|(l, _)| *l == letter).map(|(_, v)| *v)
    }
}
