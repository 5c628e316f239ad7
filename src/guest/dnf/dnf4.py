# What dnf 4 says and does, by its own Python API, set up as its dnf-automatic sets it up: the admin's configuration and all plugins.
# Python 3.6 and later; dnf4_set.py goes on where this ends. Arguments: VERB PROXY PATIENCE ROOT; the pinned set, where the verb takes one, is on standard input, a line
# `NAME ARCH FROM TO ORIGIN` each. Answers are lines of fields with tabs between them, `End` the last; what dnf, its plugins and the
# packages' scripts print goes to the error output.
import os
import sys
import time

# What hangs is looked for by this name.
with open("/proc/self/comm", "w") as comm:
    comm.write("dnf")
out = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace")
os.dup2(2, 1)

import dnf
import dnf.callback
import dnf.cli
import dnf.conf
import dnf.crypto
import dnf.exceptions
import dnf.lock
import dnf.selector
import dnf.transaction
import hawkey
import libdnf.transaction
import rpm

VERB, PROXY, PATIENCE, ROOT = sys.argv[1:5]
DEADLINE = time.time() + int(PATIENCE)
# How many packages that do not resolve are asked for their reason one by one.
EXPLAINED = 30


class Refused(Exception):
    """Why nothing more is done, by one of the words that our parser knows."""

    def __init__(self, kind, *words):
        super().__init__(kind)
        self.kind, self.words = kind, words


def clean(text, limit=400):
    return "".join(c if c.isprintable() else " " for c in str(text))[:limit].strip()


def say(*fields):
    out.write("\t".join(clean(field) for field in fields) + "\n")


def holder(pid):
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as file:
            line = file.read().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        line = ""
    return "process %d (%s)" % (pid, clean(line, 120) or "gone")


def waiting(work):
    """Does what takes dnf's locks, as soon as no other has them."""
    while True:
        try:
            return work()
        except dnf.exceptions.LockError as error:
            if time.time() >= DEADLINE:
                pid = getattr(error, "pid", None)
                raise Refused("busy", holder(pid) if pid else error)
            time.sleep(1)


def wait_for_rpm():
    """rpm's own lock (rpm's lib/rpmlock.c), for which its library would wait without an end. Closing it gives it back."""
    import fcntl
    import struct

    path = ROOT.rstrip("/") + rpm.expandMacro("%{?_rpmlock_path}%{!?_rpmlock_path:/var/lib/rpm/.rpm.lock}")
    whole = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    while os.path.exists(path):
        with open(path, "r+b") as file:
            kind, _, _, _, pid = struct.unpack("hhqqi4x", fcntl.fcntl(file, fcntl.F_GETLK, whole))
        if kind == fcntl.F_UNLCK:
            return
        if time.time() >= DEADLINE:
            raise Refused("busy", holder(pid))
        time.sleep(1)


class NoKey(dnf.callback.KeyImport):
    """A key that signs a repository's metadata and that the machine does not have is not taken; dnf's own default takes it."""

    refused = []

    def _confirm(self, id, userid=None, fingerprint=None, url=None, timestamp=None):
        name = fingerprint or getattr(id, "fingerprint", None) or getattr(id, "short_id", id)
        self.refused.append("key %s of %s" % (name, url or getattr(id, "url", "")))
        return False


def opened(cached):
    base = dnf.Base(dnf.conf.Conf())
    if ROOT != "/":
        base.conf.installroot = ROOT
    cli = dnf.cli.Cli(base)
    cli._read_conf_file()
    # Without it versionlock does nothing.
    cli.demands.resolving = True
    conf = base.conf
    conf.best, conf.strict, conf.exit_on_lock, conf.cacheonly = True, True, True, cached
    conf.assumeyes = conf.defaultyes = False
    base.init_plugins(cli=cli)
    base.pre_configure_plugins()
    base.read_all_repos()
    base.configure_plugins()
    for repo in base.repos.iter_enabled():
        repo.skip_if_unavailable = False
        repo._set_key_import(NoKey())
        if PROXY:
            repo.proxy = PROXY
    return base


def no_source(base):
    if not any(True for _ in base.repos.iter_enabled()):
        raise Refused("nosource", "no repository is enabled")


