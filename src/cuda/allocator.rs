//! The caching allocator: memory of a GPU is asked for in large segments, which are cut into blocks.
//! A block that is freed can be given away again at once to the same stream, as work in a stream is
//! done in order; the driver, which would wait for the GPU, is not called.
//! Graphs, which find their tensors at the same addresses in each replay, have pools of their own.
//!
//! Sizes and limits are those of PyTorch's allocator, so that `memory_reserved` tells the same.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Blocks start at multiples of this many bytes.
const ALIGNMENT: u64 = 512;
/// Requests up to this size are cut out of small segments.
const SMALL: u64 = 1 << 20;
const SMALL_SEGMENT: u64 = 2 << 20;
/// Requests below this size share segments of a fixed size; larger ones get their own.
const MEDIUM: u64 = 10 << 20;
const MEDIUM_SEGMENT: u64 = 20 << 20;
/// Segments of large requests are multiples of this.
const LARGE_ROUNDING: u64 = 2 << 20;

/// Where segments come from: the driver, or a test.
pub trait Source {
    /// The address of fresh memory; `None` if there is none.
    fn allocate(&mut self, bytes: u64) -> Option<u64>;
    /// Gives memory back, after all work on it is done.
    fn release(&mut self, address: u64);
}

/// What the allocator holds, in bytes, and how often it was asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// In blocks that tensors hold.
    pub allocated: u64,
    pub peak_allocated: u64,
    /// In segments, used or not.
    pub reserved: u64,
    pub peak_reserved: u64,
    pub allocations: u64,
    pub frees: u64,
    pub segments: u64,
    /// How often cached memory had to be given back to find room.
    pub retries: u64,
    pub out_of_memory: u64,
}

struct Block {
    bytes: u64,
    free: bool,
    pool: Pool,
    /// The segment's first address.
    segment: u64,
}

/// Blocks of one pool may replace each other: same graphs, same stream, same kind of segment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Pool {
    /// The private pool of graphs; 0 for all other work.
    private: u32,
    stream: usize,
    small: bool,
}

pub struct Allocator<S> {
    source: S,
    /// All blocks by address; neighbours of a segment follow each other.
    blocks: BTreeMap<u64, Block>,
    /// Free blocks by pool, size and address: the first that is large enough fits best.
    free: BTreeSet<(Pool, u64, u64)>,
    /// How many graphs use a private pool.
    users: HashMap<u32, usize>,
    /// Whether blocks are the source's own, with nothing around them: what tools that look for wrong accesses want.
    uncached: bool,
    statistics: Statistics,
}

/// There is no room for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfMemory {
    pub requested: u64,
}

impl<S: Source> Allocator<S> {
    pub fn new(source: S) -> Allocator<S> {
        Allocator {
            source,
            blocks: BTreeMap::new(),
            free: BTreeSet::new(),
            users: HashMap::new(),
            uncached: false,
            statistics: Statistics::default(),
        }
    }

    /// Keeps nothing, and asks for each block by itself.
    pub fn uncached(mut self) -> Allocator<S> {
        self.uncached = true;
        self
    }

    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    pub fn reset_peaks(&mut self) {
        self.statistics.peak_allocated = self.statistics.allocated;
        self.statistics.peak_reserved = self.statistics.reserved;
    }

    /// Notes one more graph that uses a private pool: its memory stays as long as there is one.
    pub fn use_pool(&mut self, private: u32) {
        *self.users.entry(private).or_default() += 1;
    }

    /// Notes that a graph uses a private pool no more.
    pub fn leave_pool(&mut self, private: u32) {
        if let Some(users) = self.users.get_mut(&private) {
            *users -= 1;
            if *users == 0 {
                self.users.remove(&private);
            }
        }
    }

    /// The address of a block of at least `bytes` bytes for work in `stream`, from a private pool or, with 0, from
    /// the common one.
    pub fn allocate(&mut self, bytes: u64, stream: usize, private: u32) -> Result<u64, OutOfMemory> {
        let rounded = bytes.max(1).checked_next_multiple_of(ALIGNMENT);
        let Some(size) = rounded.filter(|&b| b < 1 << 62) else {
            self.statistics.out_of_memory += 1;
            return Err(OutOfMemory { requested: bytes });
        };
        let pool = Pool { private, stream, small: size <= SMALL };
        if self.uncached {
            let found = self.source.allocate(bytes.max(1));
            let address = found.ok_or(OutOfMemory { requested: bytes }).inspect_err(|_| {
                self.statistics.out_of_memory += 1;
            })?;
            self.blocks.insert(address, Block { bytes: size, free: false, pool, segment: address });
            self.statistics.reserved += size;
            self.statistics.peak_reserved = self.statistics.peak_reserved.max(self.statistics.reserved);
            self.statistics.segments += 1;
            self.count(size);
            return Ok(address);
        }
        let found = self.free.range((pool, size, 0)..=(pool, u64::MAX, u64::MAX)).next().copied();
        let address = match found {
            Some(key) => {
                self.free.remove(&key);
                key.2
            }
            None => self.new_segment(size, pool).inspect_err(|_| self.statistics.out_of_memory += 1)?,
        };
        self.cut(address, size);
        self.count(self.blocks[&address].bytes);
        Ok(address)
    }

