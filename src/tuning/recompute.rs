//! Gradient checkpointing (Chen et al. 2016, arXiv:1604.06174): a denoiser's gradients from what its stages began with; the rest
//! is computed again on the way back, one stage at a time, so that no more than one stage's intermediate results are held.

use crate::Result;
use crate::model::unet::{Stage, Unet, UnetConditioning, walk};
use burn::tensor::{Gradients, Tensor};

/// What a stage began with.
struct Begun {
    stage: Stage,
    x: Tensor<4>,
    /// What was left for it, and by which stage.
    skip: Option<(Tensor<4>, usize)>,
    size: Option<(usize, usize)>,
}

/// A denoiser that is put together for each stage anew, so that what an adapter puts into a weight is held no longer than needed.
pub trait Parts {
    /// The stages of its forward pass.
    fn stages(&self) -> Vec<Stage>;
    /// It with gradients, complete in the weights of `stage`, or without one in those of no stage.
    fn learning(&self, stage: Option<Stage>) -> Unet;
    /// The same without gradients.
    fn plain(&self, stage: Stage) -> Unet;
}

/// Asks a denoiser on a device with gradients, has `loss` say how far off the answer is, and hands the gradients of `loss`, of every
/// stage, and of what words and time came from to `take`, in pieces to be added up. Returns the loss.
///
/// # Errors
/// Those of the denoiser and of `loss`.
pub fn backward(
    parts: &dyn Parts,
    noisy: Tensor<4>,
    times: &[f32],
    words: Tensor<3>,
    told: &UnetConditioning,
    loss: impl FnOnce(Tensor<4>) -> Result<Tensor<1>>,
    take: &mut dyn FnMut(Gradients),
) -> Result<f32> {
    let device = noisy.device();
    let time = parts.learning(None).embed(times, &words, told, &device)?;
    let (heard, timed) = (words.clone().inner(), time.clone().inner());
    let (course, answer) = forward(parts, noisy.inner(), &timed, &heard);

    let answer = Tensor::from_inner(answer).require_grad();
    let value = loss(answer.clone())?;
    let scalar: f32 = value.clone().inner().into_scalar();
    let gradients = value.backward();
    let mut slope = answer.grad(&gradients).unwrap_or_else(|| answer.inner().zeros_like());
    take(gradients);

    // Slopes at what stages left for others.
    let mut left: Vec<Option<Tensor<4>>> = vec![None; course.len()];
    let (mut of_time, mut of_words) = (timed.zeros_like(), heard.zeros_like());
    for (at, begun) in course.into_iter().enumerate().rev() {
        if let Some(more) = left[at].take() {
            slope = slope + more;
        }
        let x = Tensor::from_inner(begun.x).require_grad();
        let skip = begun.skip.map(|(skip, from)| (Tensor::from_inner(skip).require_grad(), from));
        let (time, words) =
            (Tensor::from_inner(timed.clone()).require_grad(), Tensor::from_inner(heard.clone()).require_grad());
        let given = skip.as_ref().map(|(skip, _)| skip.clone());
        let y = parts.learning(Some(begun.stage)).run(begun.stage, x.clone(), given, begun.size, &time, &words);
        let gradients = (y * Tensor::from_inner(slope)).sum().backward();
        slope = x.grad(&gradients).unwrap_or_else(|| x.clone().inner().zeros_like());
        if let Some((skip, from)) = skip {
            left[from] = skip.grad(&gradients);
        }
        of_time = of_time + time.grad(&gradients).unwrap_or_else(|| timed.zeros_like());
        of_words = of_words + words.grad(&gradients).unwrap_or_else(|| heard.zeros_like());
        take(gradients);
    }
    // Beside a number with a gradient, as neither needs to have one.
    let root = Tensor::<1>::zeros([1], &device).require_grad();
    let (time, words) = (time * Tensor::from_inner(of_time), words * Tensor::from_inner(of_words));
    take((root + time.sum() + words.sum()).backward());
    Ok(scalar)
}

/// The answer, and what every stage began with; on a device without gradients.
fn forward(parts: &dyn Parts, noisy: Tensor<4>, time: &Tensor<2>, words: &Tensor<3>) -> (Vec<Begun>, Tensor<4>) {
    let mut course = Vec::new();
    let answer = walk(parts.stages(), noisy, |stage, x, skip, size| {
        let given = skip.as_ref().map(|(skip, _)| skip.clone());
        course.push(Begun { stage, x: x.clone(), skip, size });
        parts.plain(stage).run(stage, x, given, size, time, words)
    });
    (course, answer)
}
