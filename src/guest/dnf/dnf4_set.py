# What goes on where dnf4.py ends: a pinned set, fetched and installed; the advisories beside it; the sources.


def read_pinned(text):
    return sorted(tuple((line + "\t" * 4).split("\t")[:5]) for line in text.splitlines() if line)


def find(base, pin):
    """The package that a line names, as the machine may have it; why there is none."""
    name, arch, _, to, origin = pin
    if name.endswith("-" + to):
        name = name[: -len(to) - 1]
    full_evr = to if ":" in to else "0:" + to
    wanted = {"name": name, "arch": arch, "evr": full_evr}
    if origin not in ("", "*"):
        wanted["reponame"] = origin
    found = base.sack.query().available().filterm(**wanted).run()
    if found:
        return found[0]
    if base.sack.query(flags=hawkey.IGNORE_EXCLUDES).available().filterm(**wanted):
        raise Refused("held", "%s-%s.%s" % (name, to, arch))
    raise Refused("gone", "%s-%s.%s" % (name, to, arch), origin)


def erase(base, pin):
    name, arch, was, _, _ = pin
    if name.endswith("-" + was):
        name = name[: -len(was) - 1]
    full_evr = was if ":" in was else "0:" + was
    for pkg in base.sack.query().installed().filterm(name=name, arch=arch, evr=full_evr):
        base._goal.erase(pkg)


def build(base, pins):
    """Resolves exactly these; removals are asked for by name only where nothing else brings them."""
    pkgs = [find(base, pin) for pin in pins if pin[3]]
    ask(base, pkgs)
    why = solve(base)
    items = None if why else Items(base)
    missing = [pin for pin in pins if not pin[3] and (items is None or pin not in items.all())]
    if missing:
        begin_again(base)
        ask(base, pkgs)
        for pin in missing:
            erase(base, pin)
        why = solve(base)
        items = None if why else Items(base)
    if why:
        raise Refused("unsolved", short(why))
    return items


def exactly(base, pins):
    items = build(base, pins)
    have, want = set(items.all()), set(pins)
    for pin in sorted(want - have):
        say("Lacks", *pin)
    for pin in sorted(have - want):
        say("More", *pin)
    for name in items.reinstalled:
        say("More", name)
    if have != want or items.reinstalled:
        one = sorted(want - have) or sorted(have - want) or [items.reinstalled]
        raise Refused("differs", "lacks" if want - have else "has more", *one[0][:4])
    return items


def signer(path):
    """The key that signed a package file (rpm-queryformat(7))."""
    ts = rpm.TransactionSet(ROOT)
    ts.setVSFlags(-1)
    fd = os.open(path, os.O_RDONLY)
    try:
        header = ts.hdrFromFdno(fd)
        text = header.sprintf("%|RSAHEADER?{%{RSAHEADER:pgpsig}}:{%|DSAHEADER?{%{DSAHEADER:pgpsig}}:{%{SIGPGP:pgpsig}}|}|")
    except Exception:
        text = ""
    finally:
        os.close(fd)
    return text.split("Key ID ")[-1].strip() if "Key ID " in text else ""


def fingerprints(repo):
    """The files of keys that the repository names, with the fingerprints of those that are on the machine."""
    words = []
    for url in repo.gpgkey:
        found = []
        if url.startswith("file://"):
            try:
                with open(url[len("file://") :], "rb") as file:
                    found = [info.fingerprint for info in dnf.crypto.rawkey2infos(file)]
            except Exception:
                found = []
        words.append("%s (%s)" % (url, ", ".join(found)) if found else url)
    return ", ".join(words)


def check_signatures(base, pkgs):
    for pkg in pkgs:
        result, words = base._sig_check_pkg(pkg)
        if result == 0:
            continue
        key = signer(pkg.localPkg())
        # Unsigned packages are told by what rpm says of them, since older dnf takes them for ones whose key is missing.
        if key:
            raise Refused("key", str(pkg), key, fingerprints(base.repos[pkg.repoid]))
        raise Refused("unsigned", str(pkg), words)


