//! `hamn attach`: follows the run that is going on, answers its questions.

use clap::Args;

use super::{
    Exit, Globals, Outcome, Trouble, block_on,
    follow::{conclude, follow, say},
    out,
    progress::Look,
    records::{self, fold},
    view::{Closing, Story},
    who,
};
use crate::runner::{Client, ClientError, Home, Request};

/// Options of `hamn attach`.
#[derive(Debug, Args)]
pub struct AttachArgs {
    /// The run: its id, or the beginning or end of it [default: the one that is going on]
    run: Option<String>,
    /// Answer an open question instead of following: QUESTION=WORD
    #[arg(long, value_name = "QUESTION=WORD")]
    answer: Option<String>,
    /// How you know the answer; goes into the journal
    #[arg(long, value_name = "TEXT", requires = "answer", default_value = "")]
    why: String,
}

pub(super) fn call(globals: &Globals, args: &AttachArgs) -> Outcome {
    let home = Home::new(globals.state_dir());
    block_on(async {
        match Client::connect(&home, None).await {
            Ok(client) if args.run.as_deref().is_none_or(|word| means(word, &client)) => {
                if let Some(answer) = &args.answer {
                    return give(client, answer, &args.why).await;
                }
                let look = Look::fitting(globals.json);
                let followed = follow(client, &home, look, &who::operator(), Vec::new(), None).await?;
                conclude(&followed, globals.json)
            }
            Ok(_) | Err(ClientError::NoRunner) if args.answer.is_some() => {
                Err(Trouble::refused("no runner is at work on that run, so nothing waits for an answer")
                    .next("see where it stands: hamn attach"))
            }
            Ok(_) | Err(ClientError::NoRunner) => read(globals, args).await,
            Err(error) => Err(error.into()),
        }
    })
}

fn means(word: &str, client: &Client) -> bool {
    let (word, id) = (word.to_ascii_lowercase(), client.greeting().run.to_string());
    id.starts_with(&word) || id.ends_with(&word)
}

async fn give(mut client: Client, answer: &str, why: &str) -> Outcome {
    let (question, word) = answer.split_once('=').ok_or_else(|| {
        Trouble::new(Exit::Usage, format!("`{answer}` is not QUESTION=WORD")).next("hamn attach --help")
    })?;
    let request = Request::Answer {
        question: question.to_owned(),
        word: word.to_owned(),
        why: why.to_owned(),
        operator: who::operator(),
    };
    client.request(&request).await?;
    out::line(&format!("answered {question}: {word}; follow the run: hamn attach"))?;
    Ok(Exit::Done)
}

/// Nobody is at that run: its story from the journal.
async fn read(globals: &Globals, args: &AttachArgs) -> Outcome {
    let mut journal = records::open(globals, "hamn attach").await?;
    let unfinished = records::unfinished(&mut journal).await?.last().map(|s| s.run.to_string());
    let run = journal.select(args.run.clone().or(unfinished).as_deref()).await?;
    let records = journal.records(run).await?;
    let mut story = Story::new(out::colour() && !globals.json);
    for record in &records {
        if globals.json {
            out::json(&serde_json::json!({"event": "committed", "record": record}))?;
        } else {
            story.tell(record).iter().try_for_each(|line| out::line(line))?;
        }
    }
    say(&Closing::journaled(&fold(&records)?), run, globals.json)
}
