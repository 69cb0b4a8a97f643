//! Fence devices as the controller meets them: fence agents, fence commands, `ipmitool mc guid`.

use workflows::{
    Command, Place, Stdin,
    model::{Fence, NodeId},
    script::StdinPart,
};

use super::{Ran, World, fault::Lie, index};

/// What the password files of the devices hold: whoever sees it anywhere else has found a secret that is none any more.
pub const SECRET: &str = "the-devices-own-word";

/// A machine's BMC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) reachable: bool,
    pub(super) lie: Lie,
    /// Its address leads to the device of a machine that is not of the pair.
    pub(super) foreign: bool,
    pub(super) foreign_power: bool,
    /// [`Lie::OffOnce`]: the next `status` lies.
    pub(super) lies_next: bool,
}

impl Default for Device {
    fn default() -> Self {
        Self { reachable: true, lie: Lie::None, foreign: false, foreign_power: true, lies_next: false }
    }
}

const UNREACHED_MS: u64 = 5_000;

impl World {
    /// If the command is a fence device's, what it does.
    pub(super) fn fence_call(&mut self, command: &Command) -> Option<Ran> {
        for id in NodeId::BOTH {
            let fixed = self.fixed.clone();
            match &fixed.pair.node(id).fence {
                Fence::Agent { agent, options, password_file, guid } => {
                    if command.argv[0] == *agent
                        && let Some(action) = agent_action(command, options)
                    {
                        return Some(match self.secrets(command) {
                            Err(path) => Ran::failed(1, format!("cat: {path}: No such file or directory\n"), 2),
                            Ok(()) => self.device(id, &action, false),
                        });
                    }
                    if command.argv[0] == "ipmitool"
                        && command.argv.ends_with(&["mc".to_owned(), "guid".to_owned()])
                        && same_device(&command.argv, options)
                    {
                        if let Some(path) = password_file
                            && self.controller.get(path).is_none()
                        {
                            return Some(Ran::failed(1, format!("Unable to open password file {path}\n"), 2));
                        }
                        let device = &self.devices[index(id)];
                        if !device.reachable {
                            return Some(Ran::failed(
                                1,
                                "Error: Unable to establish IPMI v2 / RMCP+ session\n",
                                UNREACHED_MS,
                            ));
                        }
                        let guid = if device.foreign { None } else { guid.as_deref() };
                        let guid = guid.unwrap_or("deadbeef-0000-0000-0000-000000000000");
                        return Some(Ran::ok(format!("System GUID  : {guid}\n"), 60));
                    }
                }
                Fence::Command { argv, identity } => {
                    if command.argv.len() == argv.len() + 1 && command.argv.starts_with(argv) {
                        let action = command.argv.last().map_or("", String::as_str);
                        if action == "identity" {
                            let device = &self.devices[index(id)];
                            if !device.reachable {
                                return Some(Ran::failed(1, "no answer from the device\n", UNREACHED_MS));
                            }
                            let known = identity.as_deref().filter(|_| !device.foreign);
                            return Some(Ran::ok(format!("{}\n", known.unwrap_or("another machine")), 60));
                        }
                        return Some(self.device(id, action, true));
                    }
                }
                Fence::Attestation => {}
            }
        }
        None
    }

    /// Whether the files of all secrets on the standard input are there.
    fn secrets(&self, command: &Command) -> Result<(), String> {
        let Stdin::Parts(parts) = &command.stdin else { return Ok(()) };
        for part in parts {
            if let StdinPart::SecretFile(path) = part
                && self.files(Place::Controller).get(path).is_none()
            {
                return Err(path.clone());
            }
        }
        Ok(())
    }

    fn device(&mut self, id: NodeId, action: &str, plain: bool) -> Ran {
        let device = &mut self.devices[index(id)];
        if !device.reachable {
            let text = "Failed: Unable to obtain correct plug status or plug is not available\n";
            return Ran::failed(1, text, UNREACHED_MS);
        }
        let on = if device.foreign { device.foreign_power } else { self.machines[index(id)].power };
        match action {
            "status" => {
                let lying = std::mem::take(&mut device.lies_next);
                let on = on && !lying;
                if !on && !device.foreign {
                    self.m_mut(id).off_reports += 1;
                }
                match (plain, on) {
                    (true, on) => Ran::ok(if on { "on\n" } else { "off\n" }, 60),
                    (false, true) => Ran::ok("Status: ON\n", 60),
                    (false, false) => Ran::ok("Status: OFF\n", 60).exit(2),
                }
            }
            "off" | "on" => {
                let want = action == "on";
                let word = if want { "ON" } else { "OFF" };
                if on == want {
                    return Ran::ok(format!("Success: Already {word}\n"), 60);
                }
                match device.lie {
                    _ if device.foreign => {
                        device.foreign_power = want;
                        self.violation(11, &format!("a machine that is not of the pair was powered {action}"));
                    }
                    Lie::OffDoesNothing if !want => {}
                    Lie::OffOnce if !want => device.lies_next = true,
                    _ => {
                        self.charge(Place::Controller, action);
                        self.effect(if want { "power-on" } else { "power-off" }, id, "");
                        self.power(id, want);
                    }
                }
                Ran::ok(format!("Success: Powered {word}\n"), 1_200)
            }
            other => Ran::failed(1, format!("Failed: Unrecognised action '{other}'\n"), 60),
        }
    }
}

/// The action of an agent's call if its options are those of this device.
fn agent_action(command: &Command, options: &[(String, String)]) -> Option<String> {
    let Stdin::Parts(parts) = &command.stdin else { return None };
    let lines =
        || parts.iter().filter_map(|p| if let StdinPart::Text(text) = p { Some(text.trim_end()) } else { None });
    let has = |key: &str, value: &str| lines().any(|l| l.split_once('=') == Some((key, value)));
    options.iter().all(|(key, value)| has(key, value)).then_some(())?;
    lines().find_map(|l| l.strip_prefix("action=")).map(str::to_owned)
}

/// Whether an `ipmitool` call goes to the device of these options.
fn same_device(argv: &[String], options: &[(String, String)]) -> bool {
    let option = |names: &[&str]| options.iter().find(|(k, _)| names.contains(&k.as_str())).map(|(_, v)| v.as_str());
    let given = |flag: &str| argv.iter().position(|a| a == flag).and_then(|i| argv.get(i + 1)).map(String::as_str);
    given("-H") == option(&["ip", "ipaddr"]) && given("-p") == option(&["ipport", "port"])
}
