//! May the standby take over, in which form, and the takeover itself.

use journal_schema::{Fact, HadrRole, Mode, OpenItem, TakeoverForm, Tri, Verdict};

use super::{
    advice, instance, look,
    message::{self, Said},
    read, refuse,
    takeover::{self, Loss, Permitted, View, permitted},
    told::{self, Asked, has_role},
};
use crate::{
    by_hand, host,
    model::Flavour,
    script::{Output, Script},
    step::{Judge, Judgement, Place, Step, next},
    steps::{Batch, address, failback, fence, fit, judge, loss, read as basic, schedules, target},
    table::{Context, Guard},
    vocabulary::{self, db2 as calls},
};

/// Both databases change roles, and the old primary is powered off afterwards: nothing is lost, and nobody is fenced while it writes.
pub const GRACEFUL: Guard = Guard { name: "both databases are in peer state and connected", holds: graceful };
/// The device proves that the old primary is off.
pub const FENCE_BY_DEVICE: Guard = Guard {
    name: "no role switch is possible; a fence device is configured and nobody attested",
    holds: |ctx| !graceful(ctx) && fence::by_device(ctx),
};
/// An operator's word is the proof.
pub const FENCE_BY_WORD: Guard = Guard {
    name: "no role switch is possible; an operator attested, or there is no fence device",
    holds: |ctx| !graceful(ctx) && !fence::by_device(ctx),
};
/// The peer window proves that nothing is lost.
pub const IN_WINDOW: Guard = Guard { name: "the peer window is open", holds: in_window };
/// Nothing proves it; the loss that was shown is accepted, which the steps look at once more.
pub const BY_FORCE: Guard =
    Guard { name: "the peer window is not open; the loss is accepted", holds: |ctx| !in_window(ctx) };

fn graceful(ctx: &Context<'_>) -> bool {
    ctx.known.permitted(&ctx.target().name) == Some(TakeoverForm::Plain) && fence::by_device(ctx)
}

fn in_window(ctx: &Context<'_>) -> bool {
    ctx.known.permitted(&ctx.target().name) == Some(TakeoverForm::PeerWindowOnly)
}

/// A look at the target's database that a decision is made on.
struct Glance {
    clock: [usize; 2],
    database: Asked,
}

impl Glance {
    fn new(ctx: &Context<'_>, batch: &mut Batch) -> Self {
        let first = batch.look(host::clock(ctx.target()));
        let database = told::ask(batch, ctx.pair.db2());
        Self { clock: [first, batch.look(host::clock(ctx.target()))], database }
    }
}

/// Everything that a judgement of a decision needs, without the borrow of the context.
struct Scales {
    pair: crate::model::Pair,
    known: crate::Known,
    request: crate::Request,
    run: journal_schema::RunId,
}

/// Fresh answers.
struct Sight {
    view: View,
    /// The target was a standby until somebody stopped its HADR: what to do about it.
    left: Option<String>,
    facts: Vec<Fact>,
    /// What the database did not answer, with what to do.
    unread: Option<String>,
}

impl Scales {
    fn of(ctx: &Context<'_>) -> Self {
        Self { pair: ctx.pair.clone(), known: ctx.known.clone(), request: ctx.request.clone(), run: ctx.run }
    }

    fn context(&self) -> Context<'_> {
        Context { pair: &self.pair, known: &self.known, request: &self.request, run: self.run }
    }

    /// The view on fresh answers, and the facts of these.
    fn see(&self, glance: &Glance, output: &Output, fenced: bool) -> Sight {
        let ctx = self.context();
        let told = glance.database.told(ctx.pair.db2(), output);
        let clock = look::own_clock(output, glance.clock);
        let facts = told.facts(&ctx.target().name, ctx.pair.db2(), clock);
        let view = look::view(&ctx, &told, clock, fenced);
        let unread = advice::unreadable(ctx.target(), ctx.pair.db2(), &told);
        let pending = told.config.as_ref().and_then(read::Config::rollforward_pending) == Some(true);
        let left = (view.target.role == HadrRole::Standard && pending).then(|| refuse::left_pair(&ctx));
        Sight { view, left, facts, unread }
    }

    /// What is known, with what was seen just now.
    fn fresh(&self, facts: &[Fact]) -> crate::Known {
        let mut known = self.known.clone();
        for fact in facts {
            known.learn(fact);
        }
        known
    }

    /// What forbids to go on: an answer that is missing, or a reason of the state.
    fn forbids(&self, sight: &Sight, permitted: &Permitted) -> Option<Judgement> {
        let (ctx, facts) = (self.context(), sight.facts.clone());
        let name = &ctx.target().name;
        Some(match (&sight.unread, permitted) {
            (Some(why), _) => Judgement::unknown(why.clone(), facts),
            (None, Permitted::LookAgain(why)) => Judgement::unknown(format!("{name}: {why}"), facts),
            (None, Permitted::Refused(why)) => {
                Judgement::failed(refuse::in_words(&ctx, &sight.view, &self.fresh(&facts), why), facts)
            }
            (None, Permitted::Form(..)) => return None,
        })
    }
}

