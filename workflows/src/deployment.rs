//! What deployment needs and only the machine in service can tell: where NIM's resources are (the xCAT database has their names only) and
//! what each node was to do at its next boot. `hamn run sync` saves it as a file on both machines while the primary lives.

use std::collections::{BTreeMap, BTreeSet};

use journal_schema::Digest;
use serde::{Deserialize, Serialize};

/// Version of the file.
pub const VERSION: u32 = 1;
/// The most bytes that are saved: the text is evidence, and a record of the journal has a bound.
pub const MOST: usize = 40 * 1024;

/// Everything, at one time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// [`VERSION`]
    pub version: u32,
    /// Fixed name of the machine that told it.
    pub node: String,
    /// Its clock, milliseconds since 1970.
    pub taken_ms: u64,
    /// Its epoch.
    pub epoch: u64,
    /// Number of nodes in the database.
    pub nodes: u64,
    /// Images of the database.
    pub images: Vec<Image>,
    /// Resources of NIM.
    pub resources: Vec<Resource>,
    /// What nodes were to do at their next boot.
    pub boot: Vec<Boot>,
    /// Nodes whose state is not restored, with the state.
    pub left: Vec<(String, String)>,
}

/// An image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Name.
    pub name: String,
    /// `standalone`, `diskless`, `dataless`; empty: not NIM's.
    pub nim: String,
    /// Resources of NIM: type, name.
    pub resources: Vec<(String, String)>,
    /// Files and directories of a Linux image.
    pub paths: Vec<String>,
    /// How nodes get it: `install`, `netboot`, …
    #[serde(default)]
    pub provmethod: String,
    /// What it is, as the state of a node names it: `rhels7.3-ppc64le-compute`; empty where one of the three is missing.
    #[serde(default)]
    pub content: String,
}

/// A resource of NIM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// Name.
    pub name: String,
    /// Type.
    pub kind: String,
    /// Location as `lsnim -l` shows it.
    pub location: String,
}

/// How a node's boot configuration is written anew.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// It was being installed by NIM: nimnodeset.
    Install,
    /// It has no disk: mkdsklsnode.
    Diskless,
    /// nodeset with this state.
    Nodeset(String),
}

/// Nodes in one state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// How it is restored.
    pub how: How,
    /// Image; empty where none belongs to the state.
    pub image: String,
    /// The nodes.
    pub nodes: Vec<String>,
}

/// Why a file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Cut or damaged.
    #[error("it is cut or damaged: its digest does not match")]
    Damaged,
    /// Another version of the file.
    #[error("it is of version {0}, not {VERSION}")]
    Version(u32),
}

/// The digest in its last line.
const MARK: &str = "sha256 ";

impl Deployment {
    /// The file's text: one line of JSON, one with its digest.
    pub fn to_text(&self) -> String {
        let json = serde_json::to_string(self).expect("plain data");
        let digest = Digest::of(json.as_bytes());
        format!("{json}\n{MARK}{digest}\n")
    }

    /// From the file's text.
    ///
    /// # Errors
    /// It is cut, damaged, or of another version.
    pub fn from_text(text: &str) -> Result<Self, Unusable> {
        let (json, digest) = text.trim_end().split_once('\n').ok_or(Unusable::Damaged)?;
        if digest.strip_prefix(MARK) != Some(&Digest::of(json.as_bytes()).to_string()) {
            return Err(Unusable::Damaged);
        }
        let value: serde_json::Value = serde_json::from_str(json).map_err(|_| Unusable::Damaged)?;
        let version = value.get("version").and_then(serde_json::Value::as_u64).unwrap_or(0);
        if version != u64::from(VERSION) {
            return Err(Unusable::Version(version.try_into().unwrap_or(0)));
        }
        serde_json::from_value(value).map_err(|_| Unusable::Damaged)
    }

    /// A resource by its name.
    pub fn resource(&self, name: &str) -> Option<&Resource> {
        self.resources.iter().find(|r| r.name == name)
    }

    /// Resources that the images name, each once (they may share them), in the order in which they are to be defined.
    pub fn wanted(&self) -> Vec<(String, String)> {
        let mut seen = BTreeSet::new();
        let all = self.images.iter().flat_map(|image| &image.resources);
        let mut all: Vec<_> = all.filter(|(_, name)| seen.insert(name.clone())).cloned().collect();
        all.sort_by_key(|(kind, _)| ORDER.iter().position(|k| k == kind));
        all
    }
}

/// Types of resources that an image may name (columns of `nimimage`), in the order of their definition. The procedure's list lacks
/// `bosinst_data`, `image_data`, `resolv_conf`, `mksysb` and `fb_script`.
const ORDER: &[&str] = &[
    "lpp_source",
    "spot",
    "mksysb",
    "bosinst_data",
    "image_data",
    "resolv_conf",
    "installp_bundle",
    "script",
    "fb_script",
    "root",
    "shared_root",
    "paging",
    "dump",
    "tmp",
    "home",
    "shared_home",
];