def there(base, pkgs):
    for pkg in pkgs:
        path = pkg.localPkg()
        if not os.path.exists(path):
            raise Refused("unfetched", str(pkg), path)
        if not pkg.verifyLocalPkg():
            raise Refused("changed", str(pkg), path)


def incoming(items):
    return [new for _, new in items.list if new]


def download(base, pkgs):
    # Deltas would need a program that is not everywhere.
    base.conf.deltarpm = False
    there(base, [pkg for pkg in pkgs if pkg._is_local_pkg()])
    try:
        waiting(lambda: base.download_packages(pkgs))
    except dnf.exceptions.DownloadError as error:
        raise Refused("download", str(error))
    there(base, pkgs)
    check_signatures(base, pkgs)


class Display(dnf.callback.TransactionProgress):
    def __init__(self):
        super().__init__()
        self.errors = []
        self.at = None

    def progress(self, package, action, ti_done, ti_total, ts_done, ts_total):
        at = (str(package), action)
        if at != self.at:
            self.at = at
            say("At", str(package), dnf.transaction.ACTIONS.get(action, str(action)))

    def error(self, message):
        self.errors.append(clean(message))


def opener(path):
    import bz2
    import gzip
    import lzma

    known = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open, ".xml": open}
    return known[os.path.splitext(path)[1]](path, "rb")


def suggested(base, items):
    """The packages whose advisories suggest a reboot, which dnf's API does not tell; with what cannot be read, that."""
    import xml.etree.ElementTree

    ids = {}
    for old, new in items.list:
        for advisory in closed(base, old, new):
            ids.setdefault(advisory.id, (new or old).name)
    found = []
    for repo in base.repos.iter_enabled():
        path = repo.get_metadata_path("updateinfo") if ids else ""
        if not path:
            continue
        try:
            with opener(path) as file:
                for _, element in xml.etree.ElementTree.iterparse(file):
                    if element.tag != "update":
                        continue
                    name = element.findtext("id", "")
                    flags = [flag for flag in element.iter("reboot_suggested") if (flag.text or "true").strip().lower() != "false"]
                    if flags and name in ids:
                        found.append("%s (%s)" % (clean(ids[name]), clean(name)))
                    element.clear()
        except (OSError, KeyError, EOFError, xml.etree.ElementTree.ParseError):
            found.append("the advisories of %s cannot be read" % clean(repo.id))
    return found


def install(base, items):
    there(base, incoming(items))
    check_signatures(base, incoming(items))
    # What comes as a dependency is no choice of the admin's, and may go again by itself; what takes another's place may not.
    gone = set(old.name for old, _ in items.list if old)
    for tsi in items.tsis:
        fresh = tsi.action == libdnf.transaction.TransactionItemAction_INSTALL
        if fresh and tsi.pkg not in items.side and not any(str(one).split()[0] in gone for one in tsi.pkg.obsoletes):
            tsi.reason = libdnf.transaction.TransactionItemReason_DEPENDENCY
    reboot = suggested(base, items)
    wait_for_rpm()
    display, problem = Display(), None

    def run():
        base.do_transaction(display=display)

    try:
        waiting(run)
    except (dnf.exceptions.Error, OSError) as error:
        problem = str(error)
    for message in display.errors:
        if "scriptlet" in message:
            say("Script", message.split()[-1], message)
        else:
            say("Error", message)
    if reboot:
        folder = os.path.join(ROOT, "run/patchgate")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "reboot-suggested"), "w") as file:
            file.write("\n".join(reboot) + "\n")
    failed = []
    for tsi in base.transaction:
        if getattr(tsi, "state", None) == libdnf.transaction.TransactionItemState_ERROR:
            failed.append(str(tsi.pkg))
            say("Failed", str(tsi.pkg))
    os.sync()
    if problem:
        flat = " ".join(problem.split())
        if "more space needed" in flat or "No space left on device" in flat:
            raise Refused("disk", flat)
        raise Refused("failed", flat, *failed[:5])
    if display.errors:
        raise Refused("script", display.errors[0])


