//! Where a walk over a module is.

/// The path of the field that a walk is at: enter and leave modules, ask for the name of a parameter.
#[derive(Debug, Default)]
pub struct ModulePath(Vec<String>);

impl ModulePath {
    /// The walk enters a field.
    pub fn enter(&mut self, field: &str) {
        self.0.push(field.to_owned());
    }

    /// The walk leaves the field that it entered last.
    pub fn exit(&mut self) {
        self.0.pop();
    }

    /// The name of the parameter that the walk is at: `h.0.attn.qkv.weight`.
    pub fn name(&self) -> String {
        self.0.join(".")
    }
}