fn loss_fact(loss: Loss) -> Fact {
    Fact::LossBound { bytes: loss.bytes, millis: loss.millis }
}

/// Weighs the whole: may the target take over, in which form as things stand, and what is lost at most.
pub fn weigh(ctx: &Context<'_>) -> Vec<Step> {
    let mut batch = Batch::default();
    let glance = Glance::new(ctx, &mut batch);
    let claim = batch.look(vocabulary::cat(&vocabulary::claim_text_path(ctx.pair)));
    let (scales, own_claim) = (Scales::of(ctx), ctx.signature());
    let seen = judge(move |output: &Output| {
        let mut sight = scales.see(&glance, output, false);
        let claim = basic::file(output.at(claim)).map(Option::unwrap_or_default);
        let decided = scales.decide(&mut sight, claim, &own_claim);
        let facts = sight.facts;
        match decided {
            Ok(why) => Judgement::succeeded(why, facts),
            Err((verdict, why)) => Judgement { verdict, evidence: facts, why },
        }
    });
    let title = format!("may {} take over, and what is lost at most", ctx.target().name);
    let step = Step::observe("assess.pair", title, target(ctx), batch.script(), seen);
    let mut steps = vec![Step { retries: 1, traps: &[8, 9, 10, 13, 30, 40, 41, 43], ..step }];
    steps.extend(count_nodes(ctx));
    fit(steps)
}

/// How many nodes the cluster has, where the primary can still be asked: its database is active, so that connecting changes nothing.
fn count_nodes(ctx: &Context<'_>) -> Option<Step> {
    let (db2, name) = (ctx.pair.db2(), ctx.other().name.clone());
    let side = takeover::Side::of(ctx.known.hadr(&name));
    if side.active != Tri::Yes || side.role == HadrRole::Standby || side.role == HadrRole::Unknown {
        return None;
    }
    let probe = Script::new().look(calls::clp(db2, counting(db2)));
    let title = format!("how many nodes the database on {name} holds");
    let seen = judge(move |output: &Output| match read::counted(&read::group(output.at(0), 3)[1]) {
        Some(count) => {
            Judgement::succeeded(format!("{count} nodes"), vec![Fact::ClusterNodes { node: name.clone(), count }])
        }
        None => Judgement::unknown(format!("the nodes in the database on {name} could not be counted"), Vec::new()),
    });
    let place = Place::Node(ctx.request.target.other());
    Some(Step { optional: true, traps: &[52], ..Step::observe("assess.nodes", title, place, probe, seen) })
}

/// Statements that count the nodes; the second one's answer counts. Only on a database that is active.
pub fn counting(db2: &crate::model::Db2) -> [String; 3] {
    [calls::connect(db2), calls::CLUSTER_NODES.to_owned(), calls::may_fail(calls::CONNECT_RESET)]
}

