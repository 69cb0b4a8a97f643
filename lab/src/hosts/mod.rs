//! The practice cluster of real hosts: network namespaces, overlay root file systems, sshd as process 1, a PostgreSQL pair that
//! replicates, BMCs that switch the machines. Prints nothing.
//!
//! A lab lives in one folder and in namespaces whose names begin with a prefix of its own, so that several live side by side.
//! What a killed lab left behind is found by these two and removed; nothing else is ever touched.

mod aix;
mod bmc;
mod cable;
mod database;
mod db2;
mod error;
mod furnish;
mod keys;
mod lab;
mod machine;
mod name;
mod net;
mod options;
mod pair;
mod persona;
mod power;
mod remains;
mod rootfs;
mod seed;
mod shell;
mod state;
mod status;
mod up;

pub use bmc::{PASSWORD as BMC_PASSWORD, USER as BMC_USER, password_file};
pub use database::{DATABASE, PASSWORD as DATABASE_PASSWORD, ROLE};
pub use db2::{DB2_BACKUP, DB2_DATABASE, DB2_HOME, DB2_INSTANCE, DB2_STATE, Db2};
pub use error::{LabError, LabErrorKind, Result};
pub use lab::Lab;
pub use machine::{
    CLUSTER_NETWORK, DOMAIN, Machine, Nic, PREFIX, Plug, SERVICE_ADDRESS, SERVICE_NAME, STANDBY_NAME, bmc_address,
    bmc_name,
};
pub use net::Line;
pub use options::{DEFAULT_CACHE, DEFAULT_DIR, Options, scratch};
pub use pair::config;
pub use persona::{CLUSTER_INTERFACE, GATEWAY, Ksh, Persona};
pub use power::{Power, PowerAction};
pub use seed::COMPUTE_NODES;
pub use shell::{Output, preflight};
pub use status::MachineStatus;

pub(crate) use aix::GUARDED;
pub(crate) use persona::{NIM, ODM, TOOLS};
pub(crate) use seed::quote;
