//! Evidence in words.

use journal_schema::{
    Channel, DatabaseRole, Fact, HadrConnection, HadrRole, HadrState, Power, TakeoverForm, Tri, UnixMillis,
};

use super::time::{duration, timestamp};

fn tri(answer: Tri, yes: &'static str, no: &'static str) -> &'static str {
    match answer {
        Tri::Yes => yes,
        Tri::No => no,
        Tri::Unknown => "unknown",
    }
}

fn or_unknown<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "unknown".into(), |v| v.to_string())
}

/// A role of HADR.
fn hadr_role(role: HadrRole) -> &'static str {
    match role {
        HadrRole::Standard => "standard",
        HadrRole::Primary => "primary",
        HadrRole::Standby => "standby",
        HadrRole::Unknown => "unknown",
    }
}

/// A state of HADR, as DB2 calls it.
fn hadr_state(state: HadrState) -> &'static str {
    match state {
        HadrState::Disconnected => "disconnected",
        HadrState::LocalCatchup => "local catchup",
        HadrState::RemoteCatchupPending => "remote catchup pending",
        HadrState::RemoteCatchup => "remote catchup",
        HadrState::Peer => "peer",
        HadrState::DisconnectedPeer => "disconnected peer",
        HadrState::Unknown => "unknown",
    }
}

fn hadr_connection(connection: HadrConnection) -> &'static str {
    match connection {
        HadrConnection::Connected => "connected",
        HadrConnection::Congested => "congested",
        HadrConnection::Disconnected => "disconnected",
        HadrConnection::Unknown => "unknown",
    }
}

/// A form of takeover, in words.
fn takeover(form: TakeoverForm) -> &'static str {
    match form {
        TakeoverForm::Plain => "both databases change roles, nothing is lost",
        TakeoverForm::PeerWindowOnly => "by force within the peer window, nothing is lost",
        TakeoverForm::ByForce => "by force",
    }
}

/// One line without its end. What was not observed says so.
pub fn fact(fact: &Fact) -> String {
    match fact {
        Fact::Answers { node, channel, answer } => {
            let channel = match channel {
                Channel::Ssh => "ssh",
                Channel::Arp => "ARP or ping",
                Channel::Database => "the database's port",
                Channel::Bmc => "its power controller",
                Channel::Xcatd => "xcatd's port",
            };
            format!("{node}: answers over {channel}: {}", tri(*answer, "yes", "no"))
        }
        Fact::Identity { node, machine_id, host_name, .. } => {
            format!("{node}: is machine {machine_id}, bears the host name {host_name}")
        }
        Fact::ClockOffset { node, offset_ms, error_ms } => {
            format!("{node}: clock differs by {offset_ms} ms (± {error_ms} ms)")
        }
        Fact::PowerState { node, power } => {
            let power = match power {
                Power::On => "on",
                Power::Off => "off",
                Power::Unknown => "unknown",
            };
            format!("{node}: power {power}, says its fence device")
        }
        Fact::FenceIdentity { node, identity } => format!("{node}: its fence device is {identity}"),
        Fact::Database { node, role, system_id, timeline } => {
            let role = match role {
                DatabaseRole::Primary => "primary",
                DatabaseRole::Standby => "standby",
                DatabaseRole::Down => "down",
                DatabaseRole::Unknown => "in an unknown role",
            };
            format!("{node}: database is {role}, system {system_id}, timeline {timeline}")
        }
        Fact::LogPosition { node, written, received, replayed, last_commit_ms, last_message_ms } => {
            let times = [("last commit", last_commit_ms), ("last message", last_message_ms)]
                .into_iter()
                .filter_map(|(what, ms)| ms.map(|ms| format!(", {what} {}", timestamp(UnixMillis(ms)))))
                .collect::<String>();
            match written {
                Some(written) => format!("{node}: log written to {written}{times}"),
                None => {
                    format!(
                        "{node}: log received to {}, replayed to {}{times}",
                        or_unknown(*received),
                        or_unknown(*replayed)
                    )
                }
            }
        }
        Fact::Streaming { node, up, synchronous } => {
            format!(
                "{node}: streams from the primary: {}, synchronous: {}",
                tri(*up, "yes", "no"),
                tri(*synchronous, "yes", "no")
            )
        }
        Fact::HoldsAddress { node, address, holds } => {
            format!("{node}: {} {address}", tri(*holds, "holds", "does not hold"))
        }
        Fact::AddressProbe { node, address, answered_by } => match answered_by {
            Some(mac) => format!("{node}: {mac} answers for {address}"),
            None => format!("{node}: nobody answers for {address}"),
        },
        Fact::Service { node, service, running, at_boot } => {
            format!(
                "{node}: {service} {}, at boot: {}",
                tri(*running, "runs", "does not run"),
                tri(*at_boot, "yes", "no")
            )
        }
        Fact::ScheduledJob { node, holder, line, armed } => {
            format!("{node}: {} in {holder}: {line}", tri(*armed, "armed", "disarmed"))
        }
        Fact::Epoch { node, epoch } => format!("{node}: epoch {epoch}"),
        Fact::ClusterNodes { node, count } => format!("{node}: {count} nodes in the xCAT database"),
        Fact::Attested { node, by, text } => format!("{node}: {by} vouches: {text}"),
        Fact::LossBound { bytes, millis } => match (bytes, millis) {
            (None, None) => "loss at most: unknown".into(),
            (bytes, millis) => format!(
                "loss at most: {}, {}",
                bytes.map_or_else(|| "bytes unknown".into(), |b| format!("{b} bytes of database log")),
                millis.map_or_else(|| "time unknown".into(), |ms| format!("the last {}", duration(ms)))
            ),
        },
        Fact::Claimed { node, claim } if claim.is_empty() => format!("{node}: claimed by nobody"),
        Fact::Claimed { node, claim } => format!("{node}: claimed: {claim}"),
        Fact::Note { node, key, value } if key == workflows::notes::CHECKPOINT => {
            let when = value.parse().map(|ms| timestamp(UnixMillis(ms)));
            format!("{node}: {key} {}", when.unwrap_or_else(|_| value.clone()))
        }
        Fact::Deployment { node, taken_ms, digest, .. } => format!(
            "{node}: saved for deployment {}, digest {}",
            timestamp(UnixMillis(*taken_ms)),
            digest.get(..12).unwrap_or(digest)
        ),
        Fact::Note { node, key, value } if node.is_empty() => format!("{key}: {value}"),
        Fact::Note { node, key, value } => format!("{node}: {key}: {value}"),
        Fact::Hadr { node, role, active, state, connection, window_end_ms, .. } => {
            let end =
                window_end_ms.map_or_else(String::new, |ms| format!(", peer window to {}", timestamp(UnixMillis(ms))));
            let (role, state, connection) = (hadr_role(*role), hadr_state(*state), hadr_connection(*connection));
            let active = tri(*active, "active", "not active");
            format!("{node}: HADR {role}, {active}, state {state}, connection {connection}{end}")
        }
        Fact::Setting { node, name, value } if value.is_empty() => format!("{node}: {name} is not set"),
        Fact::Setting { node, name, value } => format!("{node}: {name} = {value}"),
        Fact::Permitted { node, form } => format!("{node} may take over: {}", takeover(*form)),
        Fact::BackupImage { node, timestamp, directory } => format!("{node}: image {timestamp} in {directory}"),
    }
}
