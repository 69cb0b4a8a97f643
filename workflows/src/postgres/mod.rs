//! The workflows of a pair with PostgreSQL and streaming replication. What they are made of is in [`crate::steps`].

pub mod failover;
pub mod switchover;
