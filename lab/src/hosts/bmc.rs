//! The BMCs: `ipmi_sim` for each management node, in a namespace that outlives the machine's power.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use crate::process;

use super::{
    LabError, Result,
    machine::{Machine, bmc_address, bmc_name},
    name::hash,
    net::Network,
    shell::start_detached,
};

/// User of the BMCs.
pub const USER: &str = "admin";
/// Their password.
pub const PASSWORD: &str = "fence";

/// Where the password of a BMC is, on the machines where hamn may run.
pub fn password_file(machine: Machine) -> String {
    format!("/etc/hamn/{}.password", bmc_name(machine))
}

/// GUID of a BMC as `ipmitool … mc guid` of Debian 12 prints it.
pub(crate) fn guid(prefix: &str, machine: Machine) -> String {
    // ipmitool guesses the order of the bytes from the digit that tells the version, in this order of bytes the 1 of 1100; the zeros
    // make it no version in any other.
    let first = if machine == Machine::Mn2 { 2 } else { 1 };
    format!("0{first}665544-3322-1100-0000-0000{:08x}", hash(prefix) as u32)
}

/// The bytes of a GUID as the BMC sends them: the last one first.
fn wire(guid: &str) -> String {
    let digits: Vec<char> = guid.chars().filter(|c| *c != '-').collect();
    digits.chunks(2).rev().flatten().collect()
}

/// Writes the configuration and starts the simulator.
pub(crate) fn start(dir: &Path, program: &Path, network: &Network, machine: Machine, guid: &str) -> Result<()> {
    let name = bmc_name(machine);
    let here = dir.join(name);
    let make = |path: &Path, text: &str, mode: u32| {
        fs::write(path, text)
            .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
            .map_err(|e| LabError::file("write", path, &e))
    };
    fs::create_dir_all(here.join("state")).map_err(|e| LabError::file("make", &here, &e))?;
    let power = here.join("power");
    // bash: its descriptors may have two digits. The simulator leaves its sockets open in what it starts.
    make(
        &power,
        &format!(
            "#!/bin/bash\nfor fd in /proc/$$/fd/*; do\n    fd=${{fd##*/}}\n    if [ \"$fd\" -gt 2 ] && [ \"$fd\" -lt 200 ]; then eval \"exec $fd>&-\"; fi\ndone\n\
             exec {} standin bmc {} {machine} \"$@\" 2>>{}\n",
            program.display(),
            dir.display(),
            here.join("power.log").display()
        ),
        0o700,
    )?;
    let auth = "none md2 md5 straight";
    make(
        &here.join("lan.conf"),
        &format!(
            "name \"{name}\"\nstartlan 1\n  addr {address} 623\n  priv_limit admin\n  allowed_auths_callback {auth}\n  \
             allowed_auths_user {auth}\n  allowed_auths_operator {auth}\n  allowed_auths_admin {auth}\n  guid {guid}\nendlan\n\
             chassis_control \"{power}\"\nuser 1 false \"\" \"none\" user 10 {auth}\nuser 2 true \"{USER}\" \"{PASSWORD}\" admin 10 {auth}\n",
            address = bmc_address(machine),
            power = power.display(),
            guid = wire(guid),
        ),
        0o600,
    )?;
    make(
        &here.join("lan.emu"),
        "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\nmc_enable 0x20\n",
        0o600,
    )?;
    let namespace = network.of_bmc(machine);
    let log = fs::File::create(here.join("log")).map_err(|e| LabError::file("write", &here, &e))?;
    let text = |p: &Path| p.display().to_string();
    let argv = [
        format!("--net={}", text(&namespace)),
        "--".into(),
        "setsid".into(),
        "--fork".into(),
        "ipmi_sim".into(),
        "-c".into(),
        text(&here.join("lan.conf")),
        "-f".into(),
        text(&here.join("lan.emu")),
        "-s".into(),
        text(&here.join("state")),
        "-n".into(),
    ];
    start_detached("nsenter", &argv, log)?;
    // It has no sign of readiness but its socket.
    let listens = || {
        process::in_namespace(&namespace)
            .iter()
            .any(|p| fs::read_to_string(format!("/proc/{}/net/udp", p.pid)).is_ok_and(|t| t.contains(":026F ")))
    };
    if process::poll(process::PATIENCE, listens) {
        return Ok(());
    }
    Err(LabError::too_late(
        format!("The BMC {name} does not come up."),
        fs::read_to_string(here.join("log")).unwrap_or_default(),
    ))
}
