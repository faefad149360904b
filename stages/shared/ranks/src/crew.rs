//! The further ranks as rank 0 sees them: processes that it started.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use igpt_contract::{StageContext, StageError};

use crate::job::{RankFailure, RankJob};

/// How long ranks may take to be gone, once one of them is or all have done their work.
const END: Duration = Duration::from_secs(5);
/// How often they are looked at meanwhile.
const TICK: Duration = Duration::from_millis(20);

/// The further ranks of a step.
#[derive(Debug, Default)]
pub(crate) struct Crew {
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    rank: usize,
    child: Child,
    /// Its end is the rank's.
    input: Option<ChildStdin>,
    said: Option<JoinHandle<Option<RankFailure>>>,
    ended: Option<(ExitStatus, Option<RankFailure>)>,
}

impl Crew {
    /// Starts a process for each job, by the command line of its machine. Their standard error is this process's.
    pub(crate) fn start(jobs: Vec<RankJob>, cx: &StageContext) -> Result<Self, StageError> {
        let mut crew = Self::default();
        for job in jobs {
            let machine = job.rank.index * job.rank.machines / job.rank.ranks;
            let command = cx.rank_commands().get(machine).and_then(|command| command.split_first());
            let Some((program, arguments)) = command else {
                return Err(StageError::new("further processes cannot be started here"));
            };
            let mut command = Command::new(program);
            command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
            let rank = job.rank.index;
            let member = Member::start(command, &job)
                .map_err(|error| StageError::caused(format!("cannot start rank {rank}"), error))?;
            let (ranks, process) = (job.rank.ranks, member.child.id());
            let place = match machine {
                0 => format!("process {process}"),
                _ => format!("on node {machine} of the job, by process {process}"),
            };
            cx.log(format!("rank {rank} of {ranks} is {place}"));
            crew.members.push(member);
        }
        Ok(crew)
    }

    /// Fails where a rank has ended.
    pub(crate) fn check(&mut self) -> Result<(), StageError> {
        match self.members.iter_mut().find_map(Member::end) {
            Some(_) => Err(self.blame(None)),
            None => Ok(()),
        }
    }

    /// The error of a step that has lost a rank: of one that has itself to blame, where there is one.
    pub(crate) fn blame(&mut self, exchange: Option<String>) -> StageError {
        let begun = Instant::now();
        loop {
            for member in &mut self.members {
                if let Some(error) = member.fault() {
                    return error;
                }
            }
            if begun.elapsed() > END {
                break;
            }
            std::thread::sleep(TICK);
        }
        let lost = exchange.unwrap_or_else(|| "one of them ended".to_owned());
        StageError::new(format!("the ranks of the step have lost each other: {lost}"))
            .hint("the training goes on from its last checkpoint, with any number of processes")
    }
}

impl Member {
    fn start(mut command: Command, job: &RankJob) -> io::Result<Self> {
        let line = serde_json::to_string(job)? + "\n";
        let mut child = command.spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let mut member = Self { rank: job.rank.index, child, input, said: None, ended: None };
        if let Some(output) = output {
            let listen = move || last_failure(output);
            member.said = Some(std::thread::Builder::new().spawn(listen)?);
        }
        if let Some(input) = &mut member.input {
            // One that ended before it read this is judged by its end.
            let _ = input.write_all(line.as_bytes());
        }
        Ok(member)
    }

    /// How it ended, if it has.
    fn end(&mut self) -> Option<&(ExitStatus, Option<RankFailure>)> {
        if self.ended.is_none() {
            let status = self.child.try_wait().ok()??;
            let said = self.said.take().and_then(|said| said.join().ok()).flatten();
            self.ended = Some((status, said));
        }
        self.ended.as_ref()
    }

    /// Why the step failed, if this rank is why.
    fn fault(&mut self) -> Option<StageError> {
        let rank = self.rank;
        match self.end()?.clone() {
            (_, Some(RankFailure { lost: true, .. })) => None,
            (_, Some(RankFailure { error, hint, .. })) => {
                let error = StageError::new(format!("rank {rank} failed: {error}"));
                Some(match hint {
                    Some(hint) => error.hint(hint),
                    None => error,
                })
            }
            (status, None) => {
                let how = match (status.signal(), status.code()) {
                    (Some(signal), _) => format!("was killed by signal {signal}"),
                    (None, Some(code)) => format!("ended with exit code {code}"),
                    (None, None) => "ended".to_owned(),
                };
                Some(StageError::new(format!("rank {rank} (process {}) {how}", self.child.id())).hint(
                    "the training goes on from its last checkpoint, with any number of processes; where \
                     memory ran out, take fewer",
                ))
            }
        }
    }
}

/// The failure among the lines of a rank; what a library prints is none.
fn last_failure(output: ChildStdout) -> Option<RankFailure> {
    let lines = BufReader::new(output).lines().map_while(Result::ok);
    lines.filter_map(|line| serde_json::from_str(&line).ok()).last()
}

impl Drop for Crew {
    /// Ends what has not ended by itself.
    fn drop(&mut self) {
        self.members.iter_mut().for_each(|member| drop(member.input.take()));
        let begun = Instant::now();
        for member in &mut self.members {
            while member.end().is_none() && begun.elapsed() < END {
                std::thread::sleep(TICK);
            }
            if member.end().is_none() {
                // It is gone already where this fails.
                let _ = member.child.kill();
                let _ = member.child.wait();
            }
        }
    }
}
