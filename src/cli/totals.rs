//! The summary of `plan`: how many steps would run, for how long, and which of them decide on that.

use std::io::Write;

use serde_json::{Value, json};

use igpt_contract::counted;

use super::outlooks::Outlooks;
use super::show::bytes;
use super::tasks::tasks;
use crate::engine::forecast::Forecast;
use crate::machine;
use crate::plan::PlannedStep;
use crate::report::clean::one_line;
use crate::report::{eta, seconds};

/// How many steps of the critical path are named.
const NAMED: usize = 8;

/// What the steps take that are not cached.
pub(super) struct Totals {
    /// How many steps there are, cached or not.
    all: usize,
    /// How many are not cached, and of how many of those the time is unknown.
    steps: usize,
    unknown: usize,
    /// How many cannot run.
    broken: usize,
    /// How many run only if an output above them changes, or a search needs them.
    perhaps: usize,
    /// Their time one after the other, and on the slots of this machine.
    wall_s: f64,
    elapsed_s: f64,
    slots: u32,
    /// The outputs of their last results.
    bytes: u64,
    critical_path: Vec<String>,
    critical_s: f64,
    /// The step that takes the most memory of the machine, and the one that takes the most of a GPU, with MiB.
    memory: Option<(u64, String)>,
    gpu_memory: Option<(u64, String)>,
}

impl Totals {
    pub(super) fn of(outlooks: &Outlooks, device: &str) -> Self {
        let Outlooks { plan, wanted } = outlooks;
        let is_open = |forecast: &Forecast| !matches!(forecast, Forecast::Reused(_));
        let open = wanted.iter().filter(|(_, outlook)| is_open(&outlook.forecast));
        let steps: Vec<_> =
            open.clone().map(|(step, outlook)| (*step, outlook.estimate.map(|one| one.wall_s))).collect();
        let tasks = tasks(plan, &steps);
        let slots = machine::budget(None, None).cpus;
        let (path, critical) = eta::critical_path(&tasks);
        let most = |of: &dyn Fn(&PlannedStep) -> Option<u64>| {
            let open = steps.iter().map(|(step, _)| &plan.steps[*step]);
            let known = open.filter_map(|step| Some((of(step)?, step.name.clone())));
            // The first of those that take the same.
            known.reduce(|most, next| if next.0 > most.0 { next } else { most })
        };
        let count = |is: fn(&Forecast) -> bool| open.clone().filter(|(_, one)| is(&one.forecast)).count();
        Self {
            all: wanted.len(),
            steps: steps.len(),
            unknown: steps.iter().filter(|(_, seconds)| seconds.is_none()).count(),
            broken: count(|one| matches!(one, Forecast::Broken(_))),
            perhaps: count(|one| matches!(one, Forecast::Below(_) | Forecast::Undecided)),
            wall_s: steps.iter().filter_map(|(_, seconds)| *seconds).sum(),
            elapsed_s: eta::total(&tasks, slots).seconds,
            slots,
            bytes: open.filter_map(|(_, outlook)| outlook.past).map(|past| past.bytes).sum(),
            critical_path: path.iter().map(|task| plan.steps[steps[*task].0].name.clone()).collect(),
            critical_s: critical.seconds,
            memory: most(&|step: &PlannedStep| {
                step.memory.map(|memory| memory.of_machine(step.is_on_gpu(device)))
            }),
            gpu_memory: most(&|step: &PlannedStep| {
                step.memory.filter(|_| step.is_on_gpu(device)).map(|memory| memory.gpu_mib)
            }),
        }
    }

    /// Whether something is known of the time.
    fn is_known(&self) -> bool {
        self.unknown < self.steps || self.steps == 0
    }

    pub(super) fn as_json(&self) -> Value {
        let known = self.is_known();
        json!({
            "steps": self.steps, "unknown": self.unknown,
            "wall_s": known.then_some(self.wall_s), "bytes": known.then_some(self.bytes),
            "elapsed_s": known.then_some(self.elapsed_s), "slots": self.slots,
            "critical_path": known.then_some(&self.critical_path),
            "critical_s": known.then_some(self.critical_s),
            "memory_mib": self.memory.as_ref().map(|(mib, _)| mib),
            "gpu_memory_mib": self.gpu_memory.as_ref().map(|(mib, _)| mib),
        })
    }