    /// Counts a block that was given away.
    fn count(&mut self, bytes: u64) {
        let s = &mut self.statistics;
        s.allocations += 1;
        s.allocated += bytes;
        s.peak_allocated = s.peak_allocated.max(s.allocated);
    }

    /// Takes back a block; its memory may be given to later work of the same stream.
    pub fn free(&mut self, address: u64) {
        let Some(block) = self.blocks.get_mut(&address) else {
            debug_assert!(false, "the address is no block's");
            return;
        };
        debug_assert!(!block.free);
        block.free = true;
        self.statistics.frees += 1;
        self.statistics.allocated -= block.bytes;
        if self.uncached {
            self.statistics.reserved -= block.bytes;
            self.statistics.segments -= 1;
            self.blocks.remove(&address);
            self.source.release(address);
            return;
        }
        let (pool, segment) = (block.pool, block.segment);
        let mut start = address;
        let before = self.blocks.range(..address).next_back();
        if let Some((&at, b)) = before.filter(|(_, b)| b.free && b.segment == segment) {
            self.free.remove(&(pool, b.bytes, at));
            let bytes = self.blocks.remove(&address).expect("found above").bytes;
            self.blocks.get_mut(&at).expect("found above").bytes += bytes;
            start = at;
        }
        let after = self.blocks.range(start + 1..).next();
        if let Some((&at, b)) = after.filter(|(_, b)| b.free && b.segment == segment) {
            self.free.remove(&(pool, b.bytes, at));
            let bytes = self.blocks.remove(&at).expect("found above").bytes;
            self.blocks.get_mut(&start).expect("found above").bytes += bytes;
        }
        self.free.insert((pool, self.blocks[&start].bytes, start));
    }

    /// Gives segments that nothing lies in back to the source.
    pub fn empty_cache(&mut self) {
        let whole: Vec<(Pool, u64, u64)> = self
            .free
            .iter()
            .filter(|(pool, bytes, at)| {
                !self.users.contains_key(&pool.private)
                    && self.blocks[at].segment == *at
                    && self.blocks.range(at + 1..).next().is_none_or(|(_, b)| b.segment != *at)
                    && *bytes > 0
            })
            .copied()
            .collect();
        for key in whole {
            self.free.remove(&key);
            self.blocks.remove(&key.2);
            self.statistics.reserved -= key.1;
            self.statistics.segments -= 1;
            self.source.release(key.2);
        }
    }

    fn new_segment(&mut self, size: u64, pool: Pool) -> Result<u64, OutOfMemory> {
        let bytes = match size {
            _ if pool.small => SMALL_SEGMENT,
            _ if size < MEDIUM => MEDIUM_SEGMENT,
            _ => size.next_multiple_of(LARGE_ROUNDING),
        };
        let address = match self.source.allocate(bytes) {
            Some(address) => address,
            None => {
                self.statistics.retries += 1;
                self.empty_cache();
                self.source.allocate(bytes).ok_or(OutOfMemory { requested: size })?
            }
        };
        let s = &mut self.statistics;
        s.reserved += bytes;
        s.segments += 1;
        s.peak_reserved = s.peak_reserved.max(s.reserved);
        self.blocks.insert(address, Block { bytes, free: true, pool, segment: address });
        Ok(address)
    }

