//! The loop: it makes a pass at every change of the routes, and regularly one that first looks what HAProxy has.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::Target;
use super::command::{Answer, Change, Command, DENIED, EXPERIMENTAL, are_options, is_name};
use super::error::Error;
use super::plan::plan;
use super::socket::{ask, ask_for_lines, lines};
use super::state::{Servers, apply, parse};
use super::voice::Voice;
use crate::route::Status;
use ringmon_core::route::Routes;

/// The first pause while HAProxy is away; it doubles each time.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

pub(super) struct Keeper {
    target: Target,
    report: watch::Sender<Status>,
    status: Status,
    voice: Voice,
    /// What HAProxy had at the last look, with the changes since; nothing after a failure.
    known: Option<Servers>,
    /// The names in the last routes that were not empty.
    listed: BTreeSet<String>,
    /// Servers that are dead and gone from the routes, but still have sessions.
    orphaned_sessions: BTreeSet<String>,
    /// What the last look found to do. If the next one finds the same, somebody else undoes it.
    found: Vec<Command>,
}

/// What became of a plan.
#[derive(Default)]
struct Done {
    changes: u64,
    problems: Vec<String>,
}

impl Keeper {
    pub(super) fn new(target: Target, report: watch::Sender<Status>) -> Self {
        let status = Status::named(target.to_string());
        let voice = Voice::new(target.to_string());
        let (listed, orphaned_sessions) = (BTreeSet::new(), BTreeSet::new());
        Self { target, report, status, voice, known: None, listed, orphaned_sessions, found: Vec::new() }
    }

    pub(super) async fn run(mut self, mut routes: watch::Receiver<Arc<Routes>>) {
        let every = self.target.options.every.max(Duration::from_millis(1));
        let (mut look, mut pause, mut open) = (true, PAUSE, true);
        let mut next = Instant::now();
        loop {
            let list = Arc::clone(&routes.borrow_and_update());
            let result = self.pass(&list, look).await;
            let away = result.as_ref().is_err_and(Error::is_away);
            if away {
                next = Instant::now() + pause.min(every);
                pause = (pause * 2).min(LONGEST_PAUSE);
            } else if look {
                next = Instant::now() + every;
                pause = PAUSE;
            }
            self.publish(&result);
            look = tokio::select! {
                changed = routes.changed(), if open => {
                    // Nobody will send new routes: the last ones stay.
                    open = changed.is_ok();
                    false
                }
                () = sleep_until(next) => true,
            };
        }
    }

    /// Brings HAProxy in step, and returns the problems that remain.
    async fn pass(&mut self, routes: &Routes, look: bool) -> Result<Vec<String>, Error> {
        let began = Instant::now();
        self.note_names(routes);
        let quick = if look { None } else { self.known.take() };
        let is_quick = quick.is_some();
        let has = match quick {
            Some(has) => has,
            None => self.look().await?,
        };
        if routes.servers.is_empty() {
            self.known = Some(has);
            return Ok(vec!["nothing is known of the pool yet: HAProxy keeps what it has".to_owned()]);
        }
        let done = self.apply(has, routes, !is_quick, began).await?;
        if !is_quick || done.problems.is_empty() {
            return Ok(done.problems);
        }
        // A reload or a hand has changed what was last seen.
        let has = self.look().await?;
        Ok(self.apply(has, routes, false, began).await?.problems)
    }

    fn note_names(&mut self, routes: &Routes) {
        if routes.servers.is_empty() {
            return;
        }
        let names: BTreeSet<String> = routes.servers.iter().map(|route| route.name.clone()).collect();
        // Only dead ones: a server that left, or lost only its agent, may be serving its last clients.
        self.orphaned_sessions
            .extend(self.listed.difference(&names).filter(|name| routes.dead.contains(name)).cloned());
        self.orphaned_sessions.retain(|name| !names.contains(name));
        self.listed = names;
    }

