//! The effective configuration as TOML: every value spelled out, no secrets. What the journal keeps and `hamn config show` prints.
//! Read again it gives the same configuration.

use std::fmt::Write as _;

use workflows::model::{AfterTakeover, Database, Db2, Fence, NimResources, Platform, Postgres};

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
    optional(t, &[("standby_address", &s.standby_address), ("gateway", &s.gateway)])?;
    for (letter, node) in ["a", "b"].iter().zip(&pair.nodes) {
        writeln!(t, "\n[nodes.{letter}]\nname = {}", quote(&node.name))?;
        writeln!(t, "addresses = {}", list(&node.addresses))?;
        writeln!(t, "ssh_port = {}\nssh_user = {}", node.ssh_port, quote(&node.ssh_user))?;
        writeln!(t, "host_keys = {}", list(&node.host_keys))?;
        writeln!(t, "platform = {}", quote(platform(node.platform)))?;
        writeln!(t, "machine_id = {}\ninterface = {}", quote(&node.machine_id), quote(&node.interface))?;
        writeln!(t, "\n[nodes.{letter}.fence]")?;
        match &node.fence {
            Fence::Agent { agent, options, password_file, guid } => {
                writeln!(t, "kind = \"agent\"\nagent = {}", quote(agent))?;
                optional(t, &[("password_file", password_file), ("guid", guid)])?;
                writeln!(t, "\n[nodes.{letter}.fence.options]")?;
                for (key, value) in options {
                    writeln!(t, "{key} = {}", quote(value))?;
                }
            }
            Fence::Command { argv, identity } => {
                writeln!(t, "kind = \"command\"\nargv = {}", list(argv))?;
                optional(t, &[("identity", identity)])?;
            }
            Fence::Attestation => writeln!(t, "kind = \"attestation\"")?,
        }
    }
    for w in &pair.witnesses {
        writeln!(t, "\n[[witnesses]]\nname = {}\naddresses = {}", quote(&w.name), list(&w.addresses))?;
        writeln!(t, "ssh_port = {}\nssh_user = {}", w.ssh_port, quote(&w.ssh_user))?;
        writeln!(t, "host_keys = {}\nservice_node = {}", list(&w.host_keys), w.service_node)?;
    }
    match &pair.database {
        Database::Postgres(d) => postgres(t, d)?,
        Database::Db2(d) => db2(t, d)?,
    }
    let x = &pair.xcat;
    writeln!(t, "\n[xcat]\nroot = {}\ncfgloc = {}", quote(&x.root), quote(&x.cfgloc))?;
    if !x.control.is_empty() {
        writeln!(t, "control = {}", list(&x.control))?;
    }
    writeln!(t, "dns = {}\ndhcp = {}\nconserver = {}", x.dns, x.dhcp, x.conserver)?;
    writeln!(t, "call_timeout_s = {}\nmin_nodes_percent = {}", x.call_timeout_s, x.min_nodes_percent)?;
    if let Some(n) = &pair.nim {
        let resources = match n.resources {
            NimResources::Define => "define",
            NimResources::Hanim => "hanim",
        };
        writeln!(t, "\n[nim]\nresources = {}\ndevice = {}", quote(resources), quote(&n.device))?;
        writeln!(t, "file_system = {}\nspot_timeout_s = {}", quote(&n.file_system), n.spot_timeout_s)?;
    }
    writeln!(t, "\n[hamn]\nstate_dir = {}", quote(&local.state_dir.display().to_string()))?;
    writeln!(t, "node_dir = {}", quote(&pair.node_dir))?;
    if let Some(file) = &local.identity_file {
        writeln!(t, "identity_file = {}", quote(&file.display().to_string()))?;
    }
    writeln!(t, "connect_timeout_s = {}\npatience_s = {}", local.connect_timeout_s, local.patience_s)?;
    writeln!(t, "max_clock_offset_ms = {}", pair.max_clock_offset_ms)
}

fn optional(t: &mut String, keys: &[(&str, &Option<String>)]) -> std::fmt::Result {
    for (key, value) in keys {
        if let Some(value) = value {
            writeln!(t, "{key} = {}", quote(value))?;
        }
    }
    Ok(())
}

fn platform(platform: Platform) -> &'static str {
    match platform {
        Platform::Linux => "linux",
        Platform::Aix => "aix",
    }
}

fn postgres(t: &mut String, d: &Postgres) -> std::fmt::Result {
    writeln!(t, "\n[database]\nkind = \"postgresql\"\nlayout = \"custom\"")?;
    writeln!(t, "database = {}\nuser = {}\nport = {}", quote(&d.database), quote(&d.user), d.port)?;
    writeln!(t, "os_user = {}\ndata_dir = {}", quote(&d.os_user), quote(&d.data_dir))?;
    writeln!(t, "config_dir = {}\nbin_dir = {}", quote(&d.config_dir), quote(&d.bin_dir))?;
    writeln!(t, "control = {}\nclient_network = {}", list(&d.control), quote(&d.client_network))
}

fn db2(t: &mut String, d: &Db2) -> std::fmt::Result {
    writeln!(t, "\n[database]\nkind = \"db2\"\ndatabase = {}\ninstance = {}", quote(&d.database), quote(&d.instance))?;
    writeln!(t, "home = {}\nport = {}\nbackup_dir = {}", quote(&d.home), d.port, quote(&d.backup_dir))?;
    let h = &d.hadr;
    writeln!(t, "\n[database.hadr]")?;
    for (letter, service) in ["a", "b"].iter().zip(&h.services) {
        writeln!(t, "service_{letter} = {}\nport_{letter} = {}", quote(&service.name), service.port)?;
    }
    writeln!(t, "sync_mode = {}", quote(&h.sync_mode.name().to_ascii_lowercase()))?;
    writeln!(t, "timeout_s = {}\npeer_window_s = {}", h.timeout_s, h.peer_window_s)?;
    let after = match h.after_takeover {
        AfterTakeover::Keep => "keep",
        AfterTakeover::Stop => "stop",
    };
    writeln!(t, "after_takeover = {}", quote(after))
}
