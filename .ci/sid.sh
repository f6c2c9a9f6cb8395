# Debian unstable's packages, reached with an apt that has a state of its own. Sourced after common.sh.

APT_DIR=$CACHE/apt

# apt with a state of its own, so that the machine's is not touched and root is not needed. The mirror is the one
# that the machine's own sources name.
sid_apt() {
    APT_CONFIG=$APT_DIR/apt.conf "$@"
}

sid_configure() {
    local uri keyring
    uri=$(apt-get indextargets --format '$(LABEL)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        sed -n 's/^Debian|//p' | head -n1)
    if [ -z "$uri" ]; then
        # No lists yet: what the files say.
        uri=$(sed -nE 's/^(URIs:|deb( \[[^]]*\])?) +([a-z+]+:[^ ]*\/debian\/?)( .*)?$/\3/p' \
            /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n1)
    fi
    [ -n "$uri" ] || return 1
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    [ -f "$keyring" ] || return 1
    mkdir -p "$APT_DIR"/{lists/partial,cache/archives/partial,pool/partial,etc/apt.conf.d,etc/preferences.d,etc/trusted.gpg.d}
    : >"$APT_DIR/status"
    printf '%s [signed-by=%s] %s sid main\n' deb "$keyring" "$uri" deb-src "$keyring" "$uri" >"$APT_DIR/etc/sources.list"
    cat >"$APT_DIR/apt.conf" <<CONF
Dir::State "$APT_DIR";
Dir::State::lists "$APT_DIR/lists";
Dir::State::status "$APT_DIR/status";
Dir::Cache "$APT_DIR/cache";
Dir::Cache::archives "$APT_DIR/pool";
Dir::Etc "$APT_DIR/etc";
Dir::Etc::sourcelist "$APT_DIR/etc/sources.list";
Dir::Etc::sourceparts "-";
Dir::Log "$APT_DIR";
APT::Architecture "amd64";
APT::Architectures { "amd64"; "arm64"; };
APT::Sandbox::User "$(id -un)";
APT::Install-Recommends "false";
Debug::NoLocking "true";
// A mirror may be a snapshot, whose index has run out.
Acquire::Check-Valid-Until "false";
Acquire::Check-Date "false";
Acquire::Languages "none";
Acquire::Retries "3";
CONF
    # The machine's own configuration is read too; its hooks (deleting what was downloaded, for one) must not run.
    # `#clear` works only in a file that is read last, which APT_CONFIG's is.
    sed -i '1i #clear DPkg::Post-Invoke;\n#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;' \
        "$APT_DIR/apt.conf"
    find "$APT_DIR/lists" -maxdepth 1 -name '*arm64*Packages*' -mmin -720 | grep -q . ||
        sid_apt apt-get update -q >"$APT_DIR/log" 2>&1
}

# Unpacks packages with all that they need into a root: unpacked and not configured, so that no maintainer script runs
# and nobody needs to be root.
sid_unpack() { # root packages...
    local root=$1 deb
    shift
    rm -rf "$root" "$APT_DIR/pool"
    mkdir -p "$root" "$APT_DIR/pool/partial"
    sid_apt apt-get install -q -y --download-only base-files "$@" >"$APT_DIR/log" 2>&1 || return 1
    # First the package that makes /lib, /bin and so on links into /usr.
    for deb in "$APT_DIR"/pool/base-files_*.deb "$APT_DIR"/pool/*.deb; do dpkg-deb -x "$deb" "$root"; done
    rm -rf "$APT_DIR/pool"
}

# Unpacks single packages, without what they need, or only the part of them below a path.
sid_unpack_alone() { # root path packages...
    local root=$1 path=$2 package deb
    shift 2
    for package in "$@"; do
        rm -rf "$APT_DIR/pool"
        mkdir -p "$APT_DIR/pool/partial"
        (cd "$APT_DIR/pool" && sid_apt apt-get download -q "$package") >"$APT_DIR/log" 2>&1 || return 1
        for deb in "$APT_DIR"/pool/*.deb; do dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$root" --keep-directory-symlink "$path"; done
    done
    rm -rf "$APT_DIR/pool"
}
