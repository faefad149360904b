//! The ranks of a step as one of them sees them.

use std::ops::Range;

use igpt_contract::{StageContext, StageError, StageIo};
use serde::Serialize;

#[cfg(feature = "tch")]
use joined::Joined;

/// The ranks of a step, this process among them. All of them call the same functions in the same order.
#[derive(Debug)]
pub struct Team {
    index: usize,
    ranks: usize,
    #[cfg(feature = "tch")]
    joined: Option<std::sync::Mutex<Joined>>,
}

impl Team {
    /// One process alone.
    pub fn alone() -> Self {
        Self {
            index: 0,
            ranks: 1,
            #[cfg(feature = "tch")]
            joined: None,
        }
    }

    /// The team of a step of the stage `kind` with `ranks` processes: in the step's own process the others
    /// are started, with the same parameters and inputs. Returns when all have come.
    ///
    /// # Errors
    /// If this build has no such thing, a process cannot be started, or one does not come.
    pub fn gather(
        kind: &str,
        params: &impl Serialize,
        ranks: usize,
        io: &StageIo,
        cx: &StageContext,
    ) -> Result<Self, StageError> {
        let machines = cx.machines();
        if !ranks.is_multiple_of(machines) || ranks < machines {
            return Err(StageError::new(format!(
                "{ranks} processes cannot share {machines} machines evenly"
            ))
            .hint("`processes` is a multiple of the `nodes` that cluster.yaml gives the step"));
        }
        if ranks <= 1 && cx.rank().is_none() {
            return Ok(Self::alone());
        }
        #[cfg(feature = "tch")]
        {
            let params = serde_json::to_value(params)
                .map_err(|error| StageError::caused("the parameters cannot be passed on", error))?;
            let (index, ranks, joined) = Joined::gather(kind, params, ranks, io, cx)?;
            Ok(Self { index, ranks, joined: Some(std::sync::Mutex::new(joined)) })
        }
        #[cfg(not(feature = "tch"))]
        {
            let _ = (kind, params, io);
            Err(StageError::new(format!("{ranks} processes for one step are not in this build"))
                .hint("build with `--features tch` and libtorch (see the README), or take `processes: 1`"))
        }
    }

    /// Which rank this process is, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// How many ranks there are.
    pub fn ranks(&self) -> usize {
        self.ranks
    }

    /// Whether this is rank 0, which alone writes and reports.
    pub fn leads(&self) -> bool {
        self.index == 0
    }

    /// This rank's share of `lanes`, of which each rank has equally many, in the order of ranks.
    pub fn share(&self, lanes: usize) -> Range<usize> {
        let each = lanes / self.ranks;
        self.index * each..(self.index + 1) * each
    }

    /// Fails in rank 0 where another one has ended: cheap, to be called between pieces of work.
    ///
    /// # Errors
    /// Which one, and how.
    pub fn check(&self) -> Result<(), StageError> {
        #[cfg(feature = "tch")]
        if let Some(mut joined) = self.joined() {
            return joined.crew.check();
        }
        Ok(())
    }

    /// [`StageContext::check`] of rank 0, with the same answer in all.
    ///
    /// # Errors
    /// [`StageError::Cancelled`] in all where rank 0 is to stop; if a rank is lost.
    pub fn check_cancelled(&self, cx: &StageContext) -> Result<(), StageError> {
        match self.broadcast(vec![u8::from(cx.is_cancelled())])?.as_slice() {
            [0] => Ok(()),
            _ => Err(StageError::Cancelled),
        }
    }

    /// Waits until all have come here, so that none that ends takes an exchange from another.
    ///
    /// # Errors
    /// If a rank is lost.
    pub fn part(self) -> Result<(), StageError> {
        self.all_gather_f64(&[0.0]).map(drop)
    }

    /// The bytes of rank 0. What the others give counts for nothing.
    ///
    /// # Errors
    /// If a rank is lost.
    pub fn broadcast(&self, bytes: Vec<u8>) -> Result<Vec<u8>, StageError> {
        #[cfg(feature = "tch")]
        if let Some(mut joined) = self.joined() {
            let mut length = (bytes.len() as u64).to_le_bytes();
            joined.exchange(|group| group.broadcast(&mut length))?;
            let mut bytes = bytes;
            bytes.resize(u64::from_le_bytes(length) as usize, 0);
            joined.exchange(|group| group.broadcast(&mut bytes))?;
            return Ok(bytes);
        }
        Ok(bytes)
    }

    /// Replaces numbers, of which all ranks have equally many, by those of rank 0.
    ///
    /// # Errors
    /// If a rank is lost.
    pub fn broadcast_f32(&self, numbers: &mut [f32]) -> Result<(), StageError> {
        #[cfg(feature = "tch")]
        if let Some(mut joined) = self.joined() {
            return joined.exchange(|group| group.broadcast(numbers));
        }
        let _ = numbers;
        Ok(())
    }

    /// Everybody's numbers, of which all have equally many, one rank's after another's.
    ///
    /// # Errors
    /// If a rank is lost.
    pub fn all_gather(&self, mine: &[f32]) -> Result<Vec<f32>, StageError> {
        #[cfg(feature = "tch")]
        if let Some(mut joined) = self.joined() {
            return joined.exchange(|group| group.all_gather(mine));
        }
        Ok(mine.to_vec())
    }

