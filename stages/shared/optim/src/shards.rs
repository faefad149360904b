//! How the elements of all parameters are shared out among ranks.
//!
//! The parameters that have gradients lie one after another, in the order of the module's fields, cut into
//! blocks; a rank has a run of whole blocks. Cuts within a parameter are at multiples of [`BLOCK`] from its
//! beginning, whatever the number of ranks: what is computed block by block, or in groups of elements
//! within one, has the same bits for all of them.

use std::ops::Range;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use igpt_module::{ModulePath, to_host, with_values};

use crate::clip::BLOCK;

/// A parameter that is trained.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Place {
    /// The path of its field.
    pub(crate) name: String,
    /// Its axes.
    pub(crate) rank: usize,
    /// Its elements among those of all parameters.
    pub(crate) elements: Range<usize>,
}

/// Neighbouring elements of one parameter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Block {
    /// Which parameter.
    pub(crate) place: usize,
    /// The elements, among those of all parameters.
    pub(crate) elements: Range<usize>,
}

/// Who has which elements.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shards {
    places: Vec<Place>,
    blocks: Vec<Block>,
    /// The blocks of each rank.
    ranks: Vec<Range<usize>>,
}

impl Shards {
    /// The elements of these parameters, for so many ranks.
    pub(crate) fn new(places: Vec<Place>, ranks: usize) -> Self {
        Self::cut(places, ranks, BLOCK)
    }

    fn cut(places: Vec<Place>, ranks: usize, block: usize) -> Self {
        let mut blocks = Vec::new();
        for (number, place) in places.iter().enumerate() {
            for first in place.elements.clone().step_by(block) {
                let elements = first..place.elements.end.min(first + block);
                blocks.push(Block { place: number, elements });
            }
        }
        let total = places.last().map_or(0, |place| place.elements.end);
        // A block is of the rank in whose equal share its middle lies.
        let owner = |block: &Block| {
            let middle = block.elements.start + block.elements.len() / 2;
            (middle * ranks / total.max(1)).min(ranks - 1)
        };
        let mut first = 0;
        let ranks = (0..ranks).map(|rank| {
            let end = first + blocks[first..].iter().take_while(|block| owner(block) == rank).count();
            std::mem::replace(&mut first, end)..end
        });
        let ranks = ranks.collect();
        Self { places, blocks, ranks }
    }

    /// The parameters.
    pub(crate) fn places(&self) -> &[Place] {
        &self.places
    }

    /// The blocks of a rank.
    pub(crate) fn blocks(&self, rank: usize) -> &[Block] {
        &self.blocks[self.ranks[rank].clone()]
    }

    /// The elements of a rank, among those of all parameters.
    pub(crate) fn elements(&self, rank: usize) -> Range<usize> {
        match self.blocks(rank) {
            [] => 0..0,
            [first, ..] => {
                let last = self.blocks(rank).last().unwrap_or(first);
                first.elements.start..last.elements.end
            }
        }
    }

    /// How many elements each rank has.
    pub(crate) fn lengths(&self) -> Vec<usize> {
        (0..self.ranks.len()).map(|rank| self.elements(rank).len()).collect()
    }
}

/// The gradients of a module's parameters on the host, one after another, and where each lies. They are
/// taken out of `grads`, one by one.
pub(crate) fn flatten<M: Module>(model: &M, grads: &mut GradientsParams) -> (Vec<f32>, Vec<Place>) {
    let mut flat = Flatten { grads, path: ModulePath::default(), flat: Vec::new(), places: Vec::new() };
    model.visit(&mut flat);
    (flat.flat, flat.places)
}

struct Flatten<'a> {
    grads: &'a mut GradientsParams,
    path: ModulePath,
    flat: Vec<f32>,
    places: Vec<Place>,
}

impl ModuleVisitor for Flatten<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(grad) = self.grads.remove::<D>(param.id) else { return };
        let first = self.flat.len();
        self.flat.extend(to_host(grad));
        let elements = first..self.flat.len();
        self.places.push(Place { name: self.path.name(), rank: D, elements });
    }
}

