//! What Kiln can measure and explain.
