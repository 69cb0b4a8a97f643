//! Whether a service runs, by its processes; and waiting for the last of them.

use journal_schema::{Fact, Tri};

use super::{judge, read};
use crate::{
    script::{Action, Output},
    step::{Judge, Judgement},
    vocabulary,
};

/// Waits for the end of xcatd's last process.
pub(crate) fn wait_until_gone() -> Action {
    Action::WaitUntil { command: vocabulary::xcatd_processes(), expect: "0".into(), every_ms: 200, limit_s: 30 }
}

/// The fact that a service runs; what its next boot does is not said.
pub(crate) fn service_fact(node: &str, service: &str, running: Tri) -> Fact {
    Fact::Service { node: node.to_owned(), service: service.to_owned(), running, at_boot: Tri::Unknown }
}

/// No process of the service is left.
pub(crate) fn gone(node: String, service: &'static str) -> Judge {
    judge(move |output: &Output| {
        let running = read::runs(output.at(0));
        let facts = vec![service_fact(&node, service, running)];
        match running {
            Tri::No => Judgement::succeeded(format!("no process of {service} is left on {node}"), facts),
            Tri::Yes => Judgement::failed(format!("{service} still runs on {node}"), facts),
            Tri::Unknown => {
                let why = format!("the processes of {node} could not be listed: {}", read::said(output.at(0)));
                Judgement::unknown(why, facts)
            }
        }
    })
}
