//! Which container a process is in, as far as the names of its cgroups tell.

use crate::model::Pid;

/// A container.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Container {
    /// The runtime, where that can be told: `docker`, `podman`, `containerd`, `cri-o`, `lxc`.
    pub runtime: Option<&'static str>,
    /// The full id, or the name where there is no id.
    pub id: String,
}

impl Container {
    /// The container of a process; `None` outside of any, and where its cgroups cannot be read.
    #[must_use]
    pub fn of(pid: Pid) -> Option<Container> {
        Container::parse(&std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?)
    }

    /// From `/proc/PID/cgroup`: lines of hierarchy, controllers and path.
    #[must_use]
    pub fn parse(text: &str) -> Option<Container> {
        let paths = text.lines().filter_map(|line| line.splitn(3, ':').nth(2));
        let mut parts = paths.flat_map(|path| {
            let parents = std::iter::once("").chain(path.split('/'));
            parents.zip(path.split('/'))
        });
        parts.find_map(|(parent, part)| Container::named(parent, part))
    }

    /// From one part of a cgroup's path and the part above it.
    fn named(parent: &str, part: &str) -> Option<Container> {
        /// Prefixes of systemd's scopes, and the runtimes that make them.
        const SCOPES: [(&str, &str); 4] = [
            ("docker-", "docker"),
            ("libpod-", "podman"),
            ("cri-containerd-", "containerd"),
            ("crio-", "cri-o"),
        ];
        if let Some(name) = part.strip_prefix("lxc.payload.") {
            return Some(Container {
                runtime: Some("lxc"),
                id: name.to_owned(),
            });
        }
        let name = part.strip_suffix(".scope").unwrap_or(part);
        let scope = SCOPES.iter().find_map(|(prefix, runtime)| {
            let id = name.strip_prefix(prefix)?;
            Some((*runtime, id))
        });
        let (runtime, id) = match (scope, parent) {
            (Some((runtime, id)), _) => (Some(runtime), id),
            (None, "docker") => (Some("docker"), name),
            (None, _) => (None, name),
        };
        // All of these runtimes give their containers ids of 64 hexadecimal digits.
        let is_id = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_id.then(|| Container {
            runtime,
            id: id.to_owned(),
        })
    }

    /// Whether `prefix` is the beginning of the id, and not empty.
    #[must_use]
    pub fn is_named(&self, prefix: &str) -> bool {
        !prefix.is_empty() && self.id.starts_with(prefix)
    }

    /// The beginning of the id, as container tools show it.
    #[must_use]
    pub fn short_id(&self) -> &str {
        self.id.get(..12).unwrap_or(&self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn containers_are_told_by_their_cgroups() {
        let cases = [
            ("0::/system.slice/docker-ID.scope", Some("docker")),
            ("12:memory:/docker/ID\n11:cpu:/docker/ID", Some("docker")),
            (
                "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope/container",
                Some("podman"),
            ),
            (
                "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/cri-containerd-ID.scope",
                Some("containerd"),
            ),
            ("1:name=systemd:/kubepods/besteffort/pod1-2/ID", None),
        ];
        for (text, runtime) in cases {
            let container = Container::parse(&text.replace("ID", ID)).expect(text);
            assert_eq!((container.runtime, container.id.as_str()), (runtime, ID));
            assert_eq!(container.short_id(), "0123456789ab");
            assert!(
                container.is_named("01234") && !container.is_named("1") && !container.is_named("")
            );
        }
        let lxc = Container::parse("0::/lxc.payload.web/system.slice").expect("lxc");
        assert_eq!((lxc.runtime, lxc.short_id()), (Some("lxc"), "web"));
    }

    #[test]
    fn outside_of_containers_there_is_none() {
        for text in [
            "0::/",
            "0::/user.slice/user-0.slice/session-1.scope",
            "",
            "x",
            "0::/a/é",
        ] {
            assert_eq!(Container::parse(text), None, "{text}");
        }
    }
}
