//! `verify BUNDLE`: check a bundle of somebody else's, make its tables and figures again, and take it over.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use igpt_contract::{Digest, counted};
use serde_json::{Value, json};

use super::audit::{Again, text as verdict_text};
use super::error::CliError;
use super::load::load;
use super::options::PipelineArgs;
use super::run::{INTERRUPTED, begin_guards};
use super::show::bytes;
use super::terminal::Terminal;
use super::verify::VerifyArgs;
use crate::bundle::{Steps, Unpacked, rebuildable, unpack};
use crate::engine;
use crate::engine::audit::{Sample, Verdict};
use crate::engine::forecast::{Forecast, forecast};
use crate::engine::resolve::Resolver;
use crate::execute::guard::Guards;
use crate::machine;
use crate::plan::{Plan, StepId, Work};
use crate::report::seconds;
use crate::store::{Caches, Record, RunRecord, StepRecord, Store};

/// Verifies a bundle. The exit code is 0 if all of it holds, 100 if a result comes out differently, 101 if it is
/// damaged or not what it says.
pub(super) fn verify_bundle(
    store: &Path,
    json: bool,
    terminal: Terminal,
    bundle: &Path,
    args: &VerifyArgs,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let guards = begin_guards()?;
    let began = Instant::now();
    let folder = Folder::new()?;
    let unpacked = unpack(bundle, &folder.0, args.max_size)?;
    let checked = Checked::of(&unpacked)?;
    let (again, left) = checked.rebuilt(args.commands);
    let verdicts = match again.is_empty() {
        true => Vec::new(),
        false => checked.audit(&unpacked, &again, terminal, guards)?,
    };
    let stopped = INTERRUPTED.load(std::sync::atomic::Ordering::Relaxed);
    let different = verdicts.iter().filter(|(_, verdict)| *verdict != Verdict::Same).count();
    let faulty = checked.faults.len();
    let holds = faulty == 0 && different == 0 && !stopped;
    let import = args.import && holds;
    let imported = if import { Some(checked.import(&unpacked, store)?) } else { None };
    if json {
        let name = |id: &StepId| checked.plan.steps[*id].name.clone();
        let steps: Vec<Value> = verdicts
            .iter()
            .map(|(id, verdict)| {
                let mut value = json!(verdict);
                value["step"] = name(id).into();
                value
            })
            .collect();
        let left: Vec<Value> = left.iter().map(|(id, why)| json!({"step": name(id), "why": why})).collect();
        writeln!(
            out,
            "{:#}",
            json!({
                "bundle": bundle, "pipeline": unpacked.manifest.pipeline, "program": unpacked.manifest.program,
                "holds": holds, "objects": checked.objects, "bytes": checked.bytes, "records": checked.records.len(),
                "keys": checked.keys, "faults": checked.faults, "made_again": steps, "not_made_again": left,
                "imported": imported.map(|(objects, records)| json!({"objects": objects, "records": records})),
            })
        )?;
    } else {
        checked.tell(&unpacked, &verdicts, &left, out)?;
        if let Some((objects, records)) = imported {
            let (objects, records) = (counted(objects, "object"), counted(records, "record"));
            writeln!(out, "  imported into {}: {objects} and {records} that were missing", store.display())?;
        } else if args.import {
            writeln!(out, "  nothing was imported")?;
        }
        let verdict = if holds { "verified" } else { "NOT verified" };
        writeln!(out, "{verdict} in {}", seconds(began.elapsed().as_secs_f64()))?;
    }
    Ok(ExitCode::from(match (stopped, faulty, different) {
        (true, ..) => 130,
        (_, 0, 0) => 0,
        (_, 0, _) => 100,
        _ => 101,
    }))
}

/// A folder for the unpacked bundle; it goes with the verification.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, CliError> {
        let nanos = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |elapsed| elapsed.as_nanos());
        let path = std::env::temp_dir().join(format!("igpt-flow-verify-{}-{nanos:x}", std::process::id()));
        // Fails where somebody else put something there.
        use std::os::unix::fs::DirBuilderExt as _;
        fs::DirBuilder::new().mode(0o700).create(&path).map_err(CliError::file("create", &path))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a look at an unpacked bundle found.
