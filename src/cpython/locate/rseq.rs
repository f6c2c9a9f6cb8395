//! Where a thread can see on which CPU it runs: in the area of restartable sequences that glibc
//! registers for each thread from 2.35 on. The kernel keeps it current for whoever runs in user
//! mode, so that another process learns it by a read of memory.

use super::dynamic;
use super::image::Image;
use crate::memory::Memory;

/// `cpu_id` in `struct rseq` (include/uapi/linux/rseq.h); what it holds where nothing is registered
/// is no CPU's number.
const CPU_ID: u64 = 4;

/// How far `cpu_id` lies behind a thread's id, in bytes, wrapping. `None` where the C library is
/// another or an older one, and where restartable sequences are switched off.
///
/// On x86-64 the thread id (`pthread_self`) is the thread pointer, from which glibc counts
/// `__rseq_offset` (sysdeps/nptl/dl-tls_init_tp.c, 2.35). Elsewhere the two lie apart by a length
/// that no symbol tells.
pub(super) fn cpu_id<M: Memory>(images: &[Image<'_>], memory: &mut M) -> Option<u64> {
    if !cfg!(target_arch = "x86_64") {
        return None;
    }
    let mut loaders = images.iter().filter(|image| {
        // The program loader defines them, under whatever name it was started.
        let name = image.mapping.file_name();
        name.starts_with(b"ld")
    });
    loaders.find_map(|image| {
        let size = dynamic::symbol(image, memory, "__rseq_size")?;
        let offset = dynamic::symbol(image, memory, "__rseq_offset")?;
        // 0 where the kernel, or GLIBC_TUNABLES, does not have it.
        let is_registered = memory.read_u32(size).ok()? > 0;
        let offset = memory.read_u64(offset).ok()?;
        is_registered.then_some(offset.wrapping_add(CPU_ID))
    })
}
