//! What happens to a machine, what it does, what it wants: all that passes between it and its driver.

use super::{Call, Change, Message, Reply};

/// What happens to a machine.
#[derive(Debug, Clone)]
pub enum Event {
    /// A program is called.
    Call {
        /// Number for the answer.
        id: u64,
        /// The call.
        call: Call,
    },
    /// The caller of a program that has not answered is gone; the server goes on.
    Gone {
        /// Its number.
        id: u64,
    },
    /// A client program connects to the database (activates it, as a CONNECT does).
    Client {
        /// Number for the answer: exit 0, or the message.
        id: u64,
        /// Name of the client.
        name: String,
    },
    /// A client program's connection ends.
    ClientGone {
        /// Name of the client.
        name: String,
    },
    /// A client commits. The answer may take as long as the peer window.
    Commit {
        /// Number for the answer: exit 0, or the message.
        id: u64,
        /// What it did.
        change: Change,
    },
    /// A connection to the partner is there.
    Up {
        /// Its number, which the driver gives.
        link: u64,
        /// We dialled.
        dialled: bool,
    },
    /// Nobody answered where we dialled.
    DialFailed,
    /// A connection is closed or broken, as far as this host can see.
    Down {
        /// Its number.
        link: u64,
    },
    /// The partner does not take what is sent (or does again).
    Congested {
        /// Whether.
        on: bool,
    },
    /// From the partner.
    Message {
        /// By that connection.
        link: u64,
        /// What.
        message: Message,
    },
    /// The instance's processes are killed; the host lives.
    Killed,
    /// Time has passed.
    Tick,
}

/// What a machine does to the world.
#[derive(Debug, Clone)]
pub enum Effect {
    /// A call, a client or a commit is answered. `takes_ms` is only the program's own time, not the waiting.
    Done {
        /// Number.
        id: u64,
        /// Answer.
        reply: Reply,
    },
    /// To the partner.
    Send {
        /// By that connection.
        link: u64,
        /// What.
        message: Message,
    },
    /// Close a connection.
    Close {
        /// Its number.
        link: u64,
    },
}

/// What a machine wants of the network now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wish {
    /// Listen at this address and port.
    pub listen: Option<(String, u16)>,
    /// Open a connection to this address and port.
    pub dial: Option<(String, u16)>,
}
