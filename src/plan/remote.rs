//! `remote` of a pipeline: where results are shared. Nothing is asked of it here.

use std::path::PathBuf;

use serde_json::Value;

use crate::pipeline::secrets::Secrets;
use crate::pipeline::{Data, Faults, Node, Scope, check_keys, describe};
use crate::remote_address::{EXAMPLES, PublicKey, RemoteAddress};

const KEYS: &[&str] = &["url", "push", "sign", "trust"];

/// Where a pipeline's results are shared, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteSetting {
    /// Where.
    pub address: RemoteAddress,
    /// Whether results of this machine go there.
    pub push: bool,
    /// The file of the secret key that signs them, relative to the pipeline's folder.
    pub sign: Option<PathBuf>,
    /// Whose records are believed; empty: everybody's who may write there.
    pub trust: Vec<PublicKey>,
}

/// Reads the setting: an address, or a map. An address with credentials in it becomes a secret.
pub(super) fn read(
    node: &Node,
    scope: &Scope<'_>,
    secrets: &mut Secrets,
    faults: &mut Faults,
) -> Option<RemoteSetting> {
    if node.as_map().is_none() {
        let address = address(node, scope, secrets, faults)?;
        return Some(RemoteSetting { address, push: false, sign: None, trust: Vec::new() });
    }
    check_keys(node, "`remote`", KEYS, faults);
    let Some(url) = node.get("url") else {
        faults
            .push(node.mark, "`remote` has no `url`")
            .hint("for example `remote: {url: 's3://bucket/prefix', push: true}`");
        return None;
    };
    let push = node.get("push").and_then(|push| match scope.resolve(push, faults)? {
        Value::Bool(push) => Some(push),
        other => {
            let found = describe(&other);
            faults.push(push.mark, format!("`push` must be `true` or `false`, found {found}"));
            None
        }
    });
    let sign = node.get("sign").and_then(|sign| match scope.resolve(sign, faults)? {
        Value::String(path) if !path.is_empty() => Some(PathBuf::from(path)),
        other => {
            let found = describe(&other);
            faults
                .push(sign.mark, format!("`sign` must be the path of a secret key, found {found}"))
                .hint("`igpt-flow remote keygen FILE` makes one");
            None
        }
    });
    let trust = node.get("trust").map(|trust| keys(trust, scope, faults)).unwrap_or_default();
    let address = address(url, scope, secrets, faults)?;
    Some(RemoteSetting { address, push: push.unwrap_or(false), sign, trust })
}

fn address(
    node: &Node,
    scope: &Scope<'_>,
    secrets: &mut Secrets,
    faults: &mut Faults,
) -> Option<RemoteAddress> {
    let value = scope.resolve(node, faults)?;
    let Value::String(text) = &value else {
        let found = describe(&value);
        faults.push(node.mark, format!("a remote must be an address, found {found}")).hint(EXAMPLES);
        return None;
    };
    match text.parse() {
        Ok(address) => Some(address),
        Err(fault) => {
            if text.contains('@') {
                // The line is shown with the error.
                secrets.add(text);
                node.as_text().into_iter().for_each(|written| secrets.add(written));
            }
            let crate::remote_address::AddressFault { what, hint } = fault;
            faults.push(node.mark, what).hint(hint);
            None
        }
    }
}

fn keys(node: &Node, scope: &Scope<'_>, faults: &mut Faults) -> Vec<PublicKey> {
    const HINT: &str = "for example `trust: ['ed25519:…']`, as `igpt-flow remote keygen` prints it";
    let Data::List(items) = &node.data else {
        let found = node.describe();
        faults.push(node.mark, format!("`trust` must be a list of public keys, found {found}")).hint(HINT);
        return Vec::new();
    };
    if items.is_empty() {
        // An empty list would mean "nobody" to one reader and "everybody" to another.
        faults
            .push(node.mark, "`trust` has no keys")
            .hint("leave it out to believe everybody who may write there");
    }
    let mut keys = Vec::new();
    for item in items {
        match scope.resolve(item, faults) {
            Some(Value::String(text)) if text.parse::<PublicKey>().is_ok() => {
                keys.extend(text.parse::<PublicKey>())
            }
            Some(other) => {
                let found = describe(&other);
                faults
                    .push(
                        item.mark,
                        format!("a public key is `ed25519:` and 64 hexadecimal digits, found {found}"),
                    )
                    .hint(HINT);
            }
            None => {}
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use crate::pipeline::Overrides;
    use crate::plan::testing::planned;

    const STEP: &str = "\nstages: {a: {uses: command, with: {run: x}}}\n";

    #[test]
    fn a_remote_is_an_address_or_a_map() {
        let plan =
            planned(&format!("vars: {{b: lab}}\nremote: 's3://${{vars.b}}/x'{STEP}"), &Overrides::default());
        let remote = plan.unwrap().remote.unwrap();
        assert_eq!((remote.address.to_string().as_str(), remote.push), ("s3://lab/x", false));
        let key = format!("ed25519:{}", "0a".repeat(32));
        let text = format!("remote: {{url: 'file:///r', push: true, sign: k, trust: ['{key}']}}{STEP}");
        let remote = planned(&text, &Overrides::default()).unwrap().remote.unwrap();
        assert!(remote.push && remote.sign == Some("k".into()) && remote.trust[0].to_string() == key);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place_and_no_secret() {
        for (text, wanted) in [
            ("remote: nowhere", "1:9"),
            ("remote: 3", "1:9"),
            ("remote: 's3://AKIA:sec/ret@b'", "1:9"),
            ("remote: {push: true}", "1:10"),
            ("remote: {url: 's3://b', push: 1}", "1:31"),
            ("remote: {url: 's3://b', trust: []}", "1:25"),
            ("remote: {url: 's3://b', trust: [x]}", "1:33"),
            ("remote: {url: 's3://b', sing: x}", "1:25"),
        ] {
            let Err(errors) = planned(&format!("{text}{STEP}"), &Overrides::default()) else {
                panic!("{text}")
            };
            let shown = errors[0].render(false);
            assert!(shown.contains(&format!(":{wanted}\n")) && !shown.contains("ret@"), "{text}: {shown}");
            assert!(!shown.contains("AKIA"), "{shown}");
        }
    }
}
