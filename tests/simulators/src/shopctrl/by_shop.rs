//! Things that each belong to a shop, in the order in which they came, found by their shop.

use std::collections::HashMap;

#[derive(Debug)]
pub(super) struct ByShop<T> {
    all: Vec<T>,
    places: HashMap<i64, Vec<usize>>,
}

impl<T> Default for ByShop<T> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            places: HashMap::new(),
        }
    }
}

impl<T> ByShop<T> {
    pub(super) fn push(&mut self, shop_id: i64, one: T) {
        self.places.entry(shop_id).or_default().push(self.all.len());
        self.all.push(one);
    }

    pub(super) fn all(&self) -> &[T] {
        &self.all
    }

    pub(super) fn all_mut(&mut self) -> &mut [T] {
        &mut self.all
    }

    /// Where the shop's stand among all.
    pub(super) fn places(&self, shop_id: i64) -> Vec<usize> {
        self.places.get(&shop_id).cloned().unwrap_or_default()
    }

    /// The shop's.
    pub(super) fn of(&self, shop_id: i64) -> impl Iterator<Item = &T> {
        self.of_any([shop_id])
    }

    /// Those of all these shops.
    pub(super) fn of_any(&self, shops: impl IntoIterator<Item = i64>) -> impl Iterator<Item = &T> {
        let places = shops.into_iter().filter_map(|id| self.places.get(&id));
        let mut places: Vec<usize> = places.flatten().copied().collect();
        places.sort_unstable();
        places.into_iter().filter_map(|at| self.all.get(at))
    }

    /// The shop's first one that fits.
    pub(super) fn find_mut(&mut self, shop_id: i64, fits: impl Fn(&T) -> bool) -> Option<&mut T> {
        let places = self.places.get(&shop_id)?;
        let mut places = places.iter().copied();
        let at = places.find(|at| self.all.get(*at).is_some_and(&fits))?;
        self.all.get_mut(at)
    }
}
