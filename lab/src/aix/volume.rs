//! lsvg, varyonvg, varyoffvg. 0516-306: *captured*; 0516-010, -012, -013, -052, -942: *memory*.

use super::{Kernel, Reply, VolumeGroup, has, options};

fn unknown(command: &str, name: &str) -> Reply {
    Reply::failed(
        1,
        "",
        format!(
            "0516-306 {command}: Unable to find volume group {name} in the Device\n        Configuration Database.\n"
        ),
    )
}

/// `lsvg`, `lsvg -o`, `lsvg NAME`.
pub(super) fn lsvg(args: &[&str], kernel: &dyn Kernel) -> Reply {
    let Ok((found, words)) = options(args, "n", "oilpLM") else {
        return Reply::failed(1, "", "Usage: lsvg [-o] [-n PVname] | lsvg [-i] [-M|-l|-p] vgname...\n");
    };
    let all = &kernel.odm().volume_groups;
    let Some(name) = words.first() else {
        let shown = all.iter().filter(|g| g.active || !has(&found, 'o'));
        return Reply::ok(shown.fold(String::new(), |text, g| text + &g.name + "\n"));
    };
    let Some(group) = all.iter().find(|g| g.name == *name) else { return unknown("lsvg", name) };
    if !group.active {
        return Reply::failed(1, "", "0516-010 : Volume group must be varied on; use varyonvg command.\n");
    }
    let auto = if group.at_boot { "yes" } else { "no" };
    Reply::ok(format!(
        "VOLUME GROUP:       {name:<24} VG IDENTIFIER:  00{}00004c000000012a\nVG STATE:           active                   PP SIZE:        64 megabyte(s)\nVG PERMISSION:      read/write               TOTAL PPs:      542 (34688 megabytes)\nAUTO ON:            {auto}\n",
        &kernel.odm().machine[2..8].to_lowercase()
    ))
}

fn change(
    command: &str,
    args: &[&str],
    kernel: &mut dyn Kernel,
    act: impl Fn(&mut VolumeGroup, bool) -> Option<String>,
) -> Reply {
    let Ok((found, words)) = options(args, "Mk", "bcfnprstudoO") else {
        return Reply::failed(1, "", format!("Usage: {command} [-f] volumegroup\n"));
    };
    let Some(name) = words.first() else {
        return Reply::failed(1, "", format!("Usage: {command} [-f] volumegroup\n"));
    };
    kernel.elapse(800);
    let Some(group) = kernel.odm_mut().volume_groups.iter_mut().find(|g| g.name == *name) else {
        return unknown(command, name);
    };
    act(group, has(&found, 'f')).map_or_else(|| Reply::ok(""), |text| Reply::failed(1, "", text))
}

/// `varyonvg [-f] NAME`. With `-f` it takes disks that another machine holds (trap 53).
pub(super) fn varyonvg(args: &[&str], kernel: &mut dyn Kernel) -> Reply {
    change("varyonvg", args, kernel, |group, force| {
        if group.reserved && !force {
            return Some(
                "0516-013 varyonvg: The volume group cannot be varied on because\n        there are no good copies of the descriptor area.\n".into(),
            );
        }
        group.active = true;
        None
    })
}

/// `varyoffvg NAME`.
pub(super) fn varyoffvg(args: &[&str], kernel: &mut dyn Kernel) -> Reply {
    change("varyoffvg", args, kernel, |group, _| {
        if group.busy {
            return Some(format!(
                "0516-012 lvaryoffvg: Logical volume must be closed.  If the logical\n        volume contains a filesystem, the umount command will close\n        the LV device.\n0516-942 varyoffvg: Unable to vary off volume group {}.\n",
                group.name
            ));
        }
        group.active = false;
        None
    })
}
