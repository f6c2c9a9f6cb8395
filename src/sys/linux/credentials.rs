//! The user as whom we act: the user who called sudo owns what we write and what we start.

use std::ffi::{CString, OsString};
use std::io;

use nix::unistd::{Gid, Uid, User, getgrouplist, setfsgid, setfsuid};

/// The user who called sudo, on whose behalf we act as root.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    pub uid: Uid,
    pub gid: Gid,
    /// All groups, `gid` among them.
    pub groups: Vec<Gid>,
    /// `None` for a user that the system does not know.
    pub name: Option<String>,
    pub home: Option<OsString>,
}

impl Caller {
    /// The user who called sudo, by its variables; `None` unless we are root. Only root may act as
    /// another user, and only root can believe these variables: anyone else may set them at will.
    #[must_use]
    pub fn of_sudo() -> Option<Caller> {
        let root = Uid::from_raw(0);
        if Uid::current() != root || Uid::effective() != root {
            return None;
        }
        let number = |name| std::env::var(name).ok()?.parse::<u32>().ok();
        let (uid, gid) = (number("SUDO_UID")?, number("SUDO_GID")?);
        // -1 means "leave as it is" to the kernel.
        if uid == 0 || uid == u32::MAX || gid == u32::MAX {
            return None;
        }
        Some(Caller::with_ids(Uid::from_raw(uid), Gid::from_raw(gid)))
    }

    fn with_ids(uid: Uid, gid: Gid) -> Caller {
        let user = User::from_uid(uid).ok().flatten();
        let groups = user
            .as_ref()
            .and_then(|user| CString::new(user.name.as_bytes()).ok())
            .and_then(|name| getgrouplist(&name, gid).ok())
            .unwrap_or_else(|| vec![gid]);
        Caller {
            uid,
            gid,
            groups,
            home: user.as_ref().map(|user| user.dir.clone().into_os_string()),
            name: user.map(|user| user.name),
        }
    }

    /// Does `work` with the file-system rights of this user and no others: the calling thread's
    /// uid, gid and groups for access to files change, and with them it loses root's power over
    /// permissions. The rest of the process keeps what it has.
    ///
    /// # Errors
    /// When the rights cannot be changed; then `work` was not begun.
    pub fn with_files_as<T>(&self, work: impl FnOnce() -> T) -> io::Result<T> {
        let guard = AssumedIdentity::assume(&FilesystemIdentity {
            uid: self.uid.as_raw(),
            gid: self.gid.as_raw(),
            groups: self.groups.iter().map(|gid| gid.as_raw()).collect(),
        })?;
        let done = work();
        drop(guard);
        Ok(done)
    }
}

/// Does `work` as `caller`, or as ourselves if there is none.
///
/// # Errors
/// As [`Caller::with_files_as`].
pub fn as_caller<T>(
    caller: Option<&Caller>,
    work: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    match caller {
        Some(caller) => caller.with_files_as(work)?,
        None => work(),
    }
}

/// An identity, as the filesystem's permission checks see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FilesystemIdentity {
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
}

/// Makes this thread look to the filesystem like somebody else; dropping it restores the thread.
#[derive(Debug)]
pub struct AssumedIdentity {
    uid: Uid,
    gid: Gid,
    groups: Vec<u32>,
    /// The identity belongs to the thread that assumed it.
    _not_send: std::marker::PhantomData<*const ()>,
}

impl AssumedIdentity {
    /// Assumes an identity. Does nothing and returns `None` unless we are root, since only root may.
    ///
    /// # Errors
    /// When it could not be done completely; then the thread is as it was before.
    pub fn assume(identity: &FilesystemIdentity) -> io::Result<Option<AssumedIdentity>> {
        if !Uid::effective().is_root() {
            return Ok(None);
        }
        let groups = nix::unistd::getgroups()?
            .into_iter()
            .map(Gid::as_raw)
            .collect();
        // From here on dropping `guard` restores what was changed. Groups first: with the
        // filesystem uid go the capabilities to open anything.
        let guard = AssumedIdentity {
            groups,
            gid: setfsgid(Gid::from_raw(identity.gid)),
            uid: Uid::effective(),
            _not_send: std::marker::PhantomData,
        };
        set_thread_groups(&identity.groups)?;
        setfsuid(Uid::from_raw(identity.uid));
        // setfsuid and setfsgid do not report failure, but a call with an id that cannot be set
        // returns the id in force (setfsuid(2)).
        let uid = setfsuid(Uid::from_raw(u32::MAX)).as_raw();
        let gid = setfsgid(Gid::from_raw(u32::MAX)).as_raw();
        if (uid, gid) != (identity.uid, identity.gid) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(Some(guard))
    }
}

impl Drop for AssumedIdentity {
    fn drop(&mut self) {
        setfsuid(self.uid);
        setfsgid(self.gid);
        // If this fails, the thread has fewer rights than it had, never more.
        let _ = set_thread_groups(&self.groups);
    }
}

/// Sets the groups of the calling thread alone. The C library's `setgroups` would change those of
/// all threads, and must not be called between fork and exec.
pub(super) fn set_thread_groups(groups: &[libc::gid_t]) -> io::Result<()> {
    // SAFETY: the kernel reads `groups.len()` ids from the slice, which lives through the call.
    let result = unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn files_made_as_another_user_are_theirs_and_root_only_places_are_closed() {
        if !Uid::effective().is_root() {
            return;
        }
        let nobody = Caller::with_ids(Uid::from_raw(65534), Gid::from_raw(65534));
        let open = tempfile::tempdir().unwrap();
        std::fs::set_permissions(
            open.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o777),
        )
        .unwrap();
        let closed = tempfile::tempdir().unwrap();
        let (made, refused) = nobody
            .with_files_as(|| {
                (
                    std::fs::write(open.path().join("a"), "a"),
                    std::fs::write(closed.path().join("b"), "b"),
                )
            })
            .unwrap();
        made.unwrap();
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        let owner = std::fs::metadata(open.path().join("a")).unwrap();
        assert_eq!((owner.uid(), owner.gid()), (65534, 65534));
        // Our own rights are back.
        std::fs::write(closed.path().join("b"), "b").unwrap();
    }

    #[test]
    fn an_assumed_identity_is_given_back() {
        let identity = FilesystemIdentity {
            uid: 65534,
            gid: 65534,
            groups: vec![65534],
        };
        let groups = || nix::unistd::getgroups().expect("groups");
        let before = groups();
        let Some(guard) = AssumedIdentity::assume(&identity).expect("is root or not") else {
            eprintln!("SKIPPED an assumed identity: this needs root");
            return;
        };
        assert_eq!(groups(), [Gid::from_raw(65534)]);
        drop(guard);
        assert_eq!(groups(), before);
        assert_eq!(setfsuid(Uid::from_raw(u32::MAX)), Uid::effective());
    }
}
