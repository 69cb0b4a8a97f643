//! Which machine is meant.

use std::fs;

use workflows::{
    Workflow,
    model::{Flavour, NodeId},
    registry,
};

use super::{Exit, Trouble};
use crate::config::Config;

/// The workflow of that name for that kind of database.
pub(super) fn workflow(flavour: Flavour, name: &str) -> Result<Workflow, Trouble> {
    registry::by_name(flavour, name).ok_or_else(|| {
        let names: Vec<&str> = registry::of(flavour).iter().map(|w| w.name).collect();
        Trouble::new(Exit::Usage, format!("there is no workflow {name:?} for a pair with {}", flavour.name()))
            .detail(format!("there are: {}", names.join(", ")))
            .next("what each is for: hamn workflow list")
    })
}

/// The machine that is to be in service: the one named, or the one of the pair that this program runs on.
pub(super) fn target(config: &Config, given: Option<&str>) -> Result<NodeId, Trouble> {
    let [a, b] = config.pair.nodes.each_ref().map(|n| n.name.as_str());
    match given {
        Some(name) => config.pair.by_name(name).ok_or_else(|| {
            Trouble::refused(format!("there is no machine {name:?} in the pair"))
                .detail(format!("machines of {}: {a}, {b} (their fixed names, not host names)", config.pair.name))
                .next(format!("--target {a} or --target {b}: the machine that is to be in service afterwards"))
        }),
        None => here(config).ok_or_else(|| {
            Trouble::refused("it is not said which machine is to be in service")
                .detail(format!("this machine is neither {a} nor {b}, so it cannot be guessed"))
                .next(format!("--target {a} or --target {b}"))
        }),
    }
}

/// The machine of the pair that this program runs on, by its machine-id.
pub(super) fn here(config: &Config) -> Option<NodeId> {
    let id = fs::read_to_string("/etc/machine-id").ok()?;
    NodeId::BOTH.into_iter().find(|n| config.pair.node(*n).machine_id == id.trim())
}
