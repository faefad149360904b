//! Secrets: used where they may stand, and nowhere to be seen.

use serde_json::{Value, json};

use super::errors::{check, check_with, overrides};
use crate::pipeline::{Overrides, render};
use crate::plan::testing::planned;
use crate::plan::{Plan, Work};

fn plan_of(yaml: &str) -> Plan {
    planned(yaml, &Overrides::default()).unwrap_or_else(|errors| panic!("{}", render(&errors, false)))
}

const VARS: &str = "vars: {token: hunter2, url: \"https://x:${vars.token}@host/data\", plain: 1, pin: 12345}\nsecrets: [token, pin]\nstages:\n";

#[test]
fn a_command_gets_the_secret_and_the_key_does_not() {
    let plan = plan_of(&format!(
        "{VARS}  c: {{uses: command, with: {{run: x, env: {{A: \"${{vars.token}}\", B: \"${{vars.url}}\", C: \"${{vars.plain}}\", D: \"${{vars.pin}}\"}}}}}}\n"
    ));
    let Work::Command(command) = &plan.steps[0].work else { panic!("a stage") };
    let env: Vec<&str> = command.env.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(env, ["hunter2", "https://x:hunter2@host/data", "1", "12345"]);
    let mut keyed = json!({"run": "x", "env": {"A": env[0], "B": env[1], "C": env[2], "D": env[3]}});
    plan.steps[0].redact(&mut keyed);
    assert_eq!(keyed["env"], json!({"A": "***", "B": "https://***@host/data", "C": "1", "D": "***"}));
    assert_eq!(plan.secrets.mask("run --set vars.token=hunter2 of 12345"), "run --set vars.token=*** of ***");
}

#[test]
fn credentials_in_urls_are_hidden_everywhere() {
    let plan = plan_of(
        "stages:\n  c: {uses: command, with: {run: \"curl https://u:p@host/x\", env: {U: \"ftp://t@h\"}}}\n",
    );
    let mut keyed = json!({"run": "curl https://u:p@host/x", "env": {"U": "ftp://t@h"}});
    plan.steps[0].redact(&mut keyed);
    assert_eq!(keyed, json!({"run": "curl https://***@host/x", "env": {"U": "ftp://***@h"}}));
}

#[test]
fn a_secret_stands_in_no_other_place() {
    let places = "secrets can be used in the `env` of a command, as in `env: {TOKEN: \"${vars.token}\"}`, or in a string parameter of a stage";
    check(
        &format!(
            "{VARS}  c:\n    uses: command\n    in: {{x: \"./${{vars.token}}\"}}\n    with: {{run: \"echo ${{vars.token}}\"}}\n  d: {{uses: command, matrix: {{a: [\"${{vars.url}}\"]}}, with: {{run: x}}}}\n  t:\n    uses: train\n    in: {{images: i.images}}\n    with: {{steps: \"${{vars.pin}}\"}}\n    retries: \"${{vars.pin}}\"\n  i: {{uses: images, with: {{source: shapes}}}}\nexport: {{i.images: \"${{vars.token}}\"}}\n"
        ),
        &[
            &format!("6:13 `vars.token` is secret and cannot be used here | {places}"),
            &format!("7:17 `run` contains a secret, which is not allowed here | {places}"),
            &format!("8:35 `vars.url` is secret and cannot be used here | {places}"),
            &format!("12:19 `steps` contains a secret, which is not allowed here | {places}"),
            &format!("13:14 `vars.pin` is secret and cannot be used here | {places}"),
            &format!("15:20 `vars.token` is secret and cannot be used here | {places}"),
        ],
    );
}

#[test]
fn errors_hide_secrets() {
    check_with(
        "vars: {token: null}\nsecrets: [token]\nstages:\n  i: {uses: images, with: {source: \"${vars.token}\"}}\n",
        &overrides(&[], &["vars.token=hunter2", "vars.tokn=hunter2"]),
        &[
            "4:36 step `i`: `source` must be one of `shapes`, `cifar10`, found the string `***` | `source`: Where the images come from.",
            "--set vars.tokn=*** unknown variable `vars.tokn` | did you mean `vars.token`?",
        ],
    );
    check(
        "vars: {token: x}\nsecrets: [tokn, 3]\nstages:\n  c: {uses: command, with: {run: x}}\n",
        &[
            "2:11 `secrets` lists the unknown variable `tokn` | did you mean `token`?",
            "2:17 `secrets` takes names of variables, found the number 3",
        ],
    );
}

#[test]
fn what_is_passed_on_is_hidden_unless_it_is_a_setting_or_a_path() {
    let plan = plan_of("stages:\n  c: {uses: command, with: {run: x, pass_env: [TOKEN, HOME, MODE]}}\n");
    let environment = json!({"TOKEN": "hf_abcdef", "HOME": "/data", "MODE": "fast", "OTHER": "another"});
    let secrets = plan.secrets_with(|name| environment[name].as_str().map(str::to_owned));
    assert_eq!(secrets.mask("hf_abcdef /data fast another"), "*** /data fast another");
    assert_eq!(plan.secrets.mask("hf_abcdef"), "hf_abcdef");
    assert_eq!(Value::Null, environment["NONE"]);
}