impl Scales {
    fn decide(&self, sight: &mut Sight, claim: Option<&str>, own_claim: &str) -> Result<String, (Verdict, String)> {
        let ctx = self.context();
        let fresh = self.fresh(&sight.facts);
        if let Some(why) = refuse::at_once(&ctx, &sight.view, &fresh) {
            return Err((Verdict::Failed, why));
        }
        let no = |view: &View, why: &str| refuse::in_words(&ctx, view, &fresh, why);
        let Sight { view, left, facts, unread } = sight;
        let (target, other) = (&ctx.target().name, &ctx.other().name);
        let refuse = |why: String| Err((Verdict::Failed, why));
        let unclear = |why: String| Err((Verdict::Unknown, why));
        for (node, text) in [(target, claim), (other, self.known.claim(other))] {
            match text {
                Some(text) if text.is_empty() || text == own_claim => {}
                Some(text) => return refuse(format!("{node} is claimed: {text}")),
                None if node == target => return unclear(format!("the claim on {node} could not be read")),
                None => {}
            }
        }
        if let Some(why) = left {
            return refuse(format!("{target}: {why}"));
        }
        if let Some(why) = unread.take() {
            return unclear(why);
        }
        if let Some(why) = refuse::mismatch(&ctx, &fresh) {
            return refuse(why);
        }
        let address = &self.pair.service.address;
        match self.known.holds(target, address) {
            Tri::No => {}
            Tri::Yes => return refuse(format!("{target} holds the service address {address} already")),
            Tri::Unknown => return unclear(format!("whether {target} holds {address} could not be seen")),
        }
        // As things stand now, then as they will be behind a fence.
        let (form, loss, why) = match permitted(view) {
            Permitted::Form(form, loss) if fence::by_device(&ctx) => (form, loss, String::new()),
            Permitted::Refused(why) => return refuse(no(view, why)),
            _ => match permitted(&View { fenced: true, ..*view }) {
                Permitted::Form(form, loss) => (form, loss, String::new()),
                Permitted::LookAgain(why)
                    if view.target.active == Tri::Yes && view.target.role == HadrRole::Standby =>
                {
                    (TakeoverForm::ByForce, takeover::bound(view), format!("; {why}"))
                }
                Permitted::LookAgain(why) => return unclear(format!("{target}: {why}")),
                Permitted::Refused(why) => return refuse(no(view, why)),
            },
        };
        facts.extend([loss_fact(loss), Fact::Permitted { node: target.clone(), form }]);
        let words = loss::in_words(loss.bytes, loss.millis);
        if !loss.accepted(&self.request) {
            let advice = next("hamn run failover", "shows it and asks");
            return refuse(format!("{words}: that was not accepted{advice}"));
        }
        let brief = told::describe(&view.target);
        Ok(format!("{target} is {brief}; it would take over {}; {words}{why}", in_words(form)))
    }
}

/// A form in words.
pub fn in_words(form: TakeoverForm) -> &'static str {
    match form {
        TakeoverForm::Plain => "by a role switch of both databases",
        TakeoverForm::PeerWindowOnly => "by force within the peer window",
        TakeoverForm::ByForce => "by force",
    }
}

/// Behind the fence: which form is permitted now. A standby that has not noticed yet is looked at until it has.
pub fn decide(ctx: &Context<'_>) -> Vec<Step> {
    let mut batch = Batch::default();
    let glance = Glance::new(ctx, &mut batch);
    let scales = Scales::of(ctx);
    let name = ctx.target().name.clone();
    let seen = judge(move |output: &Output| {
        let mut sight = scales.see(&glance, output, true);
        let permitted = permitted(&sight.view);
        if let Some(judgement) = scales.forbids(&sight, &permitted) {
            return judgement;
        }
        let Permitted::Form(form, loss) = permitted else { unreachable!("everything else forbids") };
        sight.facts.extend([loss_fact(loss), Fact::Permitted { node: name.clone(), form }]);
        let words = loss::in_words(loss.bytes, loss.millis);
        if loss.accepted(&scales.request) {
            return Judgement::succeeded(format!("{name} takes over {}; {words}", in_words(form)), sight.facts);
        }
        let why = format!(
            "{name} could take over {} only; {words}, and that is not what was accepted{}",
            in_words(form),
            anew(scales.run)
        );
        Judgement::failed(why, sight.facts)
    });
    let title = format!("in which form {} may take over now", ctx.target().name);
    let retries = looks_until_noticed(ctx);
    let step = Step::observe("decide.takeover", title, target(ctx), batch.script(), seen);
    fit(vec![Step { retries, retry_pause_ms: 1_000, traps: &[21, 30, 40, 41], ..step }])
}

