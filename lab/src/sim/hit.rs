//! Commands and edits that hang or fail.

/// Where in its effect a command hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freeze {
    /// Before it did anything.
    Before,
    /// After its effect, without an answer.
    After,
}

#[derive(Debug, Clone)]
struct Fault {
    substring: String,
    hit: Hit,
    left: Option<u32>,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Hit {
    Hang(Freeze),
    Fail(i32),
}

/// What was asked for and has not happened often enough yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    /// What contains `substring` meets that: so often, or always.
    pub(super) fn add(&mut self, substring: &str, hit: Hit, left: Option<u32>) {
        self.0.push(Fault { substring: substring.to_owned(), hit, left });
    }

    /// None of them any more.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The fault that a subject (a command line, a path) meets; the subject is only made when there are faults at all.
    pub(super) fn take(&mut self, subject: impl FnOnce() -> String) -> Option<Hit> {
        if self.0.is_empty() {
            return None;
        }
        let subject = subject();
        let at = self.0.iter().position(|f| subject.contains(&f.substring))?;
        let fault = &mut self.0[at];
        let hit = fault.hit;
        if let Some(left) = &mut fault.left {
            *left -= 1;
            if *left == 0 {
                self.0.remove(at);
            }
        }
        Some(hit)
    }
}
