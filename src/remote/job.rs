//! The exactly-once job as shell text, and the way back from its answer. No I/O here.
//!
//! `DIR/jobs/TOKEN/` holds `script`, `run` (the claim, made by the job itself with `mkdir`), `pid` (and the boot it belongs to),
//! `out`, `err`, and `rc`, moved into place when all the rest is on disk. Launched any number of times, it has one effect (trap 73).
//! AIX has no setsid, so the job ignores HUP and holds no descriptor of the session that launched it (trap 72).

use journal_schema::{Digest, RunId, Token};
use workflows::{
    Output, Script,
    quote::{NulByte, print_exact, quote},
    render::{compact, parse_frames, render},
};

use super::{Answer, Job};

macro_rules! part {
    ($name:literal) => {
        include_str!(concat!("sh/", $name))
    };
}

/// Bytes of one stream that are brought back; what lies behind counts as not seen.
pub(super) const MOST: usize = 1024 * 1024;

/// Where a place keeps its jobs, and who it must be.
#[derive(Debug, Clone)]
pub(super) struct Desk {
    dir: String,
    machine_id: Option<String>,
    shell: String,
}

/// What a place said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// The state of the job; whether the launch that was answered is the one that ran it.
    Job(Answer, bool),
    /// Another machine, by its machine-id.
    Wrong(String),
    /// Nothing was started, and why.
    Trouble(String),
    /// What a call other than a job's gave.
    Other(Vec<u8>),
}

impl Desk {
    /// Jobs in `dir/jobs`, on the machine that is pinned by `machine_id`.
    pub(super) fn new(dir: &str, machine_id: Option<&str>) -> Result<Self, NulByte> {
        quote(dir)?;
        quote(machine_id.unwrap_or_default())?;
        Ok(Self { dir: dir.to_owned(), machine_id: machine_id.map(str::to_owned), shell: "/bin/sh".to_owned() })
    }

    /// The machine-id that it must be; empty: any.
    pub(super) fn pinned(&self) -> &str {
        self.machine_id.as_deref().unwrap_or_default()
    }

    /// With another shell for the jobs. For tests.
    #[cfg(test)]
    pub(super) fn shell(mut self, shell: &str) -> Self {
        shell.clone_into(&mut self.shell);
        self
    }

    /// A read-only script, after a look at who the machine is (traps 11, 25).
    pub(super) fn observe(&self, script: &Script, nonce: &str) -> String {
        format!("hamn_nonce={nonce}\n{}{}", self.identity(), render(script, nonce))
    }

    /// Writes the job, starts it unless it is claimed, and waits for its end; up to `seconds` when another launch claimed it.
    pub(super) fn launch(&self, job: Job<'_>, nonce: &str, seconds: u64) -> String {
        let script = self.job_file(job);
        let print = print_exact(&script).expect("a rendered script holds no NUL byte");
        let text = format!(
            "hamn_bytes={}\nhamn_shell={}\nhamn_print() {{\n{print}\n}}\n{}",
            script.len(),
            plain(&self.shell),
            compact(part!("launch.sh"))
        );
        self.call(Some(job.token), nonce, &text, &format!("hamn_launch {seconds}"))
    }

    /// Asks for the state, waiting up to `seconds` for a running job.
    pub(super) fn ask(&self, token: &Token, nonce: &str, seconds: u64) -> String {
        self.call(Some(token), nonce, "", &format!("hamn_await {seconds}; hamn_answer no"))
    }

    /// Claims the token for good.
    pub(super) fn revoke(&self, token: &Token, nonce: &str) -> String {
        self.call(Some(token), nonce, &compact(part!("revoke.sh")), "hamn_revoke")
    }

    /// The end of the job's output so far.
    pub(super) fn peek(&self, token: &Token, nonce: &str) -> String {
        self.call(
            Some(token),
            nonce,
            "",
            "hamn_say other; [ ! -f \"$hamn_job/out\" ] || tail -c 4096 \"$hamn_job/out\"",
        )
    }

    /// The runs that have jobs there, one a line.
    pub(super) fn left(&self, nonce: &str) -> String {
        self.call(None, nonce, "", "hamn_say other; ls \"$hamn_dir/jobs\" 2>/dev/null | sed 's/[.].*//' | sort -u")
    }

    /// Takes the jobs of runs away.
    pub(super) fn tidy(&self, runs: &[RunId], nonce: &str) -> String {
        let runs = runs.iter().map(RunId::to_string).collect::<Vec<_>>().join(" ");
        let remove = format!("for hamn_run in {runs}; do rm -rf \"$hamn_dir/jobs/$hamn_run.\"*; done; hamn_say other");
        self.call(None, nonce, "", &remove)
    }