struct Checked {
    store: Store,
    plan: Plan,
    objects: usize,
    bytes: u64,
    records: BTreeMap<Digest, Record>,
    /// Steps of the plan -> their records, by keys made from the pipeline anew.
    steps: BTreeMap<StepId, Record>,
    /// How many steps have the key that the bundle says.
    keys: usize,
    /// What does not hold.
    faults: Vec<String>,
}

impl Checked {
    fn of(unpacked: &Unpacked) -> Result<Self, CliError> {
        let manifest = &unpacked.manifest;
        let store = Store::open(&unpacked.store())?;
        let mut faults = Vec::new();
        let (mut objects, mut bytes, mut records) = (0, 0, BTreeMap::new());
        for file in &manifest.files {
            // That the bytes are those of the digest was seen when it was unpacked.
            if file.object().is_some() {
                objects += 1;
                bytes += file.bytes;
            }
            let Some(key) = file.record() else { continue };
            match store.record(&key) {
                Some(record) if record.material.key() == key => drop(records.insert(key, record)),
                Some(_) => {
                    faults.push(format!("the key of `{}` does not follow from its key material", file.name))
                }
                None => faults.push(format!("`{}` is damaged, or the record of another key", file.name)),
            }
        }
        Caches::rebuild(&store)?;
        let file = unpacked.pipeline();
        let args = PipelineArgs {
            file: file.clone(),
            sets: manifest.sets.clone(),
            profiles: manifest.profiles.clone(),
        };
        let plan = load(&args)?;
        let caches = RefCell::new(Caches::open(&store));
        let folder = engine::folder_of(&file);
        // What a bundle of somebody else's names outside itself is not looked at.
        let resolver = Resolver::new(&plan, &store, &caches, &folder, &manifest.numerics).off_disk(true);
        let (outlooks, _) = forecast(&resolver, machine::budget(None, None).cpus)?;
        let (mut steps, mut keys) = (BTreeMap::new(), 0);
        for said in &manifest.steps {
            let id = plan.steps.iter().position(|step| step.name == said.name);
            match id.map(|id| (id, &outlooks[id].forecast)) {
                Some((id, Forecast::Reused(key))) if *key == said.key => {
                    keys += 1;
                    steps.extend(records.get(key).map(|record| (id, record.clone())));
                }
                Some((_, Forecast::Reused(key))) => {
                    faults.push(format!("`{}` has the key {} by its pipeline", said.name, key.short()));
                }
                Some((_, other)) => {
                    faults.push(format!(
                        "`{}` has no record with the key of its pipeline ({})",
                        said.name,
                        why(other)
                    ));
                }
                None => faults.push(format!("its pipeline has no step `{}`", said.name)),
            }
        }
        Ok(Self { store, plan, objects, bytes, records, steps, keys, faults })
    }

    /// The steps to run again, and those that are not, each with the reason. Commands are somebody else's
    /// programs: they run only where that is asked for.
    fn rebuilt(&self, commands: bool) -> (BTreeSet<StepId>, Vec<(StepId, String)>) {
        let steps = Steps { plan: &self.plan, store: &self.store, records: self.steps.clone() };
        let (mut again, mut left) = (BTreeSet::new(), Vec::new());
        for (id, can) in rebuildable(&steps) {
            match can {
                Ok(()) if commands || !matches!(self.plan.steps[id].work, Work::Command(_)) => {
                    again.insert(id);
                }
                Ok(()) => {
                    left.push((id, "it is a command from the bundle (`--commands` runs it)".to_owned()))
                }
                Err(why) => left.push((id, why)),
            }
        }
        (again, left)
    }