def filled(base):
    """Reads what the machine has of its repositories."""
    no_source(base)
    try:
        waiting(base.fill_sack_from_repos_in_cache)
    except AttributeError:  # before dnf 4.4
        base.conf.cacheonly = True
        for repo in base.repos.iter_enabled():
            repo._repo.setSyncStrategy(dnf.repo.SYNC_ONLY_CACHE)
        waiting(base.fill_sack)
    except dnf.exceptions.RepoError as error:
        raise Refused("unread", error)


def evr(pkg):
    return pkg.evr[2:] if pkg.evr.startswith("0:") else pkg.evr


def newer(base, one, other):
    return base.sack.evr_cmp(one, other) > 0


class Items:
    """The transaction, an item for each package: what comes, with what it replaces of the same name; what else goes."""

    def __init__(self, base):
        self.base = base
        self.side = set(base._get_installonly_query().apply())
        comes, goes, reinstalled = [], [], []
        for tsi in base.transaction or []:
            if tsi.action == libdnf.transaction.TransactionItemAction_REINSTALL:
                reinstalled.append(str(tsi.pkg))
            elif tsi.action in dnf.transaction.FORWARD_ACTIONS:
                comes.append(tsi)
            elif tsi.action in dnf.transaction.BACKWARD_ACTIONS:
                goes.append(tsi.pkg)
        self.tsis, self.reinstalled, self.list = comes, reinstalled, []
        for same_arch in (True, False):
            for tsi in list(comes):
                pkg = tsi.pkg
                old = None
                if pkg not in self.side:
                    fits = [one for one in goes if one.name == pkg.name and (one.arch == pkg.arch or not same_arch)]
                    old = fits[0] if fits else None
                if old is not None:
                    goes.remove(old)
                if old is not None or not same_arch:
                    comes = [one for one in comes if one is not tsi]
                    self.list.append((old, pkg))
        self.list.extend((pkg, None) for pkg in goes)

    def name(self, pkg):
        return "%s-%s" % (pkg.name, evr(pkg)) if pkg in self.side else pkg.name

    def pinned(self, old, new):
        pkg = new or old
        origin = new.reponame if new else "@System"
        return (self.name(pkg), pkg.arch, evr(old) if old else "", evr(new) if new else "", origin)

    def all(self):
        return sorted(self.pinned(old, new) for old, new in self.list)

    def fields(self, old, new):
        change = ""
        if old and new and (old.vendor or "") != (new.vendor or ""):
            change = "vendor %s -> %s" % (old.vendor or "none", new.vendor or "none")
        kernel = "kernel" if (new or old) in self.side else ""
        return self.pinned(old, new) + (kernel, change, purposes(self.base, old, new))


KINDS = {
    hawkey.ADVISORY_SECURITY: "security",
    hawkey.ADVISORY_BUGFIX: "bugfix",
    hawkey.ADVISORY_ENHANCEMENT: "enhancement",
}


def kind(advisory):
    return KINDS.get(advisory.type, "other")


def severity(advisory):
    return clean(advisory.severity or "", 20).replace("None", "")


def issued(advisory):
    when = advisory.updated
    return when.strftime("%Y-%m-%d") if when and when.year > 1990 else ""


def named(base, advisory, pkg):
    """The versions of a package that an advisory names, and that are newer."""
    versions = [one.evr for one in advisory.packages if (one.name, one.arch) == (pkg.name, pkg.arch)]
    return [version for version in versions if newer(base, version, pkg.evr)]


def closed(base, old, new):
    """The advisories that are done with when one package takes the place of the other."""
    if new is None:
        return []
    exact = new.get_advisories(hawkey.EQ)
    if old is None:
        return exact
    between = [
        advisory
        for advisory in old.get_advisories(hawkey.GT)
        if any(not newer(base, version, new.evr) for version in named(base, advisory, old))
    ]
    ids = set(advisory.id for advisory in between)
    return between + [advisory for advisory in exact if advisory.id not in ids]


