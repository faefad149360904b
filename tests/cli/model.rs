//! Random graphs against an oracle: every result is what the graph means, a second run executes
//! nothing, and an edit re-runs at most what depends on it.

use std::collections::BTreeSet;

use super::support::Project;

/// A small random source; the graphs are the same at every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

/// A graph of steps that each join their word and the outputs of earlier steps. Joining is lossy
/// (only the first twelve characters go on), so that some edits are cut off.
struct Graph {
    words: Vec<String>,
    reads: Vec<Vec<usize>>,
}

impl Graph {
    fn random(dice: &mut Dice) -> Self {
        let n = 4 + dice.roll(9);
        let reads = (0..n)
            .map(|step| {
                let reads: BTreeSet<usize> = (0..dice.roll(4).min(step)).map(|_| dice.roll(step)).collect();
                reads.into_iter().collect()
            })
            .collect();
        Self { words: (0..n).map(|step| format!("w{step}")).collect(), reads }
    }

    fn pipeline(&self) -> String {
        let mut text = String::from("name: random\nstages:\n");
        for (step, reads) in self.reads.iter().enumerate() {
            let inputs: Vec<String> = reads.iter().map(|read| format!("i{read}: s{read}.out")).collect();
            let cat: Vec<String> = reads.iter().map(|read| format!("i{read}")).collect();
            let word = &self.words[step];
            text.push_str(&format!(
                "  s{step}:\n    uses: command\n    in: {{{}}}\n    with: {{run: '(cat {} /dev/null; printf {word}) \
                 | (head -c 12; cat > /dev/null) > out; echo s{step} >> \"$LOG\"', pass_env: [LOG]}}\n",
                inputs.join(", "),
                cat.join(" "),
            ));
        }
        text.push_str("export:\n");
        for step in 0..self.words.len() {
            text.push_str(&format!("  s{step}.out: out/{step}\n"));
        }
        text
    }

    /// What each step's output means.
    fn oracle(&self) -> Vec<String> {
        let mut outputs: Vec<String> = Vec::new();
        for (word, reads) in self.words.iter().zip(&self.reads) {
            let joined: String = reads.iter().map(|read| outputs[*read].as_str()).collect();
            outputs.push((joined + word).chars().take(12).collect());
        }
        outputs
    }

    /// A step and everything below it.
    fn below(&self, step: usize) -> BTreeSet<String> {
        let mut below = BTreeSet::from([step]);
        for later in step..self.words.len() {
            if self.reads[later].iter().any(|read| below.contains(read)) {
                below.insert(later);
            }
        }
        below.into_iter().map(|step| format!("s{step}")).collect()
    }
}

#[test]
fn random_graphs_mean_what_the_oracle_says() {
    let mut dice = Dice(7);
    for _ in 0..8 {
        let mut graph = Graph::random(&mut dice);
        let project = Project::new(&graph.pipeline());
        let check = |graph: &Graph| {
            for (step, expected) in graph.oracle().iter().enumerate() {
                assert_eq!(project.read(&format!("out/{step}")), *expected, "step {step}");
            }
        };
        // Equal steps share a key: at most all of them run.
        assert!(project.run_with(&["--jobs", "3"]).len() <= graph.words.len());
        check(&graph);
        assert!(project.run().is_empty(), "a second run executes nothing");
        let edited = dice.roll(graph.words.len());
        let before = graph.words[edited].clone();
        graph.words[edited] = "edit".into();
        project.write("pipeline.yaml", &graph.pipeline());
        let executed: BTreeSet<String> = project.run().into_iter().collect();
        assert!(executed.is_subset(&graph.below(edited)), "{executed:?} after an edit of s{edited}");
        check(&graph);
        graph.words[edited] = before;
        project.write("pipeline.yaml", &graph.pipeline());
        assert!(project.run().is_empty(), "a reverted edit executes nothing");
        check(&graph);
    }
}
