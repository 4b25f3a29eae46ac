//! Transformed weights, kept as long as the model that they belong to.

use super::conv::ConvShape;
use super::direct;
use super::winograd::{self, Points};
use burn::backend::flex::FlexTensor;
use std::sync::{Arc, Mutex, PoisonError};

/// Most bytes that are kept. All of Ember takes a sixth of it; of a larger model the first convolutions of a step gain, the others
/// are transformed anew as before.
const MOST: usize = 128 << 20;

struct Entry {
    /// Holding the tensor keeps its memory, so an address never comes to mean other numbers.
    weight: FlexTensor,
    points: Arc<Points>,
}

static KEPT: Mutex<Vec<Entry>> = Mutex::new(Vec::new());

/// The transform of a weight that does not change any more, `[3, 3, cin, cout]` and contiguous; made at the first call. None where
/// the convolution is better done without, as many are whose transform finds no room any more.
pub fn transformed(weight: &FlexTensor, values: &[f32], s: &ConvShape) -> Option<Arc<Points>> {
    if direct::wins(s) || !winograd::wins_with(s) {
        return None;
    }
    let data = weight.data_arc();
    let same = |entry: &Entry| {
        Arc::ptr_eq(&entry.weight.data_arc(), &data)
            && entry.weight.layout().start_offset() == weight.layout().start_offset()
    };
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(entry) = kept.iter().find(|entry| same(entry)) {
        return Some(entry.points.clone());
    }
    // Nobody else has these any more: their model was unloaded.
    kept.retain(|entry| !entry.weight.is_unique());
    let held: usize = kept.iter().map(|entry| entry.points.bytes()).sum();
    drop(kept);
    let room = held + Points::bytes_of(s.cin, s.cout) <= MOST;
    if !room && !winograd::wins_alone(s) {
        return None;
    }
    let points = Arc::new(winograd::transformed(values, s));
    if room {
        let entry = Entry { weight: weight.clone(), points: points.clone() };
        KEPT.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }
    Some(points)
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
        // The first two left when the third came; nobody else in this process uses weights of this size.
        assert_eq!(Arc::strong_count(&first), 1);
    }

    #[test]
    fn small_work_is_left_to_the_plain_way() {
        let s = ConvShape { n: 1, h: 8, w: 8, cin: 64, kh: 3, kw: 3, cout: 64, stride: 1, padding: (1, 1) };
        let weight = FlexTensor::from_data(TensorData::new(vec![1.0f32; 9 * 64 * 64], [3, 3, 64, 64]));
        assert!(transformed(&weight, weight.storage::<f32>(), &s).is_none());
    }
}
