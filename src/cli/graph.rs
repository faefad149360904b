//! `graph FILE`: the steps and their edges as text, DOT or Mermaid.

use std::collections::BTreeMap;
use std::io::Write;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::error::CliError;
use super::options::PipelineArgs;
use crate::plan::{Plan, Source};

/// How the graph is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Indented text.
    Text,
    /// DOT, for Graphviz.
    Dot,
    /// Mermaid, for Markdown.
    Mermaid,
}

/// What to draw.
#[derive(Debug, Args)]
pub(super) struct GraphArgs {
    #[command(flatten)]
    pub(super) pipeline: PipelineArgs,
    /// Output format [default: text].
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Draw every instance of a matrix or search instead of one node per step.
    #[arg(long)]
    instances: bool,
}

/// The steps in order, and what each reads.
struct Graph<'a> {
    nodes: Vec<Node<'a>>,
    /// (producer, reader, ports of the producer).
    edges: Vec<(usize, usize, String)>,
}

struct Node<'a> {
    name: &'a str,
    kind: &'static str,
    instances: usize,
    /// Files and folders on disk that it reads.
    paths: Vec<String>,
}

/// Writes the graph of a pipeline.
pub(super) fn graph(json: bool, args: &GraphArgs, out: &mut dyn Write) -> Result<(), CliError> {
    if json && args.format.is_some() {
        return Err(CliError::Usage {
            what: "--json and --format both select the output format".to_owned(),
            hint: Some("use only one of them".to_owned()),
        });
    }
    let plan = super::load::load(&args.pipeline)?;
    draw(&plan, json, args.format.unwrap_or(Format::Text), args.instances, out)
}

fn draw(
    plan: &Plan,
    json: bool,
    format: Format,
    instances: bool,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let graph = Graph::of(plan, instances);
    if json {
        let nodes: Vec<_> = graph
            .nodes
            .iter()
            .map(|n| json!({"name": n.name, "kind": n.kind, "instances": n.instances, "paths": n.paths}))
            .collect();
        let name = |i: usize| graph.nodes[i].name;
        let edges: Vec<_> = graph
            .edges
            .iter()
            .map(|(from, to, ports)| json!({"from": name(*from), "to": name(*to), "ports": ports}))
            .collect();
        writeln!(out, "{:#}", json!({"nodes": nodes, "edges": edges}))?;
        return Ok(());
    }
    match format {
        Format::Text => graph.text(out),
        Format::Dot => graph.dot(&plan.name, out),
        Format::Mermaid => graph.mermaid(out),
    }
    .map_err(CliError::from)
}

impl<'a> Graph<'a> {
    fn of(plan: &'a Plan, instances: bool) -> Self {
        let mut nodes: Vec<Node<'a>> = Vec::new();
        let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
        let mut of_step = Vec::with_capacity(plan.steps.len());
        for step in &plan.steps {
            let name = if instances { step.name.as_str() } else { step.base.as_str() };
            let n = *numbers.entry(name).or_insert_with(|| {
                nodes.push(Node { name, kind: step.work.kind(), instances: 0, paths: Vec::new() });
                nodes.len() - 1
            });
            nodes[n].instances += 1;
            of_step.push(n);
        }
        let mut edges: BTreeMap<(usize, usize), Vec<String>> = BTreeMap::new();
        for (id, step) in plan.steps.iter().enumerate() {
            let reader = of_step[id];
            for input in &step.inputs {
                let port = match &input.source {
                    Source::Step { port, .. } | Source::Winner { port, .. } => port.clone(),
                    Source::Path(_) | Source::Glob { .. } => {
                        let path = input.source.on_disk().unwrap_or_default();
                        if !nodes[reader].paths.contains(&path) {
                            nodes[reader].paths.push(path);
                        }
                        continue;
                    }
                };
                for producer in input.source.steps(&plan.searches) {
                    let ports = edges.entry((of_step[producer], reader)).or_default();
                    if !ports.contains(&port) {
                        ports.push(port.clone());
                    }
                }
            }
        }
        let edges = edges.into_iter().map(|((from, to), ports)| (from, to, ports.join(", "))).collect();
        Self { nodes, edges }
    }

