//! The order in which variables are evaluated.

use std::collections::{BTreeSet, HashMap};

use super::diagnostic::Faults;
use super::interpolate::names_in;
use super::node::{Key, Node};

/// The variables in an order in which each comes after those that it names. A cycle is reported where
/// it closes, and the variable there is broken.
pub(super) fn order(
    members: &[(Key, Node)],
    index: &HashMap<&str, usize>,
    broken: &mut BTreeSet<String>,
    faults: &mut Faults,
) -> Vec<usize> {
    #[derive(Clone, Copy, PartialEq)]
    enum Visit {
        Waiting,
        Underway,
        Done,
    }
    let named = |i: usize| {
        let mut named = Vec::new();
        names_in(&members[i].1, &mut |name, mark| {
            named.extend(variable(name, index).map(|i| (i, mark)));
        });
        named.into_iter()
    };
    let mut states = vec![Visit::Waiting; members.len()];
    let mut order = Vec::with_capacity(members.len());
    let mut way = Vec::new();
    for first in 0..members.len() {
        if states[first] == Visit::Waiting {
            states[first] = Visit::Underway;
            way.push((first, named(first)));
        }
        while let Some((i, names)) = way.last_mut() {
            match names.next() {
                None => {
                    states[*i] = Visit::Done;
                    order.push(*i);
                    way.pop();
                }
                Some((next, mark)) => match states[next] {
                    Visit::Done => {}
                    Visit::Waiting => {
                        states[next] = Visit::Underway;
                        way.push((next, named(next)));
                    }
                    Visit::Underway => {
                        let name = &members[next].0.text;
                        faults
                            .push(mark, format!("the variable `{name}` refers to itself"))
                            .hint("give one of the variables in the cycle a value of its own");
                        broken.insert(name.clone());
                    }
                },
            }
        }
    }
    order
}

/// The number of the variable that a name such as `vars.side.x` begins with.
pub(super) fn variable(name: &str, index: &HashMap<&str, usize>) -> Option<usize> {
    index.get(variable_name(name)?).copied()
}

/// The variable that a name such as `vars.side.x` begins with.
pub(super) fn variable_name(name: &str) -> Option<&str> {
    let name = name.strip_prefix("vars.")?;
    Some(name.split(['.', '[']).next().unwrap_or(name))
}
