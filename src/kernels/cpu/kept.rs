//! Transformed weights, kept as long as the model that they belong to.

use super::conv::ConvShape;
use super::winograd::{self, Points};
use burn::backend::flex::FlexTensor;
use std::sync::{Arc, Mutex, PoisonError};

/// Most bytes that are kept. All of Ember fits; of a larger model the first convolutions of a step gain, the others are transformed anew.
const MOST: usize = 192 << 20;
/// Most bytes of a weight that is only worth it when it is kept; two of 256 channels' take so much.
const EACH: usize = 16 << 20;

struct Entry {
    /// Holding the tensor keeps its memory, so an address never comes to mean other numbers.
    weight: FlexTensor,
    /// Pictures of two sizes may want it in two forms.
    forms: Vec<Arc<Points>>,
}

static KEPT: Mutex<Vec<Entry>> = Mutex::new(Vec::new());

/// The transform of a weight that does not change any more, `[3, 3, cin, cout]` and contiguous; made at the first call, and at every
/// one where it finds no room. None where the convolution is better done without: that follows from its sizes alone, as what a
/// picture gets must not depend on what else was computed before.
pub fn transformed(weight: &FlexTensor, values: &[f32], s: &ConvShape) -> Option<Arc<Points>> {
    let small = winograd::wins_with(s) && winograd::bytes_kept(s) <= EACH;
    if !small && !winograd::wins_alone(s) {
        return None;
    }
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(points) = entry_of(&mut kept, weight).and_then(|entry| entry.forms.iter().find(|form| form.is_for(s))) {
        return Some(points.clone());
    }
    // Weights that nobody else has any more: their model was unloaded.
    kept.retain(|entry| !entry.weight.is_unique());
    let held: usize = kept.iter().flat_map(|entry| &entry.forms).map(|form| form.bytes()).sum();
    drop(kept);
    let room = held + winograd::bytes_kept(s) <= MOST;
    let points = Arc::new(winograd::transformed(values, s));
    if room {
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        match entry_of(&mut kept, weight) {
            Some(entry) => entry.forms.push(points.clone()),
            None => kept.push(Entry { weight: weight.clone(), forms: vec![points.clone()] }),
        }
    }
    Some(points)
}

/// What is kept of a weight.
fn entry_of<'a>(kept: &'a mut [Entry], weight: &FlexTensor) -> Option<&'a mut Entry> {
    let data = weight.data_arc();
    kept.iter_mut().find(|entry| {
        Arc::ptr_eq(&entry.weight.data_arc(), &data)
            && entry.weight.layout().start_offset() == weight.layout().start_offset()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::TensorData;

    #[test]
    fn a_weight_is_transformed_once_and_forgotten_with_its_model() {
        let s = ConvShape { n: 1, h: 32, w: 32, cin: 80, kh: 3, kw: 3, cout: 80, stride: 1, padding: (1, 1) };
        let weight = |v: f32| FlexTensor::from_data(TensorData::new(vec![v; 9 * 80 * 80], [3, 3, 80, 80]));
        let values = |w: &FlexTensor| w.storage::<f32>().to_vec();
        let (a, b) = (weight(1.0), weight(2.0));
        let get = |w: &FlexTensor| transformed(w, &values(w), &s).unwrap();
        let first = get(&a);
        assert!(Arc::ptr_eq(&first, &get(&a.clone())));
        assert!(!Arc::ptr_eq(&first, &get(&b)));
        drop((a, b));
        let c = weight(3.0);
        get(&c);
        // Pictures of another size want it in another form, whichever came first.
        let of_size = |side: usize| {
            let made = transformed(&c, &values(&c), &ConvShape { h: side, w: side, ..s }).unwrap();
            (made.bytes(), Arc::as_ptr(&made))
        };
        let (large, small) = (of_size(32), of_size(8));
        assert!(small.0 < large.0 && of_size(32) == large && of_size(8) == small);
        // The first two left when the third came; nobody else in this process uses weights of this size.
        assert_eq!(Arc::strong_count(&first), 1);
        let third = get(&c);
        drop(c);
        get(&weight(4.0));
        assert_eq!(Arc::strong_count(&third), 1, "in two forms, and gone all the same");
    }

    #[test]
    fn small_work_is_left_to_the_plain_way() {
        let s = ConvShape { n: 1, h: 2, w: 3, cin: 64, kh: 3, kw: 3, cout: 64, stride: 1, padding: (1, 1) };
        let weight = FlexTensor::from_data(TensorData::new(vec![1.0f32; 9 * 64 * 64], [3, 3, 64, 64]));
        assert!(transformed(&weight, weight.storage::<f32>(), &s).is_none());
    }
}