def advisories(base, pins):
    filled(base)
    comes, goes, seen, links = {}, set(), {}, set()
    for pin in pins:
        name, arch, was, to, _ = pin
        raw = name[: -len(to) - 1] if to and name.endswith("-" + to) else name
        if to:
            comes.setdefault((raw, arch), []).append((name, to if ":" in to else "0:" + to))
            if not was:
                for pkg in base.sack.query().available().filterm(name=raw, arch=arch, evr=comes[raw, arch][-1][1]):
                    for advisory in pkg.get_advisories(hawkey.EQ):
                        seen[advisory.id] = advisory
                        links.add((advisory.id, "Closes", name))
        else:
            goes.add((name, arch))
    # What is excluded is hidden even where it is installed.
    for pkg in base.sack.query(flags=hawkey.IGNORE_EXCLUDES).installed().latest():
        key = (pkg.name, pkg.arch)
        for advisory in pkg.get_advisories(hawkey.GT):
            versions = named(base, advisory, pkg)
            listed = [one for one in advisory.packages if (one.name, one.arch) == key]
            if not versions or len(versions) < len(listed):
                continue
            closing = [name for name, to in comes.get(key, []) if any(not newer(base, one, to) for one in versions)]
            seen[advisory.id] = advisory
            if closing or key in goes:
                links.add((advisory.id, "Closes", closing[0] if closing else pkg.name))
            else:
                links.add((advisory.id, "Open", pkg.name))
    for name, advisory in sorted(seen.items()):
        say("Advisory", name, kind(advisory), severity(advisory), issued(advisory), clean(advisory.title or "", 200))
        for reference in advisory.references:
            if reference.type == hawkey.REFERENCE_CVE and reference.id:
                say("Cve", name, reference.id)
    for name, word, package in sorted(links):
        say(word, name, package)


def refresh(base):
    no_source(base)
    unread = 0

    def load(repo):
        with dnf.lock.build_metadata_lock(base.conf.cachedir, True):
            repo._repo.expire()
            repo.load()

    for repo in list(base.repos.iter_enabled()):
        del NoKey.refused[:]
        try:
            waiting(lambda: load(repo))
        except (dnf.exceptions.Error, RuntimeError) as error:
            words = " ".join(str(error).split())
            if NoKey.refused:
                words = "signed by a key that the machine does not have: %s" % ", ".join(NoKey.refused)
            sys.stderr.write("Unread\t%s\t%s\n" % (repo.id, clean(words)))
            unread += 1
    return 1 if unread else 0


def main():
    text = sys.stdin.read() if VERB in ("resolve", "fetch", "apply", "advisories", "rollback") else ""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    pins = read_pinned(text)
    with opened(cached=VERB in ("pending", "resolve", "apply", "advisories")) as base:
        if VERB == "refresh":
            return refresh(base)
        if VERB == "pending":
            pending(base)
        elif VERB == "advisories":
            advisories(base, pins)
        else:
            filled(base)
            if VERB == "resolve":
                items = build(base, pins)
                for old, new in sorted(items.list, key=lambda pair: items.pinned(*pair)):
                    say("Item", *items.fields(old, new))
            elif VERB == "fetch":
                download(base, incoming(exactly(base, pins)))
            elif VERB == "apply":
                install(base, exactly(base, pins))
            elif VERB == "rollback":
                items = build(base, pins)
                download(base, incoming(items))
                install(base, items)
    return 0


try:
    code = main()
except Refused as refused:
    say("Refused", refused.kind, *refused.words)
    code = 20
except OSError as error:
    say("Refused", "disk" if error.errno == 28 else "error", error)
    code = 20
except (dnf.exceptions.Error, RuntimeError) as error:
    say("Refused", "error", " ".join(str(error).split()))
    code = 20
if code == 0:
    say("End")
out.flush()
sys.exit(code)
