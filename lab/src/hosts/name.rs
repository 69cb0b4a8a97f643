//! Short names of long texts.

use std::path::Path;

/// First part of the names of the namespaces of the lab in `dir`: the same folder has always the same.
pub(super) fn prefix(dir: &Path) -> String {
    format!("hl{:08x}", hash(&dir.display().to_string()) as u32)
}

/// FNV-1a: a short name of a long text, no protection against anybody.
pub(super) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}
