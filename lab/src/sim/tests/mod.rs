//! The simulated pair against what is known of the real one.

mod aix;
mod commands;
mod database;
mod db2;
mod failover;
mod faults;
mod files;

use std::borrow::Borrow;

use workflows::{
    Action, ActionResult, Command, Place,
    model::{NodeId, Pair},
    vocabulary::{self, sql},
};

use super::World;

pub(super) const A: NodeId = NodeId::A;
pub(super) const B: NodeId = NodeId::B;
pub(super) const SERVICE: &str = "10.77.0.10";

pub(super) fn pair() -> Pair {
    crate::sample::pair()
}

pub(super) fn world() -> World {
    World::healthy(&pair())
}

/// Runs a command at a place that is up.
pub(super) fn at(world: &mut World, place: Place, command: Command) -> ActionResult {
    world.exec_action(place, &Action::Run(command)).expect("the machine is up")
}

pub(super) fn on(world: &mut World, id: NodeId, command: Command) -> ActionResult {
    at(world, Place::Node(id), command)
}

pub(super) fn act(world: &mut World, id: NodeId, action: impl Borrow<Action>) -> ActionResult {
    world.exec_action(Place::Node(id), action.borrow()).expect("the machine is up")
}

pub(super) fn ask(world: &mut World, id: NodeId, text: &str) -> ActionResult {
    let pg = world.pair().postgres().clone();
    on(world, id, vocabulary::psql(&pg, "postgres", text))
}

pub(super) fn role(world: &mut World, id: NodeId) -> String {
    ask(world, id, sql::ROLE).stdout.trim().to_owned()
}

pub(super) fn xcat(world: &mut World, id: NodeId, line: &str) -> ActionResult {
    let config = world.pair().xcat.clone();
    let words: Vec<&str> = line.split(' ').collect();
    on(world, id, vocabulary::xcat(&config, words[0], &words[1..]))
}

pub(super) fn xcatd(world: &mut World, id: NodeId, action: &str) -> ActionResult {
    let template = world.pair().xcat.control.clone();
    on(world, id, vocabulary::control(&template, action))
}

pub(super) fn database(world: &mut World, id: NodeId, action: &str) -> ActionResult {
    let template = world.pair().postgres().control.clone();
    on(world, id, vocabulary::control(&template, action))
}

pub(super) fn fence(world: &mut World, id: NodeId, action: &str) -> ActionResult {
    let command = vocabulary::fence(&world.pair().node(id).fence, action).expect("the sample has devices");
    at(world, Place::Controller, command)
}

pub(super) fn interface(world: &World, id: NodeId) -> String {
    world.pair().node(id).interface.clone()
}

/// Conflict probe, address, announcement.
pub(super) fn take_address(world: &mut World, id: NodeId) -> [ActionResult; 3] {
    let i = interface(world, id);
    [
        on(world, id, vocabulary::arp_probe(SERVICE, &i)),
        on(world, id, vocabulary::address_add(SERVICE, 24, &i)),
        on(world, id, vocabulary::arp_announce(SERVICE, &i, false, 3)),
    ]
}

/// Invariants violated since the last look, by number.
pub(super) fn broken(world: &mut World) -> Vec<u8> {
    let mut all: Vec<u8> = world.violations().into_iter().map(|v| v.invariant).collect();
    all.dedup();
    all
}

pub(super) fn write(path: &str, content: &str) -> Action {
    Action::WriteFile { path: path.to_owned(), mode: 0o600, content: content.to_owned() }
}
