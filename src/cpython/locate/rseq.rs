//! Where a thread can see on which CPU it runs: in the area of restartable sequences that glibc
//! registers for each thread from 2.35 on. The kernel keeps it current while the thread runs in user
//! mode, so that another process can learn the CPU by reading memory.

use super::dynamic;
use super::image::Image;
use crate::memory::Memory;

/// The offset of `cpu_id` in `struct rseq` (include/uapi/linux/rseq.h). Where nothing is registered, its
/// value is not the number of a CPU.
const CPU_ID: u64 = 4;

/// What to add, wrapping, to a thread's id to get the address of its `cpu_id`. `None` where the C
/// library is another or an older one, and where restartable sequences are switched off.
///
/// On x86-64 the thread id (`pthread_self`) is the thread pointer, from which glibc counts
/// `__rseq_offset` (sysdeps/nptl/dl-tls_init_tp.c, 2.35). On other architectures no symbol tells how far
/// apart the two are.
pub(super) fn cpu_id<M: Memory>(images: &[Image<'_>], memory: &mut M) -> Option<u64> {
    if !cfg!(target_arch = "x86_64") {
        return None;
    }
    let mut loaders = images.iter().filter(|image| {
        // The symbols are defined by the dynamic loader, whose file name begins with `ld`.
        let name = image.mapping.file_name();
        name.starts_with(b"ld")
    });
    loaders.find_map(|image| {
        let size = dynamic::symbol(image, memory, "__rseq_size")?;
        let offset = dynamic::symbol(image, memory, "__rseq_offset")?;
        // 0 where the kernel does not have it, or GLIBC_TUNABLES switches it off.
        let is_registered = memory.read_u32(size).ok()? > 0;
        let offset = memory.read_u64(offset).ok()?;
        is_registered.then_some(offset.wrapping_add(CPU_ID))
    })
}
