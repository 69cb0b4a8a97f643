//! What is shown, as text. Prints nothing.

mod closing;
mod facts;
mod intention;
mod story;

pub(super) use closing::{Closing, prospect, retreat, returns};
pub(super) use facts::{alive, facts, identity, loss, loss_is_known, roles, topology, vantage};
pub(super) use intention::Intention;
pub(super) use story::Story;