/// Attributes of a Linux image that are paths.
const PATHS: &[&str] = &[
    "pkgdir",
    "otherpkgdir",
    "pkglist",
    "otherpkglist",
    "template",
    "exlist",
    "postinstall",
    "rootimgdir",
    "synclists",
];

/// Images by `lsdef -t osimage -l`.
pub fn images(text: &str) -> Vec<Image> {
    let mut all: Vec<Image> = Vec::new();
    // Of each image: version, architecture, profile.
    let mut contents: Vec<[String; 3]> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.trim().strip_prefix("Object name:") {
            all.push(Image { name: name.trim().to_owned(), ..Image::default() });
            contents.push(Default::default());
            continue;
        }
        let (Some(image), Some(parts_of)) = (all.last_mut(), contents.last_mut()) else { continue };
        let Some((key, value)) = line.trim().split_once('=') else { continue };
        let parts = || value.split(',').map(str::trim).filter(|v| !v.is_empty());
        match key {
            "nimtype" => value.clone_into(&mut image.nim),
            "provmethod" => value.clone_into(&mut image.provmethod),
            "osvers" => value.clone_into(&mut parts_of[0]),
            "osarch" => value.clone_into(&mut parts_of[1]),
            "profile" => value.clone_into(&mut parts_of[2]),
            _ if ORDER.contains(&key) => {
                image.resources.extend(parts().map(|name| (key.to_owned(), name.to_owned())));
            }
            _ if PATHS.contains(&key) => {
                image.paths.extend(parts().filter(|p| p.starts_with('/')).map(str::to_owned));
            }
            _ => {}
        }
    }
    for (image, parts) in all.iter_mut().zip(contents) {
        if parts.iter().all(|part| !part.is_empty()) {
            image.content = parts.join("-");
        }
        // A machine without a disk boots from the SPOT; what it was made of is needed for a new one only.
        if image.nim != "standalone" {
            image.resources.retain(|(kind, _)| kind != "lpp_source");
        }
        if image.nim.is_empty() {
            image.resources.clear();
        } else {
            image.paths.clear();
        }
    }
    all
}

/// An object as `lsnim -l` shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Object {
    /// Name.
    pub name: String,
    attributes: Vec<(String, String)>,
}

