//! DB2 with HADR: what its programs say and what that means, which form of takeover a state permits, and the workflows of such a pair.
//!
//! Everything that DB2 says is judged by code or by keyword, never by wording: texts differ by version and language. What is cut,
//! missing or not known is *unknown*, and an unknown code is fatal and shown.

pub mod advice;
pub mod drill;
pub mod failback;
pub mod failover;
pub mod instance;
pub mod look;
pub mod message;
pub mod promote;
pub mod read;
pub mod refuse;
pub mod reseed;
pub mod serve;
pub mod setup;
pub mod sync;
pub mod takeover;
pub mod told;