    /// The summary, a line for each thing that there is to say.
    pub(super) fn tell(&self, pipeline: &str, out: &mut dyn Write) -> std::io::Result<()> {
        writeln!(out, "`{}`: {}", one_line(pipeline), self.counts())?;
        if self.steps == 0 {
            return Ok(());
        }
        for (what, most) in [("memory ", &self.memory), ("GPU    ", &self.gpu_memory)] {
            if let Some((mib, step)) = most {
                let size = bytes(mib.saturating_mul(1 << 20));
                writeln!(out, "{what} about {size} at most, for {}", one_line(step))?;
            }
        }
        if !self.is_known() {
            return writeln!(out, "time    unknown: no earlier run has timed these steps");
        }
        let at_least = if self.unknown == 0 { "about" } else { "at least" };
        write!(out, "time    {at_least} {}", seconds(self.elapsed_s))?;
        if self.wall_s > self.elapsed_s * 1.01 {
            let slots = counted(self.slots, "processor slot");
            write!(out, " on {slots} ({} one after the other)", seconds(self.wall_s))?;
        }
        match self.unknown {
            0 => writeln!(out)?,
            n => writeln!(out, "; unknown for {}", counted(n, "step"))?,
        }
        if self.critical_path.len() > 1 {
            let (time, path) = (seconds(self.critical_s), self.path());
            writeln!(out, "longest {path}: {time}, however many processors there are")?;
        }
        match self.bytes {
            0 => Ok(()),
            n => writeln!(out, "disk    about {}, as their last results", bytes(n)),
        }
    }

    /// `all 15 steps cached`, `3 of 4 steps to run`.
    fn counts(&self) -> String {
        let Self { all, steps, broken, perhaps, .. } = *self;
        let mut text = match (all, steps) {
            (0, _) => "no steps".to_owned(),
            (1, 0) => "the step is cached".to_owned(),
            (_, 0) => format!("all {all} steps cached"),
            (_, n) if n == all => format!("{} to run", counted(all, "step")),
            (_, n) => format!("{n} of {all} steps to run, {} cached", all - n),
        };
        if perhaps > 0 {
            text.push_str(&format!(", {perhaps} of them only if an output before them changes"));
        }
        if broken > 0 {
            text.push_str(&format!("; {} cannot run", counted(broken, "step")));
        }
        text
    }

    fn path(&self) -> String {
        let path = &self.critical_path;
        let name = |name: &String| one_line(name).into_owned();
        if path.len() <= NAMED {
            return path.iter().map(name).collect::<Vec<_>>().join(" > ");
        }
        let ends = [&path[..NAMED / 2], &path[path.len() - NAMED / 2..]];
        let [first, last] = ends.map(|names| names.iter().map(name).collect::<Vec<_>>().join(" > "));
        format!("{first} > ... > {last} ({} steps)", path.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(all: usize, steps: usize, unknown: usize) -> Totals {
        Totals {
            all,
            steps,
            unknown,
            broken: 0,
            perhaps: 0,
            wall_s: 20.0,
            elapsed_s: 12.0,
            slots: 2,
            bytes: 2048,
            critical_path: (0..steps).map(|n| format!("s{n}")).collect(),
            critical_s: 11.0,
            memory: None,
            gpu_memory: None,
        }
    }

    fn told(totals: &Totals) -> String {
        let mut text = Vec::new();
        totals.tell("p", &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn the_summary_is_in_plain_words() {
        assert_eq!(told(&totals(15, 0, 0)), "`p`: all 15 steps cached\n");
        assert_eq!(told(&totals(1, 0, 0)), "`p`: the step is cached\n");
        let new = told(&totals(1, 1, 1));
        assert_eq!(new, "`p`: 1 step to run\ntime    unknown: no earlier run has timed these steps\n");
        assert_eq!(
            told(&Totals { perhaps: 2, ..totals(4, 3, 1) }),
            "`p`: 3 of 4 steps to run, 1 cached, 2 of them only if an output before them changes\n\
             time    at least 12.0 s on 2 processor slots (20.0 s one after the other); unknown for 1 step\n\
             longest s0 > s1 > s2: 11.0 s, however many processors there are\n\
             disk    about 2.0 KiB, as their last results\n"
        );
        let large = Totals {
            memory: Some((1536, "pre".to_owned())),
            gpu_memory: Some((59_000, "pre".to_owned())),
            ..totals(1, 1, 1)
        };
        assert!(
            told(&large).contains(
                "memory  about 1.5 GiB at most, for pre\nGPU     about 57.6 GiB at most, for pre\n"
            ),
            "{}",
            told(&large)
        );
        let long = told(&totals(30, 30, 0));
        assert!(
            long.contains("longest s0 > s1 > s2 > s3 > ... > s26 > s27 > s28 > s29 (30 steps)"),
            "{long}"
        );
    }
}