/// How it is decided anew. Nothing was promoted; what the run did is undone first.
fn anew(run: journal_schema::RunId) -> String {
    next(&format!("hamn rollback {run} --reason 'decide anew'"), "nothing was promoted; undoes what was done")
        + &next("hamn run failover", "then looks again, shows what would be lost, and asks")
}

/// Looks with pauses of 1, 2, 4 … s until a lost connection must have been noticed.
fn looks_until_noticed(ctx: &Context<'_>) -> u8 {
    let seconds = ctx.pair.db2().hadr.timeout_s.saturating_add(15);
    u8::try_from(u32::BITS - seconds.leading_zeros()).unwrap_or(10).min(10)
}

/// The point of no return behind a fence. Stage 0: the proof still holds, nobody answers for the service address. Stage 1: the right
/// machine, in a state that permits this form still. Stage 2: the takeover, once.
pub fn take_over(ctx: &Context<'_>, form: TakeoverForm) -> Vec<Step> {
    let mut steps: Vec<Step> = fence::still_off(ctx, "promote.fenced").into_iter().collect();
    steps.push(address::free(ctx, "promote.address-free"));
    steps.extend([ready(ctx, form), once(ctx, form, "promote.database")]);
    fit(steps)
}

/// The point of no return where both databases change roles.
pub fn switch_roles(ctx: &Context<'_>, step_id: &str) -> Vec<Step> {
    fit(vec![ready(ctx, TakeoverForm::Plain), once(ctx, TakeoverForm::Plain, step_id)])
}

fn ready(ctx: &Context<'_>, form: TakeoverForm) -> Step {
    let mut batch = Batch::default();
    let machine = batch.look(host::machine_id(ctx.target()));
    let glance = Glance::new(ctx, &mut batch);
    let jobs = schedules::list(&mut batch);
    let (node, scales) = (ctx.target().clone(), Scales::of(ctx));
    let listing = schedules::disarmed(node.name.clone(), schedules::around(ctx), Vec::new());
    let title = format!("{} is the right machine and may still take over {}", node.name, in_words(form));
    let seen = judge(move |output: &Output| {
        let name = &node.name;
        match host::identity(&node, output.at(machine)) {
            Some(id) if id.eq_ignore_ascii_case(&node.machine_id) => {}
            Some(id) => {
                let why = format!("the machine is {id}, pinned for {name} is {}", node.machine_id);
                return Judgement::failed(why, Vec::new());
            }
            None => return Judgement::unknown(format!("{name} did not say which machine it is"), Vec::new()),
        }
        let sight = scales.see(&glance, output, form != TakeoverForm::Plain);
        let permitted = permitted(&sight.view);
        if let Some(judgement) = scales.forbids(&sight, &permitted) {
            return judgement;
        }
        let Sight { view, mut facts, .. } = sight;
        match permitted {
            // A window that opened again is no reason to stop; one that closed is: what was decided would not be done.
            Permitted::Form(now, loss) if may_do(form, now) && loss.accepted(&scales.request) => {}
            Permitted::Form(now, _) => {
                let why = format!(
                    "{name} may take over {} only by now, not {} as was decided{}",
                    in_words(now),
                    in_words(form),
                    anew(scales.run)
                );
                return Judgement::failed(why, facts);
            }
            Permitted::LookAgain(_) | Permitted::Refused(_) => unreachable!("these forbid"),
        }
        let cron = listing(&Output { results: vec![output.at(jobs).clone()], ..Output::default() });
        facts.extend(cron.evidence);
        let why = format!("{}; {}", told::describe(&view.target), cron.why);
        Judgement { evidence: facts, why, verdict: cron.verdict }
    });
    let id = if form == TakeoverForm::Plain { "switch.ready" } else { "promote.ready" };
    let probe = batch.script();
    Step { stage: 1, retries: 2, traps: &[11, 22, 40, 41], ..Step::observe(id, title, target(ctx), probe, seen) }
}

/// Whether what was decided may be done where `now` is permitted: the same, or by force where even less is needed.
fn may_do(decided: TakeoverForm, now: TakeoverForm) -> bool {
    decided == now || (decided == TakeoverForm::ByForce && now == TakeoverForm::PeerWindowOnly)
}

