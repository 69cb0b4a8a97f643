//! What answers on the wire, seen from the machine that is to take over. It is shown and decides nothing: silence is no proof (trap 2).

use journal_schema::{Channel, Fact, Tri};

use super::{
    Batch, cluster_addresses, judge,
    read::{self, Arp},
    target,
};
use crate::{
    script::Output,
    step::{Judgement, Step},
    table::Context,
    vocabulary,
};

/// What answers on the wire, seen from the target: the other machine's own addresses, its database, the service address.
pub fn look(ctx: &Context<'_>) -> Vec<Step> {
    let (name, prober) = (ctx.other().name.clone(), ctx.target().name.clone());
    let interface = &ctx.target().interface;
    let mut batch = Batch::default();
    let carrier = batch.look(vocabulary::carrier(interface));
    let own: Vec<(usize, String)> = cluster_addresses(ctx, ctx.request.target.other())
        .into_iter()
        .map(|a| (batch.look(vocabulary::arp_ask(a, interface)), a.to_owned()))
        .collect();
    // A dead machine costs each of these looks its whole patience: a step each, so that they wait beside each other.
    let mut database = Batch::default();
    let ports: Vec<usize> = ctx
        .other()
        .addresses
        .iter()
        .map(|a| database.look(vocabulary::database_answers(ctx.pair.postgres(), a)))
        .collect();
    let fact = {
        let prober = prober.clone();
        move |address: &str, arp: &Arp| {
            match arp {
                Arp::Silence => Some(None),
                Arp::Answered(mac) => Some(Some(mac.clone())),
                Arp::Unknown => None,
            }
            .map(|by| Fact::AddressProbe {
                node: prober.clone(),
                address: address.to_owned(),
                answered_by: by,
            })
        }
    };
    let wire = judge({
        let fact = fact.clone();
        let name = name.clone();
        move |output: &Output| {
            let up = read::line(output.at(carrier)) == Some("up");
            let arps: Vec<Arp> = own.iter().map(|(at, _)| asked(up, output.at(*at))).collect();
            let mut facts: Vec<Fact> = own.iter().zip(&arps).filter_map(|((_, a), arp)| fact(a, arp)).collect();
            let arp = any(arps.iter().map(|a| match a {
                Arp::Answered(_) => Tri::Yes,
                Arp::Silence => Tri::No,
                Arp::Unknown => Tri::Unknown,
            }));
            facts.push(Fact::Answers { node: name.clone(), channel: Channel::Arp, answer: arp });
            Judgement::succeeded(format!("{name} {} ARP", says(arp)), facts)
        }
    });
    let port = judge({
        let name = name.clone();
        move |output: &Output| {
            let answer = any(ports.iter().map(|at| match output.at(*at).exit {
                Some(0 | 1) => Tri::Yes,
                Some(2) => Tri::No,
                _ => Tri::Unknown,
            }));
            let fact = Fact::Answers { node: name.clone(), channel: Channel::Database, answer };
            Judgement::succeeded(format!("the database of {name} {} clients", says(answer)), vec![fact])
        }
    });
    let address = ctx.pair.service.address.clone();
    let service = super::look(vocabulary::carrier(interface)).look(vocabulary::arp_ask(&address, interface));
    let seen = judge(move |output: &Output| {
        let arp = asked(read::line(output.at(0)) == Some("up"), output.at(1));
        let why = match &arp {
            Arp::Silence => format!("nobody answers for {address}"),
            Arp::Answered(mac) => format!("{mac} answers for {address}"),
            Arp::Unknown => format!("who answers for {address} could not be asked"),
        };
        Judgement::succeeded(why, fact(&address, &arp).into_iter().collect())
    });
    let steps = [
        Step::observe("observe.wire", format!("does {name} answer on the wire"), target(ctx), batch.script(), wire),
        Step::observe(
            "observe.database",
            format!("does the database of {name} answer"),
            target(ctx),
            database.script(),
            port,
        ),
        Step::observe("observe.address", "who answers for the service address", target(ctx), service, seen),
    ];
    steps.into_iter().map(|s| Step { optional: true, traps: &[2, 8, 13], ..s }).collect()
}

/// What an answer is, in a sentence before whom it is given to.
fn says(answer: Tri) -> &'static str {
    match answer {
        Tri::Yes => "answers",
        Tri::No => "does not answer",
        Tri::Unknown => "may or may not answer",
    }
}

/// Silence on a dead line is no answer.
fn asked(carrier: bool, r: &crate::ActionResult) -> Arp {
    match read::arp(r, 1) {
        Arp::Silence if !carrier => Arp::Unknown,
        arp => arp,
    }
}

/// Yes if any is; no if all are no.
fn any(answers: impl Iterator<Item = Tri>) -> Tri {
    let all: Vec<Tri> = answers.collect();
    if all.contains(&Tri::Yes) {
        Tri::Yes
    } else if all.is_empty() || all.contains(&Tri::Unknown) {
        Tri::Unknown
    } else {
        Tri::No
    }
}