    /// Runs steps again in a store of their own and compares them with their records.
    fn audit(
        &self,
        unpacked: &Unpacked,
        again: &BTreeSet<StepId>,
        terminal: Terminal,
        guards: Guards,
    ) -> Result<Vec<(StepId, Verdict)>, CliError> {
        let again = Again {
            plan: &self.plan,
            store: &self.store,
            name: "verify",
            folder: engine::folder_of(&unpacked.pipeline()),
            jobs: None,
            targets: again.iter().map(|id| self.plan.steps[*id].name.clone()).collect(),
            device: "cpu".to_owned(),
            numerics: unpacked.manifest.numerics.clone(),
            offline: true,
            remote: None,
            off_disk: true,
            sample: Sample { share: 1.0, seed: 0 },
            tolerance: 0.0,
        };
        again.run(terminal, guards)
    }

    fn tell(
        &self,
        unpacked: &Unpacked,
        verdicts: &[(StepId, Verdict)],
        left: &[(StepId, String)],
        out: &mut dyn Write,
    ) -> std::io::Result<()> {
        let manifest = &unpacked.manifest;
        writeln!(out, "`{}`, bundled by igpt-flow {}", manifest.pipeline, manifest.program.version)?;
        let objects = counted(self.objects, "object");
        writeln!(out, "  {objects} ({}): each matches its digest", bytes(self.bytes))?;
        let records = counted(self.records.len(), "record");
        writeln!(out, "  {records}: each matches its key material")?;
        let (keys, of) = (self.keys, counted(manifest.steps.len(), "step"));
        writeln!(out, "  {keys} of {of} of the pipeline: the key is that of the record")?;
        for fault in &self.faults {
            writeln!(out, "  FAULT: {fault}")?;
        }
        for (id, verdict) in verdicts {
            let said = match verdict {
                Verdict::Same => "all bytes match".to_owned(),
                other => verdict_text(other),
            };
            writeln!(out, "  rebuilt: {}: {said}", self.plan.steps[*id].name)?;
        }
        for (id, why) in left {
            writeln!(out, "  not rebuilt: {}: {why}", self.plan.steps[*id].name)?;
        }
        Ok(())
    }

    /// Takes all of a bundle that holds over into a store: objects first, records last, then a run that names the
    /// steps, for the verbs that look back. Answers how many objects and records were new.
    fn import(&self, unpacked: &Unpacked, store: &Path) -> Result<(usize, usize), CliError> {
        let store = Store::open(store)?;
        let _live = store.hold()?;
        let (mut objects, mut records) = (0, 0);
        for digest in unpacked.manifest.files.iter().filter_map(|file| file.object()) {
            let from = self.store.path_of_file(&digest);
            if store.path_of_file(&digest).exists() {
                continue;
            }
            let mut file = File::open(&from).map_err(CliError::file("read", &from))?;
            let (copied, _) = store.receive(&digest, |to| io::copy(&mut file, to))?;
            copied.map_err(CliError::file("read", &from))?;
            objects += 1;
        }
        let mut caches = Caches::open(&store);
        for record in self.records.values() {
            records += usize::from(store.adopt(record)?);
            if caches.last_keys(&record.pipeline, &record.step).is_empty() {
                caches.remember(&record.pipeline, &record.step, record.key);
            }
        }
        // The index is a help: without it some is looked up again.
        let _ = caches.flush();
        let run = store.new_run()?;
        let step = |(id, record): (&StepId, &Record)| {
            let name = self.plan.steps[*id].name.clone();
            StepRecord {
                log: engine::logs::file_name(&name),
                name,
                key: Some(record.key),
                outcome: "done".to_owned(),
            }
        };
        run.finish(&RunRecord {
            id: run.id().to_owned(),
            pipeline: self.plan.name.clone(),
            file: PathBuf::from(&unpacked.manifest.file),
            arguments: Vec::new(),
            status: "imported".to_owned(),
            plan: None,
            program: unpacked.manifest.program.clone(),
            finished: jiff::Timestamp::now(),
            steps: self.steps.iter().map(step).collect(),
        })?;
        Ok((objects, records))
    }
}

/// What would become of a step that is not there.
fn why(forecast: &Forecast) -> String {
    match forecast {
        Forecast::Runs { why, .. } | Forecast::Broken(why) => why.clone(),
        Forecast::Below(step) => format!("`{step}` has none"),
        Forecast::Reused(_) | Forecast::New | Forecast::Undecided => "it would run".to_owned(),
    }
}
