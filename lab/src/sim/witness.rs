//! The further machines of the configuration: service nodes, whose xcatd is a client of the database, and who hears whom.

use workflows::{Command, Place, vocabulary, vocabulary_aix};

use super::{Ran, World, fixed::ip};

impl World {
    pub(super) fn on_witness(&mut self, index: u8, command: &Command) -> Option<Ran> {
        let n = usize::from(index);
        if command.argv == vocabulary::xcatd_processes().argv {
            return Some(Ran::ok(format!("{}\n", u8::from(*self.service_nodes.get(n)?) * 3), 20));
        }
        let argv: Vec<&str> = command.argv.iter().map(String::as_str).collect();
        let ["sh", "-c", script, tag, word] = argv.as_slice() else { return None };
        match *tag {
            "arp-probe-elsewhere" if *script == vocabulary_aix::arp_probe_elsewhere("").argv[2] => {
                let answer = ip(word).and_then(|address| self.answers_arp(None, address));
                Some(match answer {
                    Some(mac) => Ran::ok(format!("answered {mac}\n"), 600).exit(1),
                    None => Ran::ok("silence\n", 2_000),
                })
            }
            "service-node" if *script == vocabulary_aix::service_node_xcatd("").argv[2] => {
                let database = workflows::model::NodeId::BOTH.iter().any(|id| self.alive(*id) && self.writable(*id));
                let runs = *word == "start" && database;
                self.wrote(Place::Witness(index), "service-node", word);
                *self.service_nodes.get_mut(n)? = runs;
                Some(Ran::ok("", 900).exit(i32::from(*word == "start" && !runs)))
            }
            _ => None,
        }
    }
}
