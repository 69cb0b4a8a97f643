//! DB2: what it says, on captures and on rubbish; the takeover matrix; the workflows of a pair with DB2.

#[path = "../common/mod.rs"]
mod common;

mod captures;
mod decisions;
mod matrix;
mod said;
mod tables;
mod unseen;
mod window;
