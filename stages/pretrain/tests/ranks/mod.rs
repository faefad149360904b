//! Several processes that train one network: the same bytes for any number of them.

use std::ffi::OsString;

use crate::support::{Attempt, Bench};

/// The variable that makes this test program a further rank.
const RANK: &str = "IGPT_TEST_RANK";

/// How a further rank of a test's training is started: as one test of this program.
pub(crate) fn command() -> Vec<OsString> {
    let program = std::env::current_exe().unwrap();
    let test = ["ranks::a_further_rank", "--exact", "--nocapture"];
    let start = ["env".into(), format!("{RANK}=1").into(), program.into()];
    start.into_iter().chain(test.map(OsString::from)).collect()
}

/// Not a test where a test starts it.
#[test]
fn a_further_rank() {
    if std::env::var_os(RANK).is_some() {
        let find = |_: &str| -> Option<std::sync::Arc<dyn igpt_contract::DynStage>> {
            Some(std::sync::Arc::new(igpt_pretrain::Pretrain))
        };
        let done = igpt_pretrain::serve_rank(find, std::io::stdin(), &mut std::io::stdout()).unwrap();
        assert!(done, "rank 0 says why");
    }
}

#[test]
fn several_gpus_are_refused_not_left_idle() {
    let bench = Bench::new();
    let params = bench.params(serde_json::json!({"lanes": 2}));
    let attempt = Attempt { gpus: 2, ..Attempt::of(&params) };
    let error = bench.run(attempt).unwrap_err().to_string();
    assert!(error.contains("one network on 2 GPUs is not built"), "{error}");
}

#[cfg(not(feature = "tch"))]
#[test]
fn several_processes_need_libtorch() {
    let bench = Bench::new();
    let params = bench.params(serde_json::json!({"lanes": 2, "processes": 2}));
    let error = format!("{:?}", bench.run(Attempt::of(&params)).unwrap_err());
    assert!(error.contains("2 processes for one step are not in this build"), "{error}");
    assert!(error.contains("--features tch"), "{error}");
    eprintln!("trainings on several processes were skipped: this build has no LibTorch");
}

#[cfg(feature = "tch")]
mod several {
    use std::time::{Duration, Instant};

    use igpt_contract::StageError;
    use serde_json::{Value, json};

    use crate::support::{Attempt, Bench};

    const DEVICES: [&str; 2] = ["cpu", "tch-cpu"];

    fn params(bench: &Bench, more: [&Value; 2]) -> Value {
        let mut params = json!({"steps": 8, "lanes": 4});
        for more in more {
            params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        }
        bench.params(params)
    }

    fn on<'a>(device: &'a str, params: &'a Value) -> Attempt<'a> {
        Attempt { device, ..Attempt::of(params) }
    }

    #[test]
    fn one_two_and_four_processes_make_the_same_bytes() {
        let bench = Bench::new();
        for changed in [
            json!({"dropout": 0.1, "clip": 0.5, "weight_decay": 0.01, "validate_every": 3,
                   "keep": [5], "keep_state": true}),
            json!({"objective": "bert", "accumulation": 2, "recompute": true, "keep_powers_from": 2,
                   "keep_state": true}),
            // Matrices of more than a block, which ranks share.
            json!({"model": {"preset": "tiny", "n_layer": 1, "n_embd": 640, "n_head": 4}, "steps": 2,
                   "batch": 4, "clip": 0.01}),
        ] {
            for device in DEVICES {
                let run = |processes: usize| {
                    let params = params(&bench, [&changed, &json!({"processes": processes})]);
                    bench.run(Attempt { threads: 4, ..on(device, &params) }).unwrap()
                };
                let one = run(1);
                for processes in [2, 4] {
                    let several = run(processes);
                    assert_eq!(several.steps_run, one.steps_run);
                    assert_eq!(several.names(), one.names());
                    for (name, bytes) in one.files() {
                        let same = several.files().get(&name) == Some(&bytes);
                        assert!(same, "{device}, {processes} processes, {changed}: {name} differs");
                    }
                }
            }
        }
    }

    #[test]
    fn the_losses_are_those_of_plain_training() {
        let bench = Bench::new();
        for device in DEVICES {
            let curve = |changed: Value| {
                let params = bench.params(changed);
                let metrics = bench.metrics(on(device, &params));
                metrics.curves["loss.train"].clone()
            };
            let plain = curve(json!({"steps": 20}));
            let several = curve(json!({"steps": 20, "lanes": 4, "processes": 4}));
            for (one, other) in plain.iter().zip(&several) {
                assert!((one.1 - other.1).abs() < 1e-4, "{device}: {one:?} {other:?}");
            }
        }
    }

    #[test]
    fn an_interrupted_training_goes_on_with_another_number_of_processes() {
        let bench = Bench::new();
        for device in DEVICES {
            let of = |processes: usize| {
                let more = json!({"dropout": 0.1, "clip": 1.0, "keep_powers_from": 4});
                params(&bench, [&more, &json!({"processes": processes})])
            };
            let straight = bench.run(on(device, &of(1))).unwrap();
            let folder = tempfile::tempdir().unwrap();
            for (processes, stop) in [(2, 3), (4, 5), (1, 7)] {
                let params = of(processes);
                let stopped = Attempt { stop_at: Some(stop), ..on(device, &params).resuming(folder.path()) };
                let error = bench.run(stopped).unwrap_err();
                assert!(matches!(error, StageError::Cancelled), "{error}");
            }
            let params = of(2);
            let resumed = bench.run(on(device, &params).resuming(folder.path())).unwrap();
            assert_eq!(resumed.steps_run, 1);
            assert!(resumed.files() == straight.files(), "{device}");
        }
    }

    #[test]
    fn a_dead_rank_ends_the_step_and_is_named() {
        let bench = Bench::new();
        for device in DEVICES {
            let of = |processes: usize| {
                let more = json!({"steps": 40, "checkpoint_every": 4});
                params(&bench, [&more, &json!({"processes": processes})])
            };
            let straight = bench.run(on(device, &of(1))).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let begun = Instant::now();
            let params = of(2);
            let attempt = Attempt { device, ..Attempt::of(&params).resuming(folder.path()) };
            let error = bench.run(Attempt { kill_at: Some(10), ..attempt }).unwrap_err();
            let text = format!("{error:?}");
            assert!(text.contains("rank 1 (process ") && text.contains("killed by signal 9"), "{text}");
            assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
            let params = of(4);
            let attempt = Attempt { device, ..Attempt::of(&params).resuming(folder.path()) };
            let resumed = bench.run(attempt).unwrap();
            assert_eq!(resumed.steps_run, 32, "from step 8");
            assert!(resumed.files() == straight.files(), "{device}");
        }
    }

    #[test]
    fn what_a_rank_says_is_the_error() {
        let bench = Bench::new();
        let params = params(&bench, [&json!({"processes": 2}), &json!({})]);
        // The further rank cannot make its folder for the tokens that do not fit memory.
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("rank-1"), "a file").unwrap();
        let mut params = params;
        params["memory_mib"] = json!(0);
        let error = bench.run(Attempt::of(&params).resuming(folder.path())).unwrap_err();
        assert!(error.to_string().starts_with("rank 1 failed: "), "{error:?}");
    }
}
