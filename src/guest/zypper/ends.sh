# shellcheck shell=bash
# Which names several versions stay side by side of (zypp.conf, `multiversion`), and of when the lists of the sources are that
# have patches: a distribution's first state is never made anew.
for capability in kernel 'multiversion(kernel)' 'installonlypkg(kernel)' 'installonlypkg(kernel-module)'; do
  rpm -q --whatprovides --qf 'Side %{NAME}\n' "$capability" 2> /dev/null | grep '^Side '
done | sort -u
for file in /var/cache/zypp/raw/*/repodata/repomd.xml; do
  grep -q 'type="updateinfo"' "$file" 2> /dev/null || continue
  dated=$(grep -oE '<timestamp>[0-9]+' "$file" | sed 's/.*>//' | sort -n | tail -n 1)
  [ -z "$dated" ] || echo "List $dated"
done
echo End
