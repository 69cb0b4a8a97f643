//! Why nothing takes over, for a person: what was seen of both, what can be decided, and the commands for it.

use journal_schema::{DatabaseRole, Fact, HadrRole, Tri};

use super::{
    advice::activate,
    takeover::{Side, View},
    told,
};
use crate::{Known, by_hand, model::NodeId, notes, step::next, table::Context, vocabulary::db2 as calls};

/// What forbids a takeover whatever else is so: both databases take writes, or the target's does already. `fresh`: everything that is
/// known, with the newest look at the target in it.
pub fn at_once(ctx: &Context<'_>, view: &View, fresh: &Known) -> Option<String> {
    let writes = |side: &Side| told::plain_role(side) == DatabaseRole::Primary;
    let primary = |side: &Side| side.role == HadrRole::Primary && side.active != Tri::No;
    if (writes(&view.target) || primary(&view.target)) && (writes(&view.other) || primary(&view.other)) {
        return Some(split_brain(ctx, view, fresh));
    }
    if !writes(&view.target) || view.target.role != HadrRole::Primary {
        return None;
    }
    let (name, address) = (&ctx.target().name, &ctx.pair.service.address);
    Some(if fresh.holds(name, address) == Tri::Yes {
        format!(
            "{name} is in service already: its database is PRIMARY already, and it holds {address}{}{}",
            next("hamn status", "shows the pair"),
            next("hamn run failback", "takes the other machine in again, and changes places with it")
        )
    } else {
        format!(
            "the database on {name} is PRIMARY already, and {name} does not hold {address}: somebody took over by hand, or a run stopped \
             half-way{}{}",
            next("hamn journal list", "an unfinished run is gone on with: hamn resume RUN"),
            next(
                &by_hand::as_owner(
                    ctx.target(),
                    ctx.pair.db2(),
                    &format!("db2pd -d {} -hadr", ctx.pair.db2().database)
                ),
                "otherwise: what it says of its partner; the rest of the way by hand is section 8.0 of the procedure, step 3 and on"
            )
        )
    })
}

/// Both are primaries. Who holds what, how far each has come, what a person can decide.
fn split_brain(ctx: &Context<'_>, view: &View, fresh: &Known) -> String {
    let target = ctx.request.target;
    let sides = [(target.other(), view.other), (target, view.target)];
    let seen = sides.map(|(id, side)| one_of_two(ctx, id, side, fresh)).join("; ");
    let mut text = format!(
        "both databases are PRIMARY, and hamn does not choose between them: what one has the other may lack. {seen}"
    );
    let db2 = ctx.pair.db2();
    let looks = format!("db2 {}; db2 \"SELECT COUNT(*) FROM NODELIST\"; db2 terminate", calls::connect(db2));
    let [first, second] = sides.map(|(id, _)| ctx.pair.node(id));
    text += &next(
        &by_hand::as_owner(first, db2, &looks.replace('"', "\\\"")),
        "compare what each holds: here, and the same on the other",
    );
    for (keep, lose) in [(first, second), (second, first)] {
        let leave = format!(
            "db2 {}; db2 {}; db2 {}; db2 terminate",
            calls::stop_hadr(db2),
            calls::FORCE_APPLICATIONS,
            calls::deactivate(db2)
        );
        text += &next(
            &by_hand::as_owner(lose, db2, &leave),
            &format!(
                "only if the copy of {} is the cluster's: that of {} leaves, and is overwritten by: hamn run setup --target {}",
                keep.name, lose.name, keep.name
            ),
        );
    }
    text
}

fn one_of_two(ctx: &Context<'_>, id: NodeId, side: Side, fresh: &Known) -> String {
    let (name, address) = (&ctx.pair.node(id).name, &ctx.pair.service.address);
    let log = match fresh.log(name) {
        Some(Fact::LogPosition { written: Some(byte), .. }) => format!("has written its log to byte {byte}"),
        _ => "does not say how far its log goes".to_owned(),
    };
    let word = |answer, yes, no| match answer {
        Tri::Yes => yes,
        Tri::No => no,
        Tri::Unknown => "perhaps",
    };
    let epoch = fresh.epoch(name).map_or("an unknown epoch".to_owned(), |epoch| format!("epoch {epoch}"));
    format!(
        "{name}: {}, {log}, {epoch}; holds {address}: {}; xcatd runs: {}",
        told::describe(&side),
        word(fresh.holds(name, address), "yes", "no"),
        word(fresh.service(name, "xcatd").0, "yes", "no"),
    )
}

