//! Carries out what the queue says: starts arms, watches the hosts, and gives cells of a lost host a second try.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use crate::model::event::Event;
use crate::model::id::{Arm, ArmId};
use crate::model::outcome::{Cause, Stage};
use crate::model::policy::CloneMode;
use crate::port::LabError;
use crate::run::arm::ArmRun;
use crate::run::context::Context;
use crate::run::life::{self, Ended};
use crate::run::node::fault;
use crate::run::pair::{self, Seat};
use crate::run::queue::{Ahead, Queue, Start, Stranded};
use crate::run::warm;

/// How long a host on which nothing runs may say to have too little memory before what waits for it is given up.
const SHORT: Duration = Duration::from_secs(60);

/// How an arm's task ended, with what it made removed: its cell, and whether the arm came to its end in order.
type Done = (usize, bool);

struct Scheduler<'a> {
    context: &'a Arc<Context>,
    queue: Queue,
    running: JoinSet<Done>,
    /// What is done beside the arms: placing what those that wait are forked from, one cell at a time, and forking the next;
    /// ending the proxy.
    aside: JoinSet<()>,
    /// The cells of arms that are over and about to be removed.
    over: UnboundedReceiver<usize>,
    tell: UnboundedSender<usize>,
    lost: BTreeSet<usize>,
    started: Instant,
    /// When the last arm ended, where nothing runs since.
    idle: Option<Instant>,
}

/// Runs every arm of every cell; returns when all are over and cleaned up.
pub async fn run(context: &Arc<Context>, queue: Queue) {
    let (tell, over) = unbounded_channel();
    let scheduler = Scheduler {
        context,
        queue,
        running: JoinSet::new(),
        aside: JoinSet::new(),
        over,
        tell,
        lost: BTreeSet::new(),
        started: Instant::now(),
        idle: None,
    };
    scheduler.run().await;
}

