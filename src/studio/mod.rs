//! The window. The only folder that knows egui.