/// A reason of [`super::takeover::permitted`] with what to type.
pub fn in_words(ctx: &Context<'_>, view: &View, fresh: &Known, why: &str) -> String {
    let (node, db2) = (ctx.target(), ctx.pair.db2());
    let name = &node.name;
    if view.managed {
        let by = NodeId::BOTH.into_iter().filter_map(|id| {
            let node = ctx.pair.node(id);
            let manager = fresh.setting(&node.name, notes::MANAGER).filter(|m| !m.is_empty())?;
            Some(format!("CLUSTER_MGR is {manager} on {}", node.name))
        });
        let by: Vec<String> = by.collect();
        return format!(
            "{name}: {why} ({}); DB2 refuses a takeover by anybody else (SQL1770N reason code 10){}{}",
            by.join(", "),
            next(&by_hand::as_root(node, "lssam"), "what the cluster manager is doing; let it take over"),
            next(
                &by_hand::as_owner(node, db2, "db2haicu -disable"),
                "or take HADR away from it, on both machines, before hamn is to do it"
            )
        );
    }
    match (view.target.role, view.target.active) {
        (HadrRole::Standby, Tri::No) => format!("{name}: {why}{}", activate(node, db2, true)),
        (HadrRole::Standard, _) => format!(
            "{name}: {why}{}",
            next("hamn run setup", "gives it the database of the machine in service, and ties the two together")
        ),
        _ => format!("{name}: {why}"),
    }
}

/// STOP HADR on a standby leaves it closed (SQL1117N), and no takeover is possible any more (trap 42). Whether it is to be opened is a
/// person's to say: what the other machine had written since is lost.
pub fn left_pair(ctx: &Context<'_>) -> String {
    let (db2, other) = (ctx.pair.db2(), &ctx.other().name);
    let open = format!("db2 {}; db2 terminate", calls::rollforward(db2));
    format!(
        "somebody stopped HADR on this standby, and a roll-forward is pending (SQL1117N){}{}",
        next(
            &format!("hamn run setup --target {other}"),
            &format!("only if {other} serves: makes this one a standby again")
        ),
        next(
            &by_hand::as_owner(ctx.target(), db2, &open),
            &format!("only if {other} is proven off: opens it with what it had received, and can be done once only")
        )
    )
}

/// What makes the two databases no pair by their own parameters; `None`: nothing that is known.
pub fn mismatch(ctx: &Context<'_>, fresh: &Known) -> Option<String> {
    let (db2, hadr) = (ctx.pair.db2(), &ctx.pair.db2().hadr);
    let configured = [
        ("HADR_SYNCMODE", hadr.sync_mode.name().to_owned()),
        ("HADR_TIMEOUT", hadr.timeout_s.to_string()),
        ("HADR_PEER_WINDOW", hadr.peer_window_s.to_string()),
    ];
    configured.iter().find_map(|(parameter, wanted)| {
        let of = |id| fresh.setting(&ctx.pair.node(id).name, parameter);
        let (target, other) = (ctx.request.target, ctx.request.target.other());
        let (here, there) = (of(target)?, of(other)?);
        if here == there {
            return None;
        }
        let advice = [target, other].into_iter().filter(|id| of(*id) != Some(wanted.as_str())).map(|id| {
            let update = format!("db2 {}; db2 terminate", calls::set_config(db2, parameter, wanted));
            next(
                &by_hand::as_owner(ctx.pair.node(id), db2, &update),
                "the value of hamn.toml; it counts from the database's next activation",
            )
        });
        Some(format!(
            "{parameter} is {here} on {} and {there} on {}: the two must be equal{}",
            ctx.pair.node(target).name,
            ctx.pair.node(other).name,
            advice.collect::<String>()
        ))
    })
}