fn once(ctx: &Context<'_>, form: TakeoverForm, step_id: &str) -> Step {
    let (db2, name) = (ctx.pair.db2(), ctx.target().name.clone());
    let call = match form {
        TakeoverForm::Plain => calls::Takeover::Plain,
        TakeoverForm::PeerWindowOnly => calls::Takeover::PeerWindowOnly,
        TakeoverForm::ByForce => calls::Takeover::ByForce,
    };
    let script =
        Script::new().look(calls::clp(db2, [calls::takeover(db2, call)]).timeout(calls::waits_for_partner(db2)));
    let mut batch = Batch::default();
    let asked = told::ask(&mut batch, db2);
    // A primary without its standby does not open by itself (SQL1768N reason 7): xcatd would wait for it for ever.
    let alone = if (instance::KEEP.holds)(ctx) {
        format!(
            "; until then, after a restart of its instance, it opens only with: db2 {}",
            calls::start_as_primary_by_force(db2)
        )
    } else {
        String::new()
    };
    let unprotected = OpenItem {
        id: "unprotected".into(),
        text: format!("UNPROTECTED: the database on {name} has no standby; what is lost with it is lost{alone}"),
        command: failback(Flavour::Db2).into(),
    };
    Step {
        stage: 2,
        judge_effect: refusable(ctx, name.clone(), calls::takeover(db2, call)),
        about: "database",
        opens: (form != TakeoverForm::Plain || step_id == "switch.database").then_some(unprotected),
        traps: &[1, 40, 41, 47, 55],
        section: "8.0 step 1",
        ..Step::effect(
            step_id,
            format!("the database on {name} takes over {}", in_words(form)),
            target(ctx),
            Mode::OnceOnly,
            script,
            batch.script(),
            has_role(ctx, ctx.request.target, HadrRole::Primary, asked),
        )
    }
}

/// Judges TAKEOVER by its code: a refusal has changed nothing here, and is never followed by a stronger form. What was killed, or is not
/// known, may have happened: the look afterwards decides.
pub fn taken(output: &Output) -> Judgement {
    let statement = &read::group(output.at(0), 1)[0];
    let what = message::said(statement);
    match &what {
        Said::Done(_) => Judgement::succeeded("DB2 says that it took over", Vec::new()),
        Said::Refused(code) if REFUSED.contains(&code.number) => Judgement::failed(what.to_string(), Vec::new()),
        Said::Refused(_) | Said::NotYet(_) | Said::Strange(_) | Said::Unknown => {
            Judgement::unknown(format!("TAKEOVER HADR: {what}"), Vec::new())
        }
    }
}

/// [`taken`], in words for a person.
fn refusable(ctx: &Context<'_>, name: String, statement: String) -> Judge {
    let advice = after_refusal(ctx);
    judge(move |output: &Output| {
        let said = taken(output);
        if said.verdict != Verdict::Failed {
            return said;
        }
        let why = &said.why;
        Judgement { why: format!("{statement} was refused on {name}, and has changed nothing: {why}{advice}"), ..said }
    })
}

/// Codes with which TAKEOVER has done nothing.
const REFUSED: [u32; 3] = [1770, 1776, 1777];

/// What a person does about a refusal. The run stands at its pivot, where another form is not its to choose: what was accepted was this
/// one. The claims name the run and outlive it.
fn after_refusal(ctx: &Context<'_>) -> String {
    let run = ctx.run;
    let look = by_hand::as_owner(ctx.target(), ctx.pair.db2(), &format!("db2pd -d {} -hadr", ctx.pair.db2().database));
    let claim = vocabulary::claim_path(ctx.pair);
    next(&look, "in which state it is by now")
        + &next(&format!("hamn resume {run}"), "asks for the same takeover once more, if the reason has passed")
        + &next(
            &format!("hamn abandon {run} --reason 'takeover refused'"),
            "or gives this run up; the old primary stays off",
        )
        + &next(
            &by_hand::as_root(ctx.target(), &format!("rm -r {claim}")),
            "takes the claim of the run that was given up away",
        )
        + &next("hamn run failover", "looks again, shows in which form it may take over now and what is lost, and asks")
}
