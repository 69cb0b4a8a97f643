//! `hamn man`: manual pages made from the command line's own description.

use std::{fs, path::PathBuf};

use clap::{Args, CommandFactory};
use clap_mangen::Man;

use super::{Cli, Exit, Outcome, Trouble, out};

/// Options of `hamn man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Subcommand whose page is printed, for example `journal` or `journal-verify`; without: the page of hamn
    #[arg(conflicts_with = "out")]
    pub page: Option<String>,
    /// Write all pages into this folder (made if missing)
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

pub(super) fn call(args: &ManArgs) -> Outcome {
    let pages = pages()?;
    if let Some(dir) = &args.out {
        let io = |e: std::io::Error| {
            Trouble::failure(format!("the manual cannot be written into {}", dir.display())).detail(e.to_string())
        };
        fs::create_dir_all(dir).map_err(io)?;
        for (name, page) in &pages {
            fs::write(dir.join(format!("{name}.1")), page).map_err(io)?;
        }
        out::line(&format!("{} pages in {}; read one: man {}/hamn.1", pages.len(), dir.display(), dir.display()))?;
        return Ok(Exit::Done);
    }
    let wanted = match &args.page {
        Some(page) => format!("hamn-{}", page.replace(' ', "-")),
        None => "hamn".to_owned(),
    };
    let Some((_, page)) = pages.iter().find(|(name, _)| *name == wanted) else {
        let names: Vec<&str> = pages.iter().filter_map(|(name, _)| name.strip_prefix("hamn-")).collect();
        return Err(Trouble::new(Exit::Usage, format!("there is no manual page {wanted}"))
            .detail(format!("pages: {}", names.join(", ")))
            .next("hamn man PAGE"));
    };
    out::print(page)?;
    Ok(Exit::Done)
}

/// Name and text of every page, parents first.
fn pages() -> Result<Vec<(String, String)>, Trouble> {
    let mut root = Cli::command();
    root.build();
    let mut pages = Vec::new();
    add_pages(&root, "hamn", &mut pages)?;
    Ok(pages)
}

fn add_pages(command: &clap::Command, name: &str, pages: &mut Vec<(String, String)>) -> Result<(), Trouble> {
    let mut page = Vec::new();
    Man::new(command.clone())
        .title(name.to_uppercase())
        .render(&mut page)
        .map_err(|e| Trouble::failure("the manual cannot be made").detail(e.to_string()))?;
    pages.push((name.to_owned(), String::from_utf8_lossy(&page).into_owned()));
    for sub in command.get_subcommands().filter(|c| !c.is_hide_set()) {
        add_pages(sub, &format!("{name}-{}", sub.get_name()), pages)?;
    }
    Ok(())
}
