//! `hamn stop`: stops a run between two steps.

use clap::Args;

use super::{Exit, Globals, Outcome, Trouble, block_on, out, who};
use crate::runner::{Client, Home, Request};

/// Options of `hamn stop`.
#[derive(Debug, Args)]
pub struct StopArgs {
    /// The run: its id, or the beginning or end of it [default: the one that is going on]
    run: Option<String>,
}

pub(super) fn call(globals: &Globals, args: &StopArgs) -> Outcome {
    let home = Home::new(globals.state_dir());
    block_on(async {
        let mut client = Client::connect(&home, None).await?;
        let run = client.greeting().run;
        if let Some(word) = &args.run {
            let (id, word) = (run.to_string(), word.to_ascii_lowercase());
            if !id.starts_with(&word) && !id.ends_with(&word) {
                return Err(Trouble::refused(format!("run {word} is not going on; {run} is"))
                    .next(format!("stop that one: hamn stop {run}")));
            }
        }
        client.request(&Request::Stop { operator: who::operator() }).await?;
        let text = format!(
            "run {run} stops as soon as the steps under way have ended\n  hamn attach {run}   shows when\n  hamn resume {run}   goes on later"
        );
        if globals.json {
            out::json(&serde_json::json!({"run": run.to_string(), "stopping": true}))?;
        } else {
            out::line(&text)?;
        }
        Ok(Exit::Done)
    })
}