    /// [`Self::all_gather`] of few numbers, in double precision.
    ///
    /// # Errors
    /// If a rank is lost.
    pub fn all_gather_f64(&self, mine: &[f64]) -> Result<Vec<f64>, StageError> {
        #[cfg(feature = "tch")]
        if let Some(mut joined) = self.joined() {
            return joined.exchange(|group| group.all_gather(mine));
        }
        Ok(mine.to_vec())
    }

    /// Gives each rank so many of the numbers as `given` says, in their order, and takes from each as many as
    /// `taken` says.
    ///
    /// # Errors
    /// If a rank is lost.
    pub fn all_to_all(
        &self,
        mine: Vec<f32>,
        given: &[usize],
        taken: &[usize],
    ) -> Result<Vec<f32>, StageError> {
        #[cfg(feature = "tch")]
        if let Some(mut joined) = self.joined() {
            return joined.exchange(|group| group.all_to_all(&mine, given, taken));
        }
        let _ = (given, taken);
        Ok(mine)
    }

    #[cfg(feature = "tch")]
    fn joined(&self) -> Option<std::sync::MutexGuard<'_, Joined>> {
        self.joined.as_ref().map(|joined| joined.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

#[cfg(feature = "tch")]
mod joined {
    use std::time::{Duration, Instant};

    use igpt_aten::{Arrived, Group, GroupError};
    use igpt_contract::{Digest, Rank, StageContext, StageError, StageIo, instruction_set};
    use serde_json::Value;

    use crate::crew::Crew;
    use crate::job::{LostRank, RankJob};

    /// How long a process may take to start and load LibTorch.
    const COME: Duration = Duration::from_secs(120);
    /// How long those that are there may take to connect. One that dies meanwhile is waited for as long.
    const CONNECT: Duration = Duration::from_secs(20);
    /// How long ranks wait for one that is alive: rank 0 may be writing a large checkpoint. One that ends is
    /// noticed at once.
    const ANSWER: Duration = Duration::from_secs(1800);

    /// Ranks that are connected.
    #[derive(Debug)]
    pub(super) struct Joined {
        /// Above the crew: it is left before the other processes are ended.
        group: Group,
        pub(super) crew: Crew,
        leads: bool,
    }

    impl Joined {
        /// This rank's place, how many there are, and the connection.
        pub(super) fn gather(
            kind: &str,
            params: Value,
            ranks: usize,
            io: &StageIo,
            cx: &StageContext,
        ) -> Result<(usize, usize, Self), StageError> {
            if let Some(Rank { index, ranks, machines, meeting }) = cx.rank() {
                let here = Arrived::at(meeting, *index, *ranks);
                let group = here.and_then(|here| here.join(*machines > 1, COME, ANSWER));
                let mut group = group.map_err(lost)?;
                alike(&mut group).map_err(lost)??;
                return Ok((*index, *ranks, Self { group, crew: Crew::default(), leads: false }));
            }
            let folder = cx.checkpoint_dir();
            std::fs::create_dir_all(folder)?;
            let meeting = folder.join(format!("meeting-{}", std::process::id()));
            // One of an attempt that was killed, by a process of the same number.
            let _ = std::fs::remove_file(&meeting);
            let job = |index: usize| RankJob {
                kind: kind.to_owned(),
                params: params.clone(),
                inputs: io.inputs.clone(),
                seed: cx.seed(),
                threads: cx.threads(),
                device: cx.device().to_owned(),
                offline: cx.is_offline(),
                scratch: folder.join(format!("rank-{index}")),
                rank: Rank { index, ranks, machines: cx.machines(), meeting: meeting.clone() },
            };
            let here = Arrived::at(&meeting, 0, ranks).map_err(lost)?;
            let mut crew = Crew::start((1..ranks).map(job).collect(), cx)?;
            let begun = Instant::now();
            for rank in 1..ranks {
                while !here.sees(rank).map_err(lost)? {
                    cx.check()?;
                    crew.check()?;
                    if begun.elapsed() > COME {
                        let what = format!("rank {rank} did not come within {} seconds", COME.as_secs());
                        return Err(StageError::new(what));
                    }
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
            let joined = here.join(cx.machines() > 1, CONNECT, ANSWER).and_then(|mut group| {
                // Until all are connected with all, they look for each other in the file.
                let alike = alike(&mut group)?;
                Ok((group, alike))
            });
            // Where it is not there, nothing is left to remove.
            let _ = std::fs::remove_file(&meeting);
            let (group, alike) = joined.map_err(|error| crew.blame(Some(error.0)))?;
            alike?;
            Ok((0, ranks, Self { group, crew, leads: true }))
        }

        /// An exchange; rank 0 finds out who is to blame where it fails.
        pub(super) fn exchange<T>(
            &mut self,
            with: impl FnOnce(&mut Group) -> Result<T, GroupError>,
        ) -> Result<T, StageError> {
            with(&mut self.group).map_err(|error| match self.leads {
                true => self.crew.blame(Some(error.0)),
                false => lost(error),
            })
        }
    }

    /// Whether all ranks compute with the same instructions: others would make other bits under the same key.
    fn alike(group: &mut Group) -> Result<Result<(), StageError>, GroupError> {
        let mine = *Digest::of(instruction_set().as_bytes()).as_bytes();
        let all = group.all_gather(&mine)?;
        let alike = all.chunks_exact(mine.len()).all(|one| one == mine);
        Ok(if alike {
            Ok(())
        } else {
            Err(StageError::new("the nodes of the step have processors of different kinds")
                .hint("`constraint` in cluster.yaml chooses nodes of one kind"))
        })
    }

    fn lost(error: GroupError) -> StageError {
        StageError::caused("this rank has lost the others", LostRank(error.0))
    }
}
