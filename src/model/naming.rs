//! From a parameter's place in a module to its key and its layout on disk.

/// How a parameter lies on disk compared with memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// The same.
    Plain,
    /// `[out, in]` on disk, `[in, out]` here.
    Linear,
    /// `[out, in, kh, kw]` on disk, `[kh, kw, in, out]` here.
    Conv,
}

/// The way from the root of a module to the parameter being visited.
#[derive(Debug, Default)]
pub struct Path {
    names: Vec<String>,
    types: Vec<String>,
}

impl Path {
    /// Steps into a field.
    pub fn enter(&mut self, name: &str, container: &str) {
        self.names.push(name.into());
        self.types.push(container.into());
    }

    /// Steps out again.
    pub fn exit(&mut self) {
        self.names.pop();
        self.types.pop();
    }

    /// The key that diffusers and transformers give this parameter.
    pub fn key(&self) -> String {
        let names: Vec<&str> = self.names.iter().map(|name| on_disk(name)).collect();
        names.join(".")
    }

    /// Whether the parameter belongs to a linear or a convolution layer.
    pub fn is_layer(&self) -> bool {
        self.types.last().is_some_and(|holder| holder.ends_with(":Linear") || holder.ends_with(":Conv2d"))
    }

    /// The layout on disk, decided by the layer that holds the parameter.
    pub fn layout(&self, rank: usize) -> Layout {
        let holder = self.types.last().map(String::as_str).unwrap_or_default();
        match rank {
            4 => Layout::Conv,
            2 if holder.ends_with(":Linear") => Layout::Linear,
            _ => Layout::Plain,
        }
    }
}

/// Fields whose Rust name differs from the key.
fn on_disk(field: &str) -> &str {
    match field {
        "to_out" => "to_out.0",
        "gate" => "net.0.proj",
        "narrow" => "net.2",
        "proj_in_linear" => "proj_in",
        "proj_out_linear" => "proj_out",
        "class_projection" => "class_embedding",
        "add_text" => "add_embedding",
        name => name,
    }
}
