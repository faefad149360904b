//! Typed ports: the constants that a stage's spec and body share.

use std::marker::PhantomData;

use crate::kind::{Kind, KindInfo};

/// How many artifacts an input takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arity {
    /// Exactly one.
    One,
    /// None or one.
    Optional,
    /// Any number, each with its matrix labels.
    Many,
}

/// An input port as the planner sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputPort {
    /// The port's name in YAML.
    pub name: &'static str,
    /// The kind of its artifacts. `file` takes any artifact.
    pub kind: KindInfo,
    /// How many artifacts it takes.
    pub arity: Arity,
    /// One line for `igpt-flow stages KIND`.
    pub doc: &'static str,
}

/// An output port as the planner sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputPort {
    /// The port's name in YAML.
    pub name: &'static str,
    /// The kind of its artifact.
    pub kind: KindInfo,
    /// One line for `igpt-flow stages KIND`.
    pub doc: &'static str,
}

macro_rules! port {
    ($(#[$doc:meta])* $port:ident) => {
        $(#[$doc])*
        pub struct $port<K> {
            /// The port's name in YAML.
            pub name: &'static str,
            doc: &'static str,
            kind: PhantomData<fn() -> K>,
        }

        impl<K: Kind> $port<K> {
            /// A port of that name; `doc` is one line for the reader of `igpt-flow stages KIND`.
            pub const fn new(name: &'static str, doc: &'static str) -> Self {
                Self { name, doc, kind: PhantomData }
            }

            /// The kind as the planner sees it.
            const fn info() -> KindInfo {
                KindInfo { name: K::NAME, format: K::FORMAT, part: K::PART }
            }
        }
    };
}

port!(
    /// A required input of kind `K`.
    In
);
port!(
    /// An input of kind `K` that may be left out.
    Opt
);
port!(
    /// Any number of inputs of kind `K`, each with its labels.
    Many
);
port!(
    /// An output of kind `K`.
    Out
);

impl<K: Kind> In<K> {
    /// The port for a spec.
    pub const fn port(&self) -> InputPort {
        InputPort { name: self.name, kind: Self::info(), arity: Arity::One, doc: self.doc }
    }
}

impl<K: Kind> Opt<K> {
    /// The port for a spec.
    pub const fn port(&self) -> InputPort {
        InputPort { name: self.name, kind: Self::info(), arity: Arity::Optional, doc: self.doc }
    }
}

impl<K: Kind> Many<K> {
    /// The port for a spec.
    pub const fn port(&self) -> InputPort {
        InputPort { name: self.name, kind: Self::info(), arity: Arity::Many, doc: self.doc }
    }
}

impl<K: Kind> Out<K> {
    /// The port for a spec.
    pub const fn port(&self) -> OutputPort {
        OutputPort { name: self.name, kind: Self::info(), doc: self.doc }
    }
}
