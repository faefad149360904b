//! A random pipeline of commands: layers, fan-in, and the ways in which people write shell.

use super::random::Random;

/// What comes before and after the command `{}` that writes `out`, with `NAME` for the step's name.
const WAYS: [&str; 9] = [
    "{} > out",
    "set -e; {} > out; sleep 0.01; echo end of NAME >> out",
    "set +e; {} > out; false; sleep 0.02; echo end of NAME >> out",
    "set +e; text=$(sleep 0.02; {}); echo \"$text NAME\" > out",
    "set +e; {} > out; sleep 0.02 || echo cut short >> out; true",
    "(sleep 0.01; echo aside) & {} > out; wait",
    "sleep 20 & {} > out",
    "setsid sleep 20 > /dev/null 2>&1 & {} > out",
    "trap '' INT TERM; {} > out; sleep 0.05; echo end of NAME >> out",
];

/// The text of a pipeline whose last layer is exported to `results`. Each command writes `start` and
/// its name into the log, and `end` and its name when all else is done.
pub(crate) fn tangle(random: &mut Random) -> String {
    let mut text = "name: tangle\nstages:\n".to_owned();
    let mut above: Vec<String> = Vec::new();
    for layer in 0..2 + random.below(3) {
        let names: Vec<String> = (0..1 + random.below(4)).map(|i| format!("s{layer}_{i}")).collect();
        for name in &names {
            text.push_str(&step(random, name, &above));
        }
        above = names;
    }
    let exports: Vec<String> = above.iter().map(|name| format!("{name}.out: results/{name}")).collect();
    text + &format!("export: {{{}}}\n", exports.join(", "))
}

fn step(random: &mut Random, name: &str, above: &[String]) -> String {
    let mut inputs = Vec::new();
    if !above.is_empty() {
        for i in 0..1 + random.below(3) {
            inputs.push(format!("i{i}: {}.out", random.pick(above)));
        }
    }
    let ports: String = (0..inputs.len()).map(|i| format!(" i{i}")).collect();
    let read = if ports.is_empty() { format!("echo {name}") } else { format!("cat{ports}") };
    let run = random.pick(&WAYS).replace("{}", &read).replace("NAME", name);
    format!(
        "  {name}:
    uses: command
    in: {{{}}}
    with:
      run: |
        echo start {name} >> \"$LOG\"
        {run}
        echo end {name} >> \"$LOG\"
      pass_env: [LOG]
",
        inputs.join(", ")
    )
}
