//! The checks that every stage must pass.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{Outputs, Trial};

impl Trial {
    /// Checks what the contract asks of every stage, and answers the outputs of a run:
    ///
    /// - a parameter that it does not have is refused, and every parameter has a doc;
    /// - parameters that are complete stay as they are;
    /// - every output is written;
    /// - two runs, and a run on three threads, write the same bytes.
    ///
    /// # Panics
    /// If the stage does not do so.
    #[track_caller]
    pub fn check(&self, params: &Value) -> Outputs {
        self.check_params(params);
        let outputs = self.run(params).unwrap_or_else(|error| panic!("the stage failed: {error:?}"));
        let files = outputs.files();
        for port in self.stage.spec().outputs {
            let prefix = format!("{}/", port.name);
            let is_written = files.keys().any(|name| name.starts_with(&prefix));
            assert!(is_written, "the output `{}` has no file", port.name);
        }
        for (threads, what) in [(1, "a second run"), (3, "a run on three threads")] {
            let again =
                self.run_on(params, threads).unwrap_or_else(|error| panic!("{what} failed: {error:?}"));
            let again = again.files();
            let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(&files), names(&again), "{what} writes other files");
            for (name, bytes) in &files {
                assert!(again[name] == *bytes, "{what} writes other bytes to `{name}`");
            }
        }
        outputs
    }

    #[track_caller]
    fn check_params(&self, params: &Value) {
        let complete = self.stage.complete(params).expect("parameters that the stage takes");
        let again = self.stage.complete(&complete).expect("complete parameters");
        assert_eq!(complete, again, "complete parameters are completed to others");
        let mut unknown = params.clone();
        if let Value::Object(params) = &mut unknown {
            params.insert("no_such_parameter".to_owned(), Value::from(1));
        }
        let refused = self.stage.complete(&unknown).expect_err("an unknown parameter is taken");
        assert!(refused.what.contains("no_such_parameter"), "expected its name in `{}`", refused.what);
        let schema = serde_json::to_value(self.stage.params_schema()).expect("a schema");
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            assert!(property["description"].is_string(), "the parameter `{name}` has no doc");
        }
    }

    /// Checks that the outputs are those of the stage's version: when the bytes change, the version must
    /// be raised, or results that were recorded before would be taken for the new ones. For stages
    /// whose bytes are the same on every processor.
    ///
    /// # Panics
    /// If one has changed without the other. The message has the line to put in.
    #[track_caller]
    pub fn check_version(&self, outputs: &Outputs, version: u32, digest: &str) {
        let (found, found_digest) = (self.stage.spec().version, outputs.digest());
        assert!(
            (found, found_digest.as_str()) == (version, digest),
            "expected version {version} with the digest {digest}, found version {found} with {found_digest}: \
             raise the version when bytes change, then put both here"
        );
    }
}