impl Scheduler<'_> {
    async fn run(mut self) {
        loop {
            self.hear();
            self.confirm().await;
            while let Some(start) = self.queue.admit() {
                self.start(start);
            }
            if self.running.is_empty() && !self.queue.is_empty() && self.is_hopeless() {
                let given_up = self.queue.give_up();
                self.fail(given_up);
                continue;
            }
            if self.running.is_empty() && self.queue.is_empty() {
                break;
            }
            let patience = self.idle.map(|idle| idle + SHORT);
            tokio::select! {
                // An arm is over before it is removed.
                biased;
                Some(cell) = self.over.recv() => self.over(cell),
                Some(ended) = self.running.join_next() => self.ended(ended),
                () = self.context.news.notified() => {}
                () = self.context.up.notified(), if self.aside.is_empty() => self.prepare(),
                Some(_) = self.aside.join_next() => self.prepare(),
                () = sleep_until(patience.unwrap_or(self.started)), if patience.is_some() => {}
            }
        }
        while self.aside.join_next().await.is_some() {}
        for site in &self.context.sites {
            for forked in site.ahead.drain().await {
                site.resources.remove_all(forked.made).await;
            }
        }
    }

    /// Places what one of those that wait will be forked from, beside those that run; where all of it is there, forks the
    /// next arm.
    fn prepare(&mut self) {
        if self.context.setup.stop.is_cancelled() {
            return;
        }
        if let Some((cell, host)) = self.queue.prepare() {
            self.place(cell, host);
        } else if self.context.setup.plan.clone == CloneMode::Warm
            && let Some(ahead) = self.queue.ahead()
        {
            self.fork(ahead);
        }
    }

    fn fork(&mut self, ahead: Ahead) {
        let Ahead {
            cell,
            arm,
            nth_try,
            host,
        } = ahead;
        let context = self.context.clone();
        let plan = context.side(cell, arm, nth_try);
        let tell = context.sites[host].ahead.expect(plan.id.clone());
        self.aside.spawn(async move {
            let site = &context.sites[host];
            let arm = ArmRun::new(&context, site, cell, plan);
            let forked = tokio::select! {
                biased;
                () = site.loss().wait() => None,
                forked = warm::ahead::fork(&arm) => forked,
            };
            // Its arm, or the run's end, takes it.
            let _ = tell.send(forked);
        });
    }

    fn place(&mut self, cell: usize, host: usize) {
        let context = self.context.clone();
        self.aside.spawn(async move {
            let site = &context.sites[host];
            tokio::select! {
                biased;
                () = site.loss().wait() => {}
                () = warm::place_ahead(&context, site, cell) => {}
            }
        });
    }

    /// Takes in what the hosts say.
    fn hear(&mut self) {
        for (host, site) in self.context.sites.iter().enumerate() {
            if let Some(free) = site.measured() {
                self.queue.measured(host, free);
            }
            if let Some(reason) = site.loss().reason()
                && self.lost.insert(host)
            {
                self.context.events.emit(
                    None,
                    Event::HostLost {
                        uri: site.host.uri().to_string(),
                        reason: reason.to_owned(),
                    },
                );
                self.queue.lose(host);
            }
        }
        if !self.context.setup.stop.is_cancelled() {
            self.queue.retry();
        }
        let stranded = self.queue.stranded();
        self.fail(stranded);
    }

    /// Where both arms of a cell are over and show what would close the gate: lets a fresh pair of them wait, to confirm it.
    async fn confirm(&mut self) {
        let context = self.context;
        let plan = &context.setup.plan;
        while plan.confirm.is_on()
            && !context.setup.stop.is_cancelled()
            && let Some(index) = self.queue.through()
        {
            let cell = &plan.cells[index].id;
            let records = context.events.records_of(cell).await;
            if let Some(why) = (context.setup.confirm)(plan, cell, &records) {
                let cell = cell.clone();
                context.events.emit(None, Event::CellConfirming { cell, why });
                self.queue.confirm(index);
            } else {
                context.events.through(cell);
            }
        }
    }

    /// Whether waiting any longer is of no use, while nothing runs.
    fn is_hopeless(&mut self) -> bool {
        let idle = *self.idle.get_or_insert_with(Instant::now);
        match self.queue.stuck() {
            Some(Cause::HostMemory) => idle.elapsed() >= SHORT || self.context.setup.stop.is_cancelled(),
            Some(_) | None => true,
        }
    }

    fn start(&mut self, start: Start) {
        self.idle = None;
        let (cell, host, nth_try) = (start.cell, start.host, start.nth_try);
        let uri = |host: usize| self.context.sites[host].host.uri().to_string();
        if let Some(from) = start.instead_of {
            self.context.events.emit(
                None,
                Event::CellRetried {
                    cell: self.context.setup.plan.cells[cell].id.clone(),
                    from: uri(from),
                    to: uri(host),
                },
            );
        }
        for (arm, seat) in seats(start.arms) {
            let context = self.context.clone();
            let plan = context.side(cell, arm, nth_try);
            let queued = self.started.elapsed();
            let tell = self.tell.clone();
            self.running.spawn(async move {
                let site = &context.sites[host];
                let over = || {
                    // The queue is there as long as any arm is.
                    let _ = tell.send(cell);
                };
                let arm = ArmRun::new(&context, site, cell, plan);
                let Ended { whole, .. } = life::run(arm, queued, seat, over).await;
                // What it gave back shows there; and where it failed, so may the reason.
                if !context.setup.stop.is_cancelled() {
                    site.look().await;
                }
                (cell, whole)
            });
        }
    }

    /// An arm is about to be removed; beside the last one's removal the proxy ends. Where there are several hosts, or what
    /// is found is confirmed, a cell may yet need the proxy for another try.
    fn over(&mut self, cell: usize) {
        self.queue.over(cell);
        let confirms = self.context.setup.plan.confirm.is_on();
        if !self.queue.is_empty() || !self.queue.is_idle() || self.context.sites.len() > 1 || confirms {
            return;
        }
        let context = self.context.clone();
        self.aside.spawn(async move {
            for outlet in context.sites.iter().filter_map(|site| site.outlet.get()) {
                // What passed it is told at the end of the run.
                outlet.close().await;
            }
        });
    }

    fn ended(&mut self, ended: Result<Done, JoinError>) {
        // Whether its host is lost is told before what that did to the arm.
        self.hear();
        match ended {
            Ok((cell, whole)) => self.queue.removed(cell, whole),
            // The arm's missing end stands in the journal; what it holds of the budget is not given back.
            Err(died) => tracing::error!("an arm's task died: {died}"),
        }
    }

    /// Tells of arms that never start.
    fn fail(&self, stranded: Vec<Stranded>) {
        for Stranded {
            cell,
            arm,
            nth_try,
            cause,
        } in stranded
        {
            let id = ArmId {
                nth_try,
                ..ArmId::first(&self.context.setup.plan.cells[cell].id, arm)
            };
            let fault = fault(Stage::Queue, None, self.why(cause));
            for event in [Event::ArmStarted, Event::ArmFailed { fault }, Event::ArmFinished] {
                self.context.events.emit(Some(id.clone()), event);
            }
        }
    }

    fn why(&self, cause: Cause) -> LabError {
        let lost = self.lost.first().filter(|_| cause == Cause::HostLost);
        if let Some(&host) = lost {
            let error = self.context.sites[host].lost_error();
            return LabError {
                message: format!(
                    "it never started, and no host is left that can hold it: {}",
                    error.message
                ),
                ..error
            };
        }
        LabError::new(
            cause,
            format!("it never started: {} has not enough free for it", self.hosts()),
        )
        .with_hint("free some on the host, and run it again")
    }

    fn hosts(&self) -> String {
        let left = self.context.sites.iter().enumerate();
        let uris = left.filter(|(host, _)| !self.lost.contains(host));
        let uris: Vec<&str> = uris.map(|(_, site)| site.host.uri().as_str()).collect();
        uris.join(", ")
    }
}

fn seats(arms: &'static [Arm]) -> Vec<(Arm, Option<Seat>)> {
    if let [arm] = arms {
        return vec![(*arm, None)];
    }
    let (control, treatment) = pair::seats();
    vec![(Arm::Treatment, Some(treatment)), (Arm::Control, Some(control))]
}
