//! What a journal record is: identifiers, evidence, payloads, framing, the hash chain and the fold to run state.
//!
//! This crate knows nobody and does no I/O. Everything in it is frozen by golden files: enums are append-only,
//! integers have a fixed width, there are no floats, hash maps or `usize` (see `SCHEMA.md`).

mod fact;
mod fold;
mod frame;
mod ids;
mod json;
mod payload;
mod record;

pub use fact::{Channel, DatabaseRole, Fact, HadrConnection, HadrRole, HadrState, Power, TakeoverForm, Tri};
pub use fold::{
    Decision, FoldError, HoldsBy, Illegal, OpenTransition, ReadError, RunState, StepState, StepStatus, Stuck,
    TakenTransition, verify_chain,
};
pub use frame::{Frame, FrameError, Frames, MAGIC, MAX_BODY, OVERHEAD, claimed_len};
pub use ids::{Digest, NotAnId, RunId, Seq, Token, UnixMillis};
pub use payload::{
    Attempt, Direction, End, Kind, Mode, OpenItem, Operator, Payload, PlannedStep, Refs, TableRow, Verdict,
};
pub use record::{DecodeError, EncodeError, Header, Record, SchemaVersion};