def purposes(base, old, new):
    if old is None and new is not None and new in base._get_installonly_query():
        before = base.sack.query().installed().filterm(name=new.name, arch=new.arch).latest().run()
        old = before[0] if before else None
    found = set((kind(one), severity(one), issued(one)) for one in closed(base, old, new))
    return " ".join("/".join(one).replace(" ", "_") for one in sorted(found))


def solve(base):
    """Resolves what was asked for; the problem, where there is one."""
    try:
        base.resolve()
    except dnf.exceptions.DepsolveError as error:
        return str(error)
    return None


def begin_again(base):
    base.reset(goal=True)
    base._transaction = None


def ask(base, pkgs):
    for pkg in pkgs:
        selector = dnf.selector.Selector(base.sack)
        selector.set(pkg=[pkg])
        base._goal.install(select=selector, optional=False)


def full(base):
    """A full update; where not all of it resolves, what does, and what does not."""
    base.upgrade_all()
    whole = solve(base)
    if whole is None:
        return Items(base), []
    base.conf.best = False
    begin_again(base)
    base.upgrade_all()
    rest = solve(base)
    items = None if rest else Items(base)
    shown = [] if rest else [items.fields(old, new) for old, new in items.list]
    gone = set(old for old, _ in items.list if old) if items else set()
    taken = set(new for _, new in items.list if new) if items else set()
    left = []
    for pkg in base.sack.query().upgrades().latest():
        old = base.sack.query().installed().filterm(name=pkg.name, arch=[pkg.arch, "noarch"]).latest().run()
        if pkg in taken or not old:
            continue
        if any(one in gone for one in old) and not any(one.name == pkg.name for one in taken):
            continue
        left.append((old[0], pkg))
    replaced = base.sack.query().installed()
    if base.conf.obsoletes:
        for pkg in base.sack.query().available().filterm(obsoletes=replaced).latest():
            if pkg not in taken and not base.sack.query().installed().filterm(name=pkg.name):
                left.append((None, pkg))
    base.conf.best = True
    broken = []
    for at, (old, pkg) in enumerate(left):
        why = None
        if at < EXPLAINED:
            begin_again(base)
            ask(base, [pkg])
            why = solve(base)
            if why is None and old is None:
                continue
        broken.append((old, pkg, why or whole))
    if not broken:
        raise Refused("unsolved", rest or whole)
    blank = Items.__new__(Items)
    blank.base, blank.side = base, set(base._get_installonly_query().apply())
    return shown, [blank.fields(old, pkg) + (short(why),) for old, pkg, why in broken]


def short(problem):
    """The first problem of dnf's, in a line."""
    lines = [line.strip(" -") for line in problem.splitlines() if line.strip()]
    return "; ".join(lines[1:6] if len(lines) > 1 else lines)


def repositories(base):
    for repo in base.repos.iter_enabled():
        has = "advisories" if repo.get_metadata_path("updateinfo") else ""
        checked = "checked" if repo.gpgcheck else ""
        say("Repo", repo.id, has, checked, repo._repo.getMaxTimestamp())


def held(base, comes):
    """Newer versions that excludes, versionlock or the streams of modules hide."""
    seen = base.sack.query().available()
    for word, flag in (("Held", hawkey.IGNORE_REGULAR_EXCLUDES), ("Stream", hawkey.IGNORE_MODULAR_EXCLUDES)):
        hidden = base.sack.query(flags=flag).upgrades().difference(seen).latest()
        for pkg in sorted(hidden):
            if not any(newer(base, version, pkg.evr) or version == pkg.evr for version in comes.get((pkg.name, pkg.arch), [])):
                say(word, pkg.name, pkg.arch, evr(pkg))


def pending(base):
    filled(base)
    items, broken = full(base)
    shown = items if isinstance(items, list) else [items.fields(old, new) for old, new in items.list]
    for fields in sorted(shown):
        say("Item", *fields)
    for fields in sorted(broken):
        say("Broken", *fields)
    comes = {}
    for fields in shown:
        name, arch, to = fields[0], fields[1], fields[3]
        if fields[5] and name.endswith("-" + to):
            name = name[: -len(to) - 1]
        comes.setdefault((name, arch), []).append(to if ":" in to else "0:" + to)
    held(base, comes)
    repositories(base)