    /// Adds bytes to a file, durably, all or none as far as the machine can tell. The bytes travel as octal escapes: standard input
    /// is the script's.
    pub(super) fn append(&self, path: &str, bytes: &[u8], nonce: &str) -> Result<String, NulByte> {
        let text = format!(
            "hamn_file={}\nhamn_bytes={}\nhamn_print() {{\n{}\n}}\n{}",
            quote(path)?,
            bytes.len(),
            print_octal(bytes),
            compact(part!("append.sh"))
        );
        Ok(self.call(None, nonce, &text, "hamn_append"))
    }

    fn identity(&self) -> String {
        let pinned = |id: &String| format!("hamn_pinned={}\n{}", plain(id), part!("identity.sh"));
        self.machine_id.as_ref().map(pinned).unwrap_or_default()
    }

    /// Everything in functions, and the call on the last lines: a text that arrives cut does nothing.
    fn call(&self, token: Option<&Token>, nonce: &str, functions: &str, call: &str) -> String {
        let job = token.map(|token| {
            format!("hamn_job={}\nhamn_script_pattern={}\n", plain(&self.job_dir(token)), plain(&pattern(token)))
        });
        format!(
            "hamn_nonce={nonce}\nhamn_most={MOST}\nhamn_dir={}\n{}{}{}{functions}hamn_call() {{\n{call}\n}}\nhamn_call\nhamn_done\n",
            plain(&self.dir),
            job.unwrap_or_default(),
            self.identity(),
            compact(part!("desk.sh")),
        )
    }

    fn job_dir(&self, token: &Token) -> String {
        format!("{}/jobs/{token}", self.dir)
    }

    fn job_file(&self, job: Job<'_>) -> String {
        let body = render(job.script, &job_nonce(job.token));
        format!(
            "hamn_job={}\nhamn_dir={}\nhamn_job_epoch={}\nhamn_count={}\nhamn_body() (\n{body})\n{}",
            plain(&self.job_dir(job.token)),
            plain(&self.dir),
            job.epoch,
            job.script.actions.len(),
            compact(part!("job.sh")),
        )
    }
}

/// Reads an answer. `None`: it is cut, or none.
pub(super) fn reply(token: Option<&Token>, nonce: &str, stdout: &[u8]) -> Option<Reply> {
    let head = format!("@@hamn {nonce} answer ");
    let end = format!("\n@@hamn {nonce} done\n");
    let rest = &stdout[find(stdout, head.as_bytes())? + head.len()..];
    let line_end = find(rest, b"\n")?;
    let line = String::from_utf8_lossy(&rest[..line_end]).into_owned();
    let body = &rest[line_end + 1..];
    let mut words = line.split(' ');
    let job = |answer| Some(Reply::Job(answer, false));
    match words.next()? {
        "absent" => job(Answer::Absent),
        "running" => job(Answer::Running),
        "revoked" => job(Answer::Revoked),
        "lost" => job(Answer::Lost { why: words.next()?.to_owned() }),
        "stale" => job(Answer::StaleEpoch { node_epoch: words.next()?.parse().ok()? }),
        "wrong" => Some(Reply::Wrong(words.next()?.to_owned())),
        "trouble" => Some(Reply::Trouble(line["trouble ".len()..].to_owned())),
        "other" => Some(Reply::Other(body[..find(body, end.as_bytes())?].to_owned())),
        "finished" => {
            let _shell_exit: i32 = words.next()?.parse().ok()?;
            let count = words.next()?.parse().ok()?;
            let out: usize = words.next()?.parse().ok()?;
            let err: usize = words.next()?.parse().ok()?;
            let fresh = words.next()? == "yes";
            let (out, rest) = body.split_at_checked(out)?;
            let (err, rest) = rest.split_at_checked(err)?;
            let results = parse_frames(count, &job_nonce(token?), out, err);
            rest.starts_with(end.as_bytes())
                .then_some(Reply::Job(Answer::Finished(Output { results, sent_ms: 0, took_ms: 0 }), fresh))
        }
        _ => None,
    }
}

/// The nonce of a job's own frames. The same for every launch, whoever asks later.
fn job_nonce(token: &Token) -> String {
    Digest::of(format!("hamn job {token}").as_bytes()).to_string()[..24].to_owned()
}

/// A regular expression for the command line of a token's job that does not match the command line that holds it.
fn pattern(token: &Token) -> String {
    format!("[/]jobs/{}/script", token.as_str().replace('.', "[.]"))
}

/// A word that was checked when the desk was made, or is a token.
fn plain(text: &str) -> String {
    quote(text).expect("checked before")
}

/// Shell text that prints exactly these bytes, NUL among them, as one command.
fn print_octal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut pieces = Vec::new();
    for chunk in bytes.chunks(8 * 1024) {
        let mut piece = String::from("printf '");
        for byte in chunk {
            if byte.is_ascii_alphanumeric() {
                piece.push(char::from(*byte));
            } else {
                let _ = write!(piece, "\\{byte:03o}");
            }
        }
        piece.push('\'');
        pieces.push(piece);
    }
    if pieces.is_empty() { ":".to_owned() } else { pieces.join(" &&\n") }
}

pub(super) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests;
