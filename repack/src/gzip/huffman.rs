//! The code with the fewest bits for symbols that occur so and so often, as gzip builds it.
//!
//! Huffman's tree from a heap. Which of several best codes comes out is a matter of the heap's order:
//! by occurrences, then by the height of the tree below, and of equals the one that sifts up.

/// Room for the largest alphabet, and the tree over it.
const SYMBOLS: usize = 286;
const NODES: usize = 2 * SYMBOLS - 1;

/// The length and the bits of each symbol's code.
pub(super) struct Huffman {
    pub(super) lengths: Vec<u8>,
    bits: Vec<u16>,
}

impl Huffman {
    /// The code for symbols that occur so often, of which none is longer than `longest`.
    ///
    /// It ends with the last symbol that occurs, and has at least two symbols.
    pub(super) fn new(occurrences: &[u32], longest: usize) -> Self {
        let mut tree = Tree::new(occurrences);
        let removed = tree.build(occurrences.len());
        Self::with_lengths(tree.lengths(&removed, longest))
    }

    /// The canonical code with these lengths (RFC 1951, section 3.2.2).
    pub(super) fn with_lengths(lengths: Vec<u8>) -> Self {
        let mut bits = vec![0; lengths.len()];
        let mut next = 0_u16;
        for length in 1..16 {
            next <<= 1;
            for (bits, _) in bits.iter_mut().zip(&lengths).filter(|(_, l)| **l == length) {
                *bits = next.reverse_bits() >> (16 - length);
                next = next.wrapping_add(1);
            }
        }
        Self { lengths, bits }
    }

    /// The bits of a symbol, and how many.
    pub(super) fn code(&self, symbol: usize) -> (usize, u32) {
        (usize::from(self.bits[symbol]), u32::from(self.lengths[symbol]))
    }

    /// How many bits it takes to write symbols that occur so often, of which each has so many more bits.
    pub(super) fn cost(&self, occurrences: &[u32], extra: impl Fn(usize) -> u32) -> u64 {
        let each = self.lengths.iter().zip(occurrences).enumerate();
        each.map(|(symbol, (length, n))| u64::from(*n) * u64::from(u32::from(*length) + extra(symbol))).sum()
    }
}

struct Tree {
    /// How often what is below a node occurs.
    weight: [u32; NODES],
    height: [u8; NODES],
    parent: [u16; NODES],
    /// Nodes without a parent, the lightest at index 1.
    heap: Vec<u16>,
    /// How many symbols the code has.
    symbols: usize,
}

impl Tree {
    fn new(occurrences: &[u32]) -> Self {
        let mut tree =
            Self { weight: [0; NODES], height: [0; NODES], parent: [0; NODES], heap: vec![0], symbols: 0 };
        for (symbol, n) in occurrences.iter().enumerate().filter(|(_, n)| **n > 0) {
            tree.weight[symbol] = *n;
            tree.heap.push(symbol as u16);
            tree.symbols = symbol + 1;
        }
        // A decoder may want two codes, so the first symbols get one though they do not occur.
        while tree.heap.len() < 3 {
            let symbol = if tree.symbols < 3 { tree.symbols } else { 0 };
            tree.weight[symbol] = 1;
            tree.heap.push(symbol as u16);
            tree.symbols = tree.symbols.max(symbol + 1);
        }
        tree
    }

    /// Joins the two lightest nodes until one is left; says in which order they went, the root last.
    fn build(&mut self, alphabet: usize) -> Vec<u16> {
        let mut removed = Vec::with_capacity(NODES);
        for place in (1..=(self.heap.len() - 1) / 2).rev() {
            self.sift(place);
        }
        for node in alphabet.. {
            let first = self.heap.swap_remove(1);
            self.sift(1);
            let second = self.heap[1];
            removed.extend([first, second]);
            let [a, b] = [first, second].map(usize::from);
            self.weight[node] = self.weight[a] + self.weight[b];
            self.height[node] = self.height[a].max(self.height[b]).saturating_add(1);
            (self.parent[a], self.parent[b]) = (node as u16, node as u16);
            self.heap[1] = node as u16;
            self.sift(1);
            if self.heap.len() == 2 {
                removed.push(node as u16);
                break;
            }
        }
        removed
    }

    fn lighter(&self, a: u16, b: u16) -> bool {
        let key = |node: u16| (self.weight[usize::from(node)], self.height[usize::from(node)]);
        key(a) <= key(b)
    }

    /// Moves the node at `place` below all that are lighter.
    fn sift(&mut self, mut place: usize) {
        let Some(&node) = self.heap.get(place) else { return };
        while let Some(&left) = self.heap.get(2 * place) {
            let right = self.heap.get(2 * place + 1).filter(|right| self.lighter(**right, left));
            let (child, lightest) = right.map_or((2 * place, left), |right| (2 * place + 1, *right));
            if self.lighter(node, lightest) {
                break;
            }
            self.heap[place] = lightest;
            place = child;
        }
        self.heap[place] = node;
    }

    /// The lengths of the codes: the depths of the leaves, evened out where they are deeper than `longest`.
    fn lengths(&self, removed: &[u16], longest: usize) -> Vec<u8> {
        let mut depth = [0_usize; NODES];
        let mut counts = [0_usize; 17];
        let mut over = 0_isize;
        for node in removed.iter().rev().skip(1).map(|node| usize::from(*node)) {
            let deep = depth[usize::from(self.parent[node])] + 1;
            over += isize::from(deep > longest);
            depth[node] = deep.min(longest);
            if node < self.symbols {
                counts[depth[node]] += 1;
            }
        }
        let mut lengths: Vec<u8> = depth[..self.symbols].iter().map(|deep| *deep as u8).collect();
        if over == 0 {
            return lengths;
        }
        // A leaf that is too deep becomes the brother of one higher up, which goes down for it.
        while over > 0 {
            let above = (1..longest).rev().find(|length| counts[*length] > 0).unwrap_or(1);
            counts[above] = counts[above].saturating_sub(1);
            counts[above + 1] += 2;
            counts[longest] = counts[longest].saturating_sub(1);
            over -= 2;
        }
        // The rarest get the longest codes.
        let mut leaves = removed.iter().map(|node| usize::from(*node)).filter(|node| *node < self.symbols);
        for length in (1..=longest).rev() {
            for leaf in leaves.by_ref().take(counts[length]) {
                lengths[leaf] = length as u8;
            }
        }
        lengths
    }
}
