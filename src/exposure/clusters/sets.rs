//! Disjoint sets of nodes, with the members of each in a ring.

use super::super::nodes::Node;

/// In [`Sets::parents`]: the node is a root, and the rest is the size of its set.
const ROOT: u32 = 1 << 31;

/// Sets of nodes by union by size: no node lies deeper than the logarithm of its set. A node that was
/// never joined is a set of its own and takes no memory; those below the greatest that was take 8
/// bytes.
#[derive(Debug, Default)]
pub(in super::super) struct Sets {
    /// By node: the one above it, or [`ROOT`] and the size.
    parents: Vec<u32>,
    /// By node: the next member of its set.
    next: Vec<Node>,
}

impl Sets {
    /// The root of a node's set, which stands for the set until it is joined with another.
    pub fn root(&self, node: Node) -> Node {
        let mut at = node;
        while let Some(&parent) = self.parents.get(at as usize).filter(|&&of| of < ROOT) {
            at = parent;
        }
        at
    }

    /// How many nodes the set of a root has.
    pub fn size(&self, root: Node) -> u32 {
        self.parents.get(root as usize).map_or(1, |size| size & !ROOT)
    }

    /// The members of a node's set, from the node on.
    pub fn members(&self, node: Node) -> impl Iterator<Item = Node> {
        let mut next = Some(node);
        std::iter::from_fn(move || {
            let at = next?;
            let after = self.next.get(at as usize).copied().unwrap_or(at);
            next = (after != node).then_some(after);
            Some(at)
        })
    }

    /// Makes one set of those of two nodes.
    pub fn join_nodes(&mut self, a: Node, b: Node) {
        let (a, b) = (self.shortened(a), self.shortened(b));
        self.join(a, b);
    }

    /// The root of a node's set; half the way to it is left out from now on.
    fn shortened(&mut self, node: Node) -> Node {
        let mut at = node;
        loop {
            let parent = match self.parents.get(at as usize) {
                Some(&parent) if parent < ROOT => parent,
                _ => return at,
            };
            let above = self.parents[parent as usize];
            if above >= ROOT {
                return parent;
            }
            self.parents[at as usize] = above;
            at = above;
        }
    }

    /// Makes one set of two, given by their roots; gives the root that stands for both.
    pub fn join(&mut self, a: Node, b: Node) -> Node {
        if a == b {
            return a;
        }
        let last = a.max(b) as usize;
        if self.parents.len() <= last {
            let first = self.parents.len() as Node;
            self.parents.resize(last + 1, ROOT | 1);
            self.next.extend(first..=last as Node);
        }
        let (of_a, of_b) = (self.size(a), self.size(b));
        let (root, below) = if of_a >= of_b { (a, b) } else { (b, a) };
        self.parents[below as usize] = root;
        self.parents[root as usize] = ROOT | (of_a + of_b);
        self.next.swap(a as usize, b as usize);
        root
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        (self.parents.capacity() + self.next.capacity()) * size_of::<u32>()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sets_are_those_of_naming_every_member(pairs in prop::collection::vec((2_u32..40, 2_u32..40), 0..60)) {
            let mut sets = Sets::default();
            let mut names: Vec<u32> = (0..40).collect();
            for (a, b) in pairs {
                if a % 2 == 0 {
                    sets.join_nodes(a, b);
                } else {
                    let root = sets.join(sets.root(a), sets.root(b));
                    prop_assert_eq!(sets.root(a), root);
                }
                prop_assert_eq!(sets.root(a), sets.root(b));
                let (from, to) = (names[a as usize], names[b as usize]);
                names.iter_mut().filter(|name| **name == from).for_each(|name| *name = to);
            }
            for node in 2..40_u32 {
                let name = names[node as usize];
                let wanted: Vec<u32> =
                    (2..40).filter(|other| names[*other as usize] == name).collect();
                let mut members: Vec<_> = sets.members(node).collect();
                prop_assert_eq!(members[0], node);
                members.sort_unstable();
                prop_assert_eq!(sets.size(sets.root(node)) as usize, wanted.len());
                prop_assert_eq!(members, wanted);
            }
        }
    }
}