    fn text(&self, out: &mut dyn Write) -> std::io::Result<()> {
        for (n, node) in self.nodes.iter().enumerate() {
            writeln!(out, "{}", node.title())?;
            for (from, _, ports) in self.edges.iter().filter(|(_, to, _)| *to == n) {
                writeln!(out, "  <- {} ({ports})", self.nodes[*from].name)?;
            }
            for path in &node.paths {
                writeln!(out, "  <- {path}")?;
            }
        }
        Ok(())
    }

    fn dot(&self, name: &str, out: &mut dyn Write) -> std::io::Result<()> {
        writeln!(out, "digraph {} {{", quoted(name))?;
        writeln!(out, "  rankdir = LR;\n  node [shape = box];")?;
        for (n, node) in self.nodes.iter().enumerate() {
            writeln!(out, "  n{n} [label = {}];", quoted(&node.title()))?;
        }
        for (from, to, ports) in &self.edges {
            writeln!(out, "  n{from} -> n{to} [label = {}];", quoted(ports))?;
        }
        for (p, (n, path)) in self.paths().enumerate() {
            writeln!(out, "  p{p} [label = {}, shape = note];\n  p{p} -> n{n};", quoted(path))?;
        }
        writeln!(out, "}}")
    }

    fn mermaid(&self, out: &mut dyn Write) -> std::io::Result<()> {
        // Mermaid reads entities between `#` and `;`.
        let label = |text: &str| text.replace('#', "#35;").replace('"', "#quot;").replace(['\n', '\r'], " ");
        writeln!(out, "flowchart LR")?;
        for (n, node) in self.nodes.iter().enumerate() {
            writeln!(out, "  n{n}[\"{}\"]", label(&node.title()))?;
        }
        for (from, to, ports) in &self.edges {
            writeln!(out, "  n{from} -->|\"{}\"| n{to}", label(ports))?;
        }
        for (p, (n, path)) in self.paths().enumerate() {
            writeln!(out, "  p{p}[/\"{}\"/] --> n{n}", label(path))?;
        }
        Ok(())
    }

    fn paths(&self) -> impl Iterator<Item = (usize, &str)> {
        self.nodes
            .iter()
            .enumerate()
            .flat_map(|(n, node)| node.paths.iter().map(move |path| (n, path.as_str())))
    }
}

impl Node<'_> {
    /// `probe: probe x27`.
    fn title(&self) -> String {
        let times = if self.instances > 1 { format!(" x{}", self.instances) } else { String::new() };
        format!("{} [{}]{times}", self.name, self.kind)
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace(['\n', '\r'], " "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Overrides;
    use crate::plan::testing::planned;

    const PIPELINE: &str = r#"
name: a "graph"
stages:
  images: {uses: images, with: {source: shapes}}
  pre: {uses: train, in: {images: images.images, init: ./x.bin}, matrix: {seed: [0, 1]}}
  table: {uses: report, in: {metrics: pre.*}}
"#;

    fn drawn(format: Format, instances: bool) -> String {
        let plan = planned(PIPELINE, &Overrides::default()).unwrap();
        let mut out = Vec::new();
        draw(&plan, false, format, instances, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_lists_what_each_step_reads() {
        assert_eq!(
            drawn(Format::Text, false),
            "images [images]\npre [train] x2\n  <- images (images)\n  <- ./x.bin\ntable [report]\n  <- pre (metrics)\n"
        );
        assert!(drawn(Format::Text, true).contains("pre[seed=1] [train]\n  <- images (images)\n"));
    }

    #[test]
    fn dot_and_mermaid_are_quoted() {
        let dot = drawn(Format::Dot, false);
        assert!(dot.starts_with("digraph \"a \\\"graph\\\"\" {\n"), "{dot}");
        assert!(dot.contains("  n0 -> n1 [label = \"images\"];\n") && dot.contains("  p0 -> n1;\n"), "{dot}");
        let mermaid = drawn(Format::Mermaid, false);
        assert!(mermaid.starts_with("flowchart LR\n  n0[\"images [images]\"]\n"), "{mermaid}");
        assert!(mermaid.contains("  n1 -->|\"metrics\"| n2\n"), "{mermaid}");
    }
}
