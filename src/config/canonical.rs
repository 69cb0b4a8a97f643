//! The effective configuration as TOML: every value spelled out, no secrets. What the journal keeps and `hamn config show` prints.
//! Read again it gives the same configuration.

use std::fmt::Write as _;

use workflows::model::Fence;

use super::Config;

fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn list(items: &[String]) -> String {
    format!("[{}]", items.iter().map(|i| quote(i)).collect::<Vec<_>>().join(", "))
}

/// The TOML text.
pub(super) fn to_toml(config: &Config) -> String {
    let mut t = String::new();
    write(&mut t, config).expect("a String takes everything");
    t
}

fn write(t: &mut String, config: &Config) -> std::fmt::Result {
    let (pair, local) = (&config.pair, &config.local);
    writeln!(t, "name = {}", quote(&pair.name))?;
    let s = &pair.service;
    writeln!(t, "\n[service]\nhost_name = {}", quote(&s.host_name))?;
    writeln!(t, "standby_host_name = {}", quote(&s.standby_host_name))?;
    writeln!(t, "address = {}\nprefix = {}", quote(&s.address), s.prefix)?;
    for (letter, node) in ["a", "b"].iter().zip(&pair.nodes) {
        writeln!(t, "\n[nodes.{letter}]\nname = {}", quote(&node.name))?;
        writeln!(t, "addresses = {}", list(&node.addresses))?;
        writeln!(t, "ssh_port = {}\nssh_user = {}", node.ssh_port, quote(&node.ssh_user))?;
        writeln!(t, "host_keys = {}", list(&node.host_keys))?;
        writeln!(t, "machine_id = {}\ninterface = {}", quote(&node.machine_id), quote(&node.interface))?;
        writeln!(t, "\n[nodes.{letter}.fence]")?;
        match &node.fence {
            Fence::Agent { agent, options, password_file, guid } => {
                writeln!(t, "kind = \"agent\"\nagent = {}", quote(agent))?;
                for (key, value) in [("password_file", password_file), ("guid", guid)] {
                    if let Some(value) = value {
                        writeln!(t, "{key} = {}", quote(value))?;
                    }
                }
                writeln!(t, "\n[nodes.{letter}.fence.options]")?;
                for (key, value) in options {
                    writeln!(t, "{key} = {}", quote(value))?;
                }
            }
            Fence::Command { argv, identity } => {
                writeln!(t, "kind = \"command\"\nargv = {}", list(argv))?;
                if let Some(identity) = identity {
                    writeln!(t, "identity = {}", quote(identity))?;
                }
            }
            Fence::Attestation => writeln!(t, "kind = \"attestation\"")?,
        }
    }
    for w in &pair.witnesses {
        writeln!(t, "\n[[witnesses]]\nname = {}\naddresses = {}", quote(&w.name), list(&w.addresses))?;
        writeln!(t, "ssh_port = {}\nssh_user = {}", w.ssh_port, quote(&w.ssh_user))?;
        writeln!(t, "host_keys = {}", list(&w.host_keys))?;
    }
    let d = &pair.database;
    writeln!(t, "\n[database]\nlayout = \"custom\"")?;
    writeln!(t, "database = {}\nuser = {}\nport = {}", quote(&d.database), quote(&d.user), d.port)?;
    writeln!(t, "os_user = {}\ndata_dir = {}", quote(&d.os_user), quote(&d.data_dir))?;
    writeln!(t, "config_dir = {}\nbin_dir = {}", quote(&d.config_dir), quote(&d.bin_dir))?;
    writeln!(t, "control = {}\nclient_network = {}", list(&d.control), quote(&d.client_network))?;
    let x = &pair.xcat;
    writeln!(t, "\n[xcat]\nroot = {}\ncfgloc = {}\ncontrol = {}", quote(&x.root), quote(&x.cfgloc), list(&x.control))?;
    writeln!(t, "dns = {}\ndhcp = {}\nconserver = {}", x.dns, x.dhcp, x.conserver)?;
    writeln!(t, "call_timeout_s = {}\nmin_nodes_percent = {}", x.call_timeout_s, x.min_nodes_percent)?;
    writeln!(t, "\n[hamn]\nstate_dir = {}", quote(&local.state_dir.display().to_string()))?;
    writeln!(t, "node_dir = {}", quote(&pair.node_dir))?;
    if let Some(file) = &local.identity_file {
        writeln!(t, "identity_file = {}", quote(&file.display().to_string()))?;
    }
    writeln!(t, "connect_timeout_s = {}\npatience_s = {}", local.connect_timeout_s, local.patience_s)?;
    writeln!(t, "max_clock_offset_ms = {}", pair.max_clock_offset_ms)
}