    /// Takes the first `size` bytes of a free block and leaves the rest free, if it is worth keeping.
    fn cut(&mut self, address: u64, size: u64) {
        let block = self.blocks.get_mut(&address).expect("a block starts here");
        block.free = false;
        let rest = block.bytes - size;
        let worth = if block.pool.small { rest >= ALIGNMENT } else { rest > SMALL };
        if worth {
            block.bytes = size;
            let (pool, segment) = (block.pool, block.segment);
            self.blocks.insert(address + size, Block { bytes: rest, free: true, pool, segment });
            self.free.insert((pool, rest, address + size));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Memory of a fixed size, at ever higher addresses.
    struct Card {
        next: u64,
        room: u64,
        given: BTreeMap<u64, u64>,
    }

    impl Source for Card {
        fn allocate(&mut self, bytes: u64) -> Option<u64> {
            self.room = self.room.checked_sub(bytes)?;
            let address = self.next;
            self.next += bytes.next_multiple_of(1 << 21);
            self.given.insert(address, bytes);
            Some(address)
        }
        fn release(&mut self, address: u64) {
            self.room += self.given.remove(&address).expect("given before");
        }
    }

    fn allocator(room: u64) -> Allocator<Card> {
        Allocator::new(Card { next: 1 << 30, room, given: BTreeMap::new() })
    }

    #[test]
    fn freed_blocks_are_given_away_again() {
        let mut a = allocator(1 << 30);
        let x = a.allocate(1000, 0, 0).unwrap();
        let y = a.allocate(1000, 0, 0).unwrap();
        assert_eq!(y, x + 1024);
        a.free(x);
        assert_eq!(a.allocate(512, 0, 0).unwrap(), x);
        assert_eq!(a.allocate(512, 0, 0).unwrap(), x + 512);
        assert_eq!((a.statistics().reserved, a.statistics().allocated), (2 << 20, 2048));
    }

    #[test]
    fn streams_do_not_share_blocks() {
        let mut a = allocator(1 << 30);
        let x = a.allocate(1000, 0, 0).unwrap();
        a.free(x);
        assert_ne!(a.allocate(1000, 7, 0).unwrap(), x);
        assert_eq!(a.statistics().segments, 2);
    }

    #[test]
    fn memory_of_graphs_is_their_own() {
        let mut a = allocator(1 << 30);
        a.use_pool(3);
        let x = a.allocate(1000, 5, 3).unwrap();
        a.free(x);
        assert_ne!(a.allocate(1000, 5, 0).unwrap(), x);
        assert_eq!(a.allocate(1000, 5, 3).unwrap(), x);
        a.free(x);
        a.empty_cache();
        assert_eq!(a.statistics().segments, 2);
        a.leave_pool(3);
        a.empty_cache();
        assert_eq!(a.statistics().segments, 1);
    }

    #[test]
    fn without_a_cache_blocks_come_from_the_source() {
        let mut a = allocator(1 << 30).uncached();
        let x = a.allocate(1000, 0, 0).unwrap();
        assert_eq!(a.source.given[&x], 1000);
        assert_eq!((a.statistics().reserved, a.statistics().allocated), (1024, 1024));
        a.free(x);
        assert!(a.source.given.is_empty() && a.blocks.is_empty());
        assert_eq!((a.statistics().reserved, a.statistics().allocated), (0, 0));
        assert!(a.allocate(1 << 40, 0, 0).is_err());
    }

    #[test]
    fn neighbours_are_merged_and_whole_segments_returned() {
        let mut a = allocator(1 << 30);
        let blocks: Vec<u64> = (0..4).map(|_| a.allocate(3 << 20, 0, 0).unwrap()).collect();
        assert_eq!(a.statistics().segments, 1);
        for i in [1, 3, 0, 2] {
            a.free(blocks[i]);
        }
        assert_eq!(a.blocks.len(), 1);
        a.empty_cache();
        assert_eq!(a.statistics().reserved, 0);
        assert!(a.source.given.is_empty() && a.free.is_empty());
    }

    #[test]
    fn a_full_card_gives_its_cache_back_before_it_refuses() {
        let mut a = allocator(64 << 20);
        let x = a.allocate(40 << 20, 0, 0).unwrap();
        a.free(x);
        let y = a.allocate(60 << 20, 0, 0).unwrap();
        assert_eq!(a.statistics().retries, 1);
        assert_eq!(a.allocate(30 << 20, 0, 0), Err(OutOfMemory { requested: 30 << 20 }));
        a.free(y);
        assert!(a.allocate(60 << 20, 0, 0).is_ok());
        assert!(a.allocate(u64::MAX, 0, 0).is_err());
    }

    proptest::proptest! {
        /// Blocks in use never overlap, whatever is asked for and freed, and nothing is lost.
        #[test]
        fn blocks_never_overlap(steps in proptest::collection::vec((0u64..30 << 20, 0usize..3, proptest::bool::ANY), 1..200)) {
            let mut a = allocator(1 << 34);
            let mut held: Vec<(u64, u64)> = Vec::new();
            for (bytes, stream, free) in steps {
                if free && !held.is_empty() {
                    let (at, _) = held.swap_remove(bytes as usize % held.len());
                    a.free(at);
                    continue;
                }
                let at = a.allocate(bytes, stream, 0).unwrap();
                assert!(held.iter().all(|&(b, n)| at + bytes.max(1) <= b || b + n.max(1) <= at));
                assert!(at.is_multiple_of(ALIGNMENT));
                held.push((at, bytes));
            }
            for (at, _) in held.drain(..) {
                a.free(at);
            }
            a.empty_cache();
            assert_eq!((a.statistics().allocated, a.statistics().reserved), (0, 0));
            assert!(a.blocks.is_empty());
        }
    }
}
