//! The dynamic symbol table in the target's memory: what a program exports is there even if its
//! file is gone, upgraded, stripped or out of reach.

use super::image::Image;
use crate::memory::Memory;
use crate::model::Addr;
use crate::model::little_endian::{u16_at, u32_at, u64_at};

const DT_HASH: u64 = 4;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const DT_GNU_HASH: u64 = 0x6fff_fef5;
const SYMBOL_SIZE: u64 = 24;
/// Real chains are a handful of symbols long.
const MAX_CHAIN: u32 = 1 << 12;

/// Where the tables are.
#[derive(Clone, Copy, Debug)]
struct Tables {
    strings: Addr,
    symbols: Addr,
    gnu_hash: Option<Addr>,
    hash: Option<Addr>,
}

/// The address of a symbol that an image defines and exports.
pub(super) fn symbol<M: Memory>(image: &Image<'_>, memory: &mut M, name: &str) -> Option<Addr> {
    let section = image.dynamic_section(memory)?;
    // glibc replaces the addresses in the section in memory by absolute ones, musl does not; and a
    // prelinked file could be read both ways. That the symbol has the right name proves which one it is.
    let absolute = |at: u64| {
        Some(Addr(at))
            .filter(|at| image.contains(*at))
            .unwrap_or(Addr(image.bias.wrapping_add(at)))
    };
    let relative = |at: u64| Addr(image.bias.wrapping_add(at));
    let lookup = |tables: Option<Tables>, memory: &mut M| tables?.lookup(image, memory, name);
    lookup(Tables::parse(&section, absolute), memory)
        .or_else(|| lookup(Tables::parse(&section, relative), memory))
}

impl Tables {
    fn parse(section: &[u8], place: impl Fn(u64) -> Addr) -> Option<Tables> {
        let entry = |tag: u64| {
            section
                .chunks_exact(16)
                .take_while(|entry| u64_at(entry, 0) != Some(0))
                .find(|entry| u64_at(entry, 0) == Some(tag))
                .and_then(|entry| u64_at(entry, 8))
                .map(&place)
        };
        Some(Tables {
            strings: entry(DT_STRTAB)?,
            symbols: entry(DT_SYMTAB)?,
            gnu_hash: entry(DT_GNU_HASH),
            hash: entry(DT_HASH),
        })
    }

    fn lookup<M: Memory>(&self, image: &Image<'_>, memory: &mut M, name: &str) -> Option<Addr> {
        if let Some(at) = self.gnu_hash {
            self.lookup_gnu(image, memory, at, name)
        } else {
            self.lookup_sysv(image, memory, self.hash?, name)
        }
    }

    /// Bloom filter, buckets, chains; the last hash of a chain has its low bit set
    /// (<https://flapenguin.me/elf-dt-gnu-hash>; glibc, elf/dl-lookup.c).
    fn lookup_gnu<M: Memory>(
        &self,
        image: &Image<'_>,
        memory: &mut M,
        table: Addr,
        name: &str,
    ) -> Option<Addr> {
        let header = memory.read_array::<16>(table).ok()?;
        let buckets = u32_at(&header, 0).filter(|count| *count > 0)?;
        let first_symbol = u32_at(&header, 4)?;
        let bloom_words = u32_at(&header, 8).filter(|count| *count > 0)?;
        let bloom_shift = u32_at(&header, 12)?;
        let hash = gnu_hash(name);

        let bloom = table.plus(16);
        let word = memory
            .read_u64(bloom.plus(8 * u64::from((hash / 64) % bloom_words)))
            .ok()?;
        let second = hash.checked_shr(bloom_shift).unwrap_or(0);
        if (word >> (hash % 64)) & (word >> (second % 64)) & 1 == 0 {
            return None;
        }

        let bucket_table = bloom.plus(8 * u64::from(bloom_words));
        let chains = bucket_table.plus(4 * u64::from(buckets));
        let start = memory
            .read_u32(bucket_table.plus(4 * u64::from(hash % buckets)))
            .ok()?;
        for index in (start..start.saturating_add(MAX_CHAIN)).skip_while(|i| *i < first_symbol) {
            let link = chains.plus(4 * u64::from(index - first_symbol));
            let other = memory.read_u32(link).ok()?;
            if other | 1 == hash | 1
                && let Some(at) = self.defined(image, memory, index, name)
            {
                return Some(at);
            }
            if other & 1 == 1 {
                return None;
            }
        }
        None
    }

    /// `nbucket`, `nchain`, buckets, chains (System V ABI, "Hash Table").
    fn lookup_sysv<M: Memory>(
        &self,
        image: &Image<'_>,
        memory: &mut M,
        table: Addr,
        name: &str,
    ) -> Option<Addr> {
        let buckets = memory.read_u32(table).ok().filter(|count| *count > 0)?;
        let chains = table.plus(8 + 4 * u64::from(buckets));
        let bucket = u64::from(sysv_hash(name) % buckets);
        let mut index = memory.read_u32(table.plus(8 + 4 * bucket)).ok()?;
        for _ in 0..MAX_CHAIN {
            if index == 0 {
                return None;
            }
            if let Some(at) = self.defined(image, memory, index, name) {
                return Some(at);
            }
            index = memory.read_u32(chains.plus(4 * u64::from(index))).ok()?;
        }
        None
    }

    /// The address of the symbol at `index`, if it has that name and is defined here.
    fn defined<M: Memory>(
        &self,
        image: &Image<'_>,
        memory: &mut M,
        index: u32,
        name: &str,
    ) -> Option<Addr> {
        // Elf64_Sym: st_name u32, st_info u8, st_other u8, st_shndx u16, st_value u64, st_size u64.
        let symbol = memory
            .read_array::<24>(self.symbols.plus(SYMBOL_SIZE * u64::from(index)))
            .ok()?;
        let name_at = self.strings.plus(u64::from(u32_at(&symbol, 0)?));
        let text = memory.read_vec(name_at, name.len() + 1).ok()?;
        if text.strip_suffix(b"\0") != Some(name.as_bytes()) || u16_at(&symbol, 6)? == 0 {
            return None;
        }
        let at = Addr(image.bias.wrapping_add(u64_at(&symbol, 8)?));
        image.contains(at).then_some(at)
    }
}

fn gnu_hash(name: &str) -> u32 {
    name.bytes().fold(5381, |hash: u32, byte| {
        hash.wrapping_mul(33).wrapping_add(u32::from(byte))
    })
}

fn sysv_hash(name: &str) -> u32 {
    name.bytes().fold(0, |hash: u32, byte| {
        let hash = (hash << 4).wrapping_add(u32::from(byte));
        let high = hash & 0xf000_0000;
        (hash ^ (high >> 24)) & !high
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_specifications() {
        assert_eq!(gnu_hash(""), 0x1505);
        assert_eq!(gnu_hash("printf"), 0x156b_2bb8);
        assert_eq!(sysv_hash("printf"), 0x0779_05a6);
    }
}