    /// Asks HAProxy what it has, and whether ringmon may change it.
    async fn look(&self) -> Result<Servers, Error> {
        let Target { socket, backend, options } = &self.target;
        if !is_name(backend) {
            return Err(Error::NoBackend(backend.clone()));
        }
        if !are_options(&options.add_options) {
            let words = &options.add_options;
            return Err(Error::Options(format!("{words:?} cannot stand behind `add server`: no ; \\ # or quotes")));
        }
        let answers = ask(socket, &[EXPERIMENTAL.to_owned(), format!("show servers state {backend}")]).await?;
        // So that this is known before the first server dies, not when it does.
        if answers.iter().any(|answer| answer.starts_with(DENIED)) {
            return Err(Error::Denied { at: socket.to_string() });
        }
        parse(answers.last().map_or("", String::as_str), backend)
    }

    async fn apply(&mut self, mut has: Servers, routes: &Routes, looked: bool, began: Instant) -> Result<Done, Error> {
        // A server that HAProxy does not have has no sessions either.
        self.orphaned_sessions.retain(|name| has.contains_key(name));
        let plan = plan(&has, routes, &self.orphaned_sessions, &self.target.options);
        let mut done = self.send(&mut has, &plan.commands).await?;
        self.known = Some(has);
        if done.changes > 0 {
            self.status.applied += done.changes;
            self.status.applied_in = began.elapsed();
        }
        done.problems.splice(0..0, plan.problems);
        if looked {
            let mut commands = plan.commands;
            commands.retain(|command| command.change != Change::Delete);
            if !commands.is_empty() && commands == self.found && done.problems.is_empty() {
                let words = commands[0].words(&self.target.backend, "");
                done.problems.push(format!("somebody undoes what is set, as `{words}`"));
            }
            self.found = commands;
        }
        Ok(done)
    }

    /// Sends commands, and notes in `has` which were carried out.
    async fn send(&mut self, has: &mut Servers, commands: &[Command]) -> Result<Done, Error> {
        let Target { socket, backend, options } = self.target.clone();
        let words: Vec<String> = commands.iter().map(|c| c.words(&backend, &options.add_options)).collect();
        let deletions = commands.partition_point(|command| command.change != Change::Delete);
        let mut done = Done::default();
        let mut first = 0;
        for count in lines(&words[..deletions]) {
            let here = first..first + count;
            first += count;
            let experimental = commands[here.clone()].iter().any(Command::is_experimental);
            let silent = experimental.then(|| EXPERIMENTAL.to_owned());
            let line: Vec<String> = silent.into_iter().chain(words[here.clone()].iter().cloned()).collect();
            let answers = ask(&socket, &line).await?.split_off(usize::from(experimental));
            self.note(has, &mut done, &commands[here], &answers)?;
        }
        for count in lines(&words[deletions..]) {
            let here = first..first + count;
            first += count;
            let answers = ask_for_lines(&socket, EXPERIMENTAL, &words[here.clone()]).await?;
            self.note(has, &mut done, &commands[here], &answers)?;
        }
        Ok(done)
    }

    fn note(
        &mut self,
        has: &mut Servers,
        done: &mut Done,
        commands: &[Command],
        answers: &[String],
    ) -> Result<(), Error> {
        for (command, text) in commands.iter().zip(answers) {
            match command.answer(text) {
                Answer::Done => {
                    done.changes += 1;
                    apply(has, command);
                    if command.change == Change::Shutdown {
                        self.orphaned_sessions.remove(&command.server);
                    }
                }
                Answer::Waits => {}
                Answer::Refused(why) => {
                    let words = command.words(&self.target.backend, &self.target.options.add_options);
                    done.problems.push(format!("HAProxy refuses `{words}`: {why}"));
                }
                Answer::Denied => return Err(Error::Denied { at: self.target.socket.to_string() }),
            }
        }
        Ok(())
    }

    fn publish(&mut self, result: &Result<Vec<String>, Error>) {
        self.status.problem = match result {
            Ok(problems) => {
                self.voice.back();
                for problem in problems.iter().take(5) {
                    self.voice.problem(problem);
                }
                let more = problems.len().saturating_sub(1);
                let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
                problems.first().map(|first| format!("{first}{more}"))
            }
            Err(error) => {
                self.known = None;
                self.voice.failed(error);
                Some(error.to_string())
            }
        };
        self.status.in_step = self.status.problem.is_none();
        let status = &self.status;
        self.report.send_if_modified(|old| {
            let new = old != status;
            if new {
                old.clone_from(status);
            }
            new
        });
    }
}
