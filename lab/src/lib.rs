//! The practice cluster: stand-ins for xCAT's commands, a pair simulated in the process, a pair of real hosts.

pub mod aix;
pub mod db2;
pub mod hosts;
pub mod nim;
mod process;
pub mod sample;
pub mod sim;
pub mod standin;
pub mod xcat;
