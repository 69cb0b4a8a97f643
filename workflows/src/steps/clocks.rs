//! How far the clocks are apart (trap 21): times of two machines are compared, and a peer window ends by the clock of one of them.

use journal_schema::Verdict;

use super::read;
use crate::{
    by_hand::as_root,
    model::{Node, Pair, Platform},
    script::Output,
    step::next,
};

/// Offset of the node's clock and its uncertainty, milliseconds: the node's middle against ours; the time that the commands took there
/// is taken from its own clock and does not count as uncertainty.
pub fn offset(output: &Output, [first, last]: [usize; 2]) -> Option<(i64, u64)> {
    let at = |i| read::count(output.at(i)).map(|ns| ns / 1_000_000);
    let (first, last) = (at(first)?, at(last)?);
    let there = last.checked_sub(first)?;
    if output.sent_ms == 0 {
        return None;
    }
    let ours = output.sent_ms + output.took_ms / 2;
    let theirs = first + there / 2;
    Some((theirs as i64 - ours as i64, output.took_ms.saturating_sub(there).div_ceil(2)))
}

/// The offset, if it was measured and is not beyond the limit for certain.
///
/// # Errors
/// Verdict and reason, with what to type.
pub fn near(pair: &Pair, node: &Node, measured: Option<(i64, u64)>) -> Result<(i64, u64), (Verdict, String)> {
    let (name, limit) = (&node.name, pair.max_clock_offset_ms);
    match measured {
        None => {
            let advice = next(&as_root(node, "date -u"), "must print the time at once");
            Err((Verdict::Unknown, format!("the clock of {name} could not be measured{advice}")))
        }
        Some((offset, error)) if offset.unsigned_abs() > limit.saturating_add(error) => {
            let way = if offset > 0 { "ahead of" } else { "behind" };
            let set = match node.platform {
                Platform::Linux => "chronyc makestep",
                Platform::Aix => "'stopsrc -s xntpd; ntpdate -b NTP-SERVER; startsrc -s xntpd'",
            };
            Err((
                Verdict::Failed,
                format!(
                    "the clock of {name} is {offset} ms off (± {error}), allowed are {limit} ms: it is {way} the clock of the machine \
                     where hamn runs{}{}",
                    next(&as_root(node, "date -u; date -u"), "which of the two is right? compare with a third clock"),
                    next(
                        &as_root(node, set),
                        "sets the wrong one, here if it is this one's; never while its database is in service"
                    )
                ),
            ))
        }
        Some(measured) => Ok(measured),
    }
}
