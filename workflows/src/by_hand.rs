//! Lines for a person's shell on the machine where hamn runs.

use crate::model::{Db2, Node};

/// Commands on a machine, as the owner of the instance.
pub fn as_owner(node: &Node, db2: &Db2, commands: &str) -> String {
    format!("{} \"su - {} -c '{commands}'\"", ssh(node), db2.instance)
}

/// A command on a machine, as root.
pub fn as_root(node: &Node, command: &str) -> String {
    format!("{} {command}", ssh(node))
}

fn ssh(node: &Node) -> String {
    let port = if node.ssh_port == 22 { String::new() } else { format!(" -p {}", node.ssh_port) };
    format!("ssh{port} {}@{}", node.ssh_user, node.addresses.first().map_or("", String::as_str))
}