/// The places of a module's parameters with these names.
pub(crate) fn places<M: Module>(model: &M, names: &[String]) -> Vec<Place> {
    let mut find = Find { names, path: ModulePath::default(), places: Vec::new() };
    model.visit(&mut find);
    find.places
}

struct Find<'a> {
    names: &'a [String],
    path: ModulePath,
    places: Vec<Place>,
}

impl ModuleVisitor for Find<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = self.path.name();
        if self.names.contains(&name) {
            let first = self.places.last().map_or(0, |place| place.elements.end);
            let elements = first..first + param.lazy_shape().num_elements();
            self.places.push(Place { name, rank: D, elements });
        }
    }
}

/// The values of blocks, each a flat tensor off the tape.
pub(crate) fn values<M: Module>(model: &M, places: &[Place], blocks: &[Block]) -> Vec<Tensor<1>> {
    let mut read = Read { places, blocks, path: ModulePath::default(), found: Vec::new() };
    model.visit(&mut read);
    read.found
}

struct Read<'a> {
    places: &'a [Place],
    /// Those that are still to be read.
    blocks: &'a [Block],
    path: ModulePath,
    found: Vec<Tensor<1>>,
}

impl ModuleVisitor for Read<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(place) = self.blocks.first().map(|block| &self.places[block.place]) else { return };
        if place.name != self.path.name() {
            return;
        }
        let flat = param.val().inner().reshape([place.elements.len()]);
        while let Some((block, rest)) = self.blocks.split_first()
            && self.places[block.place] == *place
        {
            let first = block.elements.start - place.elements.start;
            self.found.push(flat.clone().narrow(0, first, block.elements.len()));
            self.blocks = rest;
        }
    }
}

/// The module with the values of its parameters at these places, which `read` copies out. What has no
/// place stays as it is.
pub(crate) fn assign<M: Module>(
    model: M,
    places: &[Place],
    read: &mut dyn FnMut(Range<usize>) -> Vec<f32>,
) -> M {
    model.map(&mut Assign { places, read, path: ModulePath::default() })
}

struct Assign<'a> {
    /// Those that are still to be set.
    places: &'a [Place],
    read: &'a mut dyn FnMut(Range<usize>) -> Vec<f32>,
    path: ModulePath,
}

impl ModuleMapper for Assign<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some((place, rest)) = self.places.split_first() else { return param };
        if place.name != self.path.name() {
            return param;
        }
        self.places = rest;
        let shape = param.lazy_shape();
        with_values(param, TensorData::new((self.read)(place.elements.clone()), shape))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str, elements: Range<usize>) -> Place {
        Place { name: name.to_owned(), rank: 2, elements }
    }

    #[test]
    fn every_element_has_one_rank_and_cuts_are_the_same_for_all() {
        let places = vec![place("a", 0..25), place("b", 25..28), place("c", 28..90)];
        for ranks in [1, 2, 4, 8, 16] {
            let shards = Shards::cut(places.clone(), ranks, 8);
            let mut next = 0;
            for rank in 0..ranks {
                let elements = shards.elements(rank);
                assert!(elements.is_empty() || elements.start == next, "{ranks}: {shards:?}");
                next += elements.len();
                for block in shards.blocks(rank) {
                    let place = &places[block.place].elements;
                    assert_eq!((block.elements.start - place.start) % 8, 0);
                    assert!(block.elements.end <= place.end);
                }
            }
            assert_eq!(next, 90);
            assert_eq!(shards.lengths().iter().sum::<usize>(), 90);
            assert!(ranks > 4 || shards.lengths().iter().all(|n| n.abs_diff(90 / ranks) <= 8), "{shards:?}");
        }
    }

    #[test]
    fn nothing_is_nobodys() {
        let shards = Shards::new(Vec::new(), 2);
        assert_eq!(shards.lengths(), [0, 0]);
    }
}