impl Object {
    /// First value of an attribute.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// Objects by `lsnim -l`.
pub fn objects(text: &str) -> Vec<Object> {
    let mut all: Vec<Object> = Vec::new();
    for line in text.lines() {
        if !line.starts_with(char::is_whitespace) {
            all.extend(line.strip_suffix(':').map(|name| Object { name: name.to_owned(), attributes: Vec::new() }));
        } else if let (Some(object), Some((name, value))) = (all.last_mut(), line.split_once('=')) {
            object.attributes.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    all
}

/// Resources with a location among objects, without those that every master has.
pub fn resources(objects: &[Object]) -> Vec<Resource> {
    let of = |o: &Object| {
        let (kind, location) = (o.get("type")?, o.get("location")?);
        (o.get("reserved") != Some("yes") && ORDER.contains(&kind)).then(|| Resource {
            name: o.name.clone(),
            kind: kind.to_owned(),
            location: location.to_owned(),
        })
    };
    objects.iter().filter_map(of).collect()
}

/// Rows of `tabdump`: column to value. Values may hold commas and doubled quotes.
pub fn rows(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut lines = text.lines();
    let Some(heading) = lines.find_map(|l| l.strip_prefix('#')) else { return Vec::new() };
    let columns: Vec<&str> = heading.split(',').collect();
    lines.map(|line| columns.iter().map(|c| (*c).to_owned()).zip(cells(line)).collect()).collect()
}

fn cells(line: &str) -> Vec<String> {
    let (mut all, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => all.push(std::mem::take(&mut cell)),
            c => cell.push(c),
        }
    }
    all.push(cell);
    all
}

/// What nodes were to do at their next boot: by NIM for those that it knows, by xCAT's table `chain` for the others. Only what is known to
/// the letter is restored; the rest is left alone and named (trap 60).
pub fn boot(machines: &[Object], chain: &str, nodetype: &str, images: &[Image]) -> (Vec<Boot>, Vec<(String, String)>) {
    let provided: BTreeMap<String, String> =
        rows(nodetype).into_iter().filter_map(|mut r| Some((r.remove("node")?, r.remove("provmethod")?))).collect();
    let mut groups: BTreeMap<(How, String), Vec<String>> = BTreeMap::new();
    let mut left = Vec::new();
    let mut by_nim = BTreeSet::new();
    let known = |name: &str| images.iter().any(|i| i.name == name);
    for machine in machines {
        let kind = machine.get("type").unwrap_or_default();
        if !matches!(kind, "standalone" | "diskless" | "dataless") {
            continue;
        }
        by_nim.insert(machine.name.clone());
        let state = machine.get("Cstate").unwrap_or_default();
        let how = match (kind, state) {
            (_, "" | "ready for a NIM operation") => continue,
            ("standalone", "BOS installation has been enabled") => How::Install,
            ("diskless" | "dataless", _) => How::Diskless,
            _ => {
                left.push((machine.name.clone(), state.to_owned()));
                continue;
            }
        };
        // The image by its SPOT; two images of one SPOT are told apart by the database.
        let spot = machine.get("spot");
        let with_spot = |i: &&Image| i.resources.iter().any(|(k, n)| k == "spot" && Some(n.as_str()) == spot);
        let mut fits = images.iter().filter(with_spot);
        let image = match (fits.next(), fits.next()) {
            (Some(only), None) => Some(only.name.clone()),
            _ => provided.get(&machine.name).filter(|p| known(p)).cloned(),
        };
        match image {
            Some(image) => groups.entry((how, image)).or_default().push(machine.name.clone()),
            None => left.push((machine.name.clone(), state.to_owned())),
        }
    }
    for row in rows(chain) {
        let (Some(node), Some(state)) = (row.get("node"), row.get("currstate")) else { continue };
        if by_nim.contains(node) || state.is_empty() {
            continue;
        }
        let image = provided.get(node).and_then(|p| images.iter().find(|i| &i.name == p));
        let how = match image.filter(|image| is_of(state, image)) {
            _ if state == "boot" => (How::Nodeset("boot".into()), String::new()),
            Some(Image { name, .. }) => (How::Nodeset(format!("osimage={name}")), name.clone()),
            None => {
                left.push((node.clone(), state.clone()));
                continue;
            }
        };
        groups.entry(how).or_default().push(node.clone());
    }
    let boot = groups.into_iter().map(|((how, image), nodes)| Boot { how, image, nodes }).collect();
    (boot, left)
}

/// Whether a state of the table `chain` is that of a node that gets this image in the way in which the image is given. `nodeset osimage=`
/// does what the *image* says: of an image that is installed it would make a node install itself that only booted over the network.
fn is_of(state: &str, image: &Image) -> bool {
    let (word, what) = state.split_once(' ').unwrap_or((state, ""));
    let named = word.strip_prefix("osimage=").is_some_and(|name| name == image.name) && what.is_empty();
    let way = ["install", "netboot"].contains(&image.provmethod.as_str());
    way && (named || (word == image.provmethod && !image.content.is_empty() && what.trim() == image.content))
}

/// What nodes say of themselves (`nodelist.status`) before and while they are being installed. With any other word one is not.
const NOT_YET_INSTALLED: &[&str] =
    &["", "defined", "discovering", "discovered", "standingby", "powering-on", "installing"];

/// What is to be restored of a saved boot configuration at the time of a failover: what the last sync saw may be over by then, and to set
/// a node that has been installed since to be installed once more would cost its disk (trap 60). The database in service tells: its tables
/// `chain`, `nodetype` and `nodelist` came over with it. A node that was to be installed is set so only where nothing says that it was.
pub fn still_so(saved: &Deployment, chain: &str, nodetype: &str, nodelist: &str) -> (Vec<Boot>, Vec<(String, String)>) {
    let column = |table: &str, name: &str| -> BTreeMap<String, String> {
        rows(table).into_iter().filter_map(|mut r| Some((r.remove("node")?, r.remove(name)?))).collect()
    };
    let (status, provided) = (column(nodelist, "status"), column(nodetype, "provmethod"));
    // Who was in the table before; what is new since then was set by nobody that hamn knows of.
    let by_chain: BTreeSet<&String> =
        saved.boot.iter().filter(|b| matches!(b.how, How::Nodeset(_))).flat_map(|b| &b.nodes).collect();
    let (now, mut left) = boot(&[], chain, nodetype, &saved.images);
    left.retain(|(node, _)| by_chain.contains(node));
    left.extend(saved.left.iter().cloned());
    let by_nim = saved.boot.iter().filter(|b| !matches!(b.how, How::Nodeset(_)));
    let mut all = Vec::new();
    for group in by_nim.chain(&now) {
        let nim = !matches!(group.how, How::Nodeset(_));
        let image = saved.images.iter().find(|i| i.name == group.image);
        let installs = group.how == How::Install || image.is_some_and(|i| !nim && i.provmethod == "install");
        let mut nodes = Vec::new();
        for node in group.nodes.iter().filter(|node| nim || by_chain.contains(node)) {
            let other = provided.get(node).filter(|p| nim && !p.is_empty() && **p != group.image);
            match (status.get(node).map(String::as_str), other) {
                (None, _) => {} // There is no such node any more.
                (_, Some(other)) => left.push((node.clone(), format!("is to get {other} by now, not {}", group.image))),
                (Some(word), None) if installs && !NOT_YET_INSTALLED.contains(&word) => {
                    left.push((node.clone(), format!("was to be installed, and is {word} by now")));
                }
                _ => nodes.push(node.clone()),
            }
        }
        if !nodes.is_empty() {
            all.push(Boot { nodes, ..group.clone() });
        }
    }
    (all, left)
}
