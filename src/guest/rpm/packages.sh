# shellcheck shell=bash
# Every package that rpm knows, and of which names several versions stay side by side: kernels, and what belongs to one
# (dnf.conf(5), `installonlypkgs`; zypp.conf, `multiversion`). Where the database is comes first: one below a user's home is
# not the one that the package managers of other users see.
db=$(rpm --eval %_dbpath) || exit
echo "Db $db"
rpm -qa --qf 'Is %{NAME}|%{EPOCHNUM}|%{VERSION}|%{RELEASE}|%{ARCH}\n' || exit
for capability in kernel 'installonlypkg(kernel)' 'installonlypkg(kernel-module)' 'installonlypkg(vm)' 'multiversion(kernel)'; do
  # It is no error that nothing provides one.
  rpm -q --whatprovides --qf 'Side %{NAME}\n' "$capability" 2> /dev/null | grep '^Side '
done
echo End
