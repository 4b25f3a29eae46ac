//! Noise schedules, solvers and seeded noise, on plain f32 slices.
