//! The samplers by name: a solver and, where it has one, a spacing of its noise levels.

use super::spacing::Spacing;
use crate::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// A solver with a spacing; `solver` or `solver_spacing` by name (`heun`, `dpmpp_2m_karras`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SamplerKind {
    /// The solver.
    pub method: Method,
    /// How its noise levels are spaced.
    pub spacing: Spacing,
}

/// Names and labels as constants, for every solver with every spacing.
macro_rules! methods {
    ($($(#[$doc:meta])* $method:ident $name:literal $label:literal $spacings:ident,)*) => {
        /// The solvers.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Method {
            $($(#[$doc])* $method,)*
        }

        impl Method {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$method,)*];

            /// The spacings that it takes.
            pub fn spacings(self) -> &'static [Spacing] {
                match self { $(Self::$method => $spacings,)* }
            }
        }

        impl SamplerKind {
            /// The name in Recipes and on the command line.
            pub fn name(self) -> &'static str {
                match (self.method, self.spacing) {
                    $((Method::$method, Spacing::Checkpoint) => $name,
                    (Method::$method, Spacing::Karras) => concat!($name, "_karras"),
                    (Method::$method, Spacing::Exponential) => concat!($name, "_exponential"),
                    (Method::$method, Spacing::SgmUniform) => concat!($name, "_sgm_uniform"),
                    (Method::$method, Spacing::Trailing) => concat!($name, "_trailing"),)*
                }
            }

            /// The name that people read, which is AUTOMATIC1111's where that has the sampler.
            pub fn label(self) -> &'static str {
                match (self.method, self.spacing) {
                    $((Method::$method, Spacing::Checkpoint) => $label,
                    (Method::$method, Spacing::Karras) => concat!($label, " Karras"),
                    (Method::$method, Spacing::Exponential) => concat!($label, " Exponential"),
                    (Method::$method, Spacing::SgmUniform) => concat!($label, " SGM Uniform"),
                    (Method::$method, Spacing::Trailing) => concat!($label, " Trailing"),)*
                }
            }
        }
    };
}

/// Solvers that take any noise level.
const ANY: &[Spacing] =
    &[Spacing::Checkpoint, Spacing::Karras, Spacing::Exponential, Spacing::SgmUniform, Spacing::Trailing];
/// Solvers that step from one time step of training to another.
const WHOLE: &[Spacing] = &[Spacing::Checkpoint, Spacing::Trailing];
/// Solvers on the steps that a checkpoint was distilled from.
const OWN: &[Spacing] = &[Spacing::Checkpoint];

methods! {
    /// Euler (Karras et al. 2022); flow-match Euler for checkpoints that predict a flow.
    Euler "euler" "Euler" ANY,
    /// Euler with fresh noise after every step.
    EulerAncestral "euler_a" "Euler a" ANY,
    /// Heun (Karras et al. 2022), two calls a step.
    Heun "heun" "Heun" ANY,
    /// DPM-Solver-2 (Lu et al. 2022), two calls a step.
    Dpm2 "dpm2" "DPM2" ANY,
    /// DPM-Solver-2 with fresh noise after every step.
    Dpm2Ancestral "dpm2_a" "DPM2 a" ANY,
    /// Linear multistep, order 4.
    Lms "lms" "LMS" ANY,
    /// DPM-Solver++ 2M (Lu et al. 2022).
    Dpmpp2m "dpmpp_2m" "DPM++ 2M" ANY,
    /// DPM-Solver++ 2M for the stochastic equation.
    Dpmpp2mSde "dpmpp_2m_sde" "DPM++ 2M SDE" ANY,
    /// DPM-Solver++ for the stochastic equation, two calls a step.
    DpmppSde "dpmpp_sde" "DPM++ SDE" ANY,
    /// UniPC (Zhao et al. 2023).
    UniPc "unipc" "UniPC" ANY,
    /// DDIM (Song et al. 2020), deterministic.
    Ddim "ddim" "DDIM" WHOLE,
    /// DDPM (Ho et al. 2020).
    Ddpm "ddpm" "DDPM" WHOLE,
    /// PNDM (Liu et al. 2022), its linear multistep form.
    Pndm "pndm" "PLMS" WHOLE,
    /// Latent consistency (Luo et al. 2023), for distilled checkpoints.
    Lcm "lcm" "LCM" OWN,
    /// Trajectory consistency (Zheng et al. 2024), for distilled checkpoints.
    Tcd "tcd" "TCD" OWN,
}

impl Method {
    /// With the checkpoint's own spacing.
    pub const fn plain(self) -> SamplerKind {
        SamplerKind { method: self, spacing: Spacing::Checkpoint }
    }

    const fn karras(self) -> SamplerKind {
        SamplerKind { method: self, spacing: Spacing::Karras }
    }

    /// Whether it can follow a flow.
    pub fn follows_flow(self) -> bool {
        use Method::{Ddim, Dpmpp2m, Dpmpp2mSde, Euler, EulerAncestral, Heun, Lcm, UniPc};
        matches!(self, Euler | EulerAncestral | Heun | Dpmpp2m | Dpmpp2mSde | UniPc | Ddim | Lcm)
    }
}

impl SamplerKind {
    /// Euler as the checkpoint spaces it.
    pub const EULER: Self = Method::Euler.plain();
    /// DPM++ 2M on the levels of Karras et al.
    pub const DPMPP_2M_KARRAS: Self = Method::Dpmpp2m.karras();

    /// Those worth a line in a menu: every solver, and the usual spacing of those that are known by it. Every other name of
    /// a solver and a spacing is understood as well.
    pub const ALL: [Self; 18] = [
        Method::Euler.plain(),
        Method::EulerAncestral.plain(),
        Method::Heun.plain(),
        Method::Dpm2.plain(),
        Method::Dpm2Ancestral.plain(),
        Method::Lms.plain(),
        Method::Dpmpp2m.plain(),
        Method::Dpmpp2m.karras(),
        Method::Dpmpp2mSde.plain(),
        Method::Dpmpp2mSde.karras(),
        Method::DpmppSde.plain(),
        Method::DpmppSde.karras(),
        Method::UniPc.plain(),
        Method::Ddim.plain(),
        Method::Ddpm.plain(),
        Method::Pndm.plain(),
        Method::Lcm.plain(),
        Method::Tcd.plain(),
    ];

    /// Every solver with every spacing that it takes.
    pub fn every() -> impl Iterator<Item = Self> {
        Method::ALL.iter().flat_map(|m| m.spacings().iter().map(|s| Self { method: *m, spacing: *s }))
    }
}

impl fmt::Display for SamplerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SamplerKind {
    type Err = Error;
    fn from_str(name: &str) -> Result<Self> {
        Self::every().find(|k| k.name() == name).ok_or_else(|| {
            let names = |spacings: &[Spacing]| {
                let with: Vec<_> = Method::ALL.iter().filter(|m| m.spacings() == spacings).map(|m| m.plain().name()).collect();
                with.join(", ")
            };
            Error::usage(format!(
                "There is no sampler \"{name}\"; the samplers are {} (each also with _karras, _exponential, _sgm_uniform or \
                 _trailing after it, as in dpmpp_2m_karras), {} (also with _trailing), {}.",
                names(ANY),
                names(WHOLE),
                names(OWN)
            ))
        })
    }
}
