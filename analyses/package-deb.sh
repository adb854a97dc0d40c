#!/bin/sh
# package-deb.sh BUILD - a Debian package of what `make install` installs, with the dependencies that its programs name.
# Needs dpkg-dev.
set -eu
cd "$(dirname "$0")/.."
build=$(cd "${1:-build}" && pwd)
version=$(sed -n 's/.*ENT_VERSION "\(.*\)"/\1/p' libentropy/include/entropy/base.h)
architecture=$(dpkg --print-architecture)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
make --no-print-directory -s BUILD="$build" DESTDIR="$root" PREFIX=/usr install >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
gzip -9n "$root"/usr/share/man/man1/*.1
strip --strip-unneeded "$root"/usr/bin/entropy "$root"/usr/lib/libentropy.so.0
mv "$root/usr/share/zsh/site-functions" "$root/usr/share/zsh/vendor-completions" # where Debian's zsh looks for those of packages
mkdir -p "$root/usr/share/doc/libentropy"
cp LICENSE "$root/usr/share/doc/libentropy/copyright"
gzip -9n <NEWS.md >"$root/usr/share/doc/libentropy/NEWS.md.gz"
chmod -R go-w "$root"

# what the program and the libraries need, by the packages that hold it
mkdir "$work/debian"
printf 'Source: libentropy\n\nPackage: libentropy\nArchitecture: any\n' >"$work/debian/control"
depends=$(cd "$work" && dpkg-shlibdeps -O root/usr/bin/entropy root/usr/lib/libentropy.so.0 2>/dev/null | sed -n 's/^shlibs:Depends=//p')
mkdir "$root/DEBIAN"
cat >"$root/DEBIAN/control" <<END
Package: libentropy
Version: $version
Section: science
Priority: optional
Architecture: $architecture
Depends: $depends
Recommends: gnuplot-nox
Installed-Size: $(du -sk "$root/usr" | cut -f 1)
Maintainer: The libentropy authors <libentropy@localhost>
Description: entropy, coding and decode cost of neural-network weights
 Tells how many bits a neural-network weight really needs, codes it that
 small, and says what it costs to get it back on given hardware: a C
 library and the program entropy.
END
printf '#!/bin/sh\nset -e\n[ "$1" != configure ] || ldconfig\n' >"$root/DEBIAN/postinst"
printf '#!/bin/sh\nset -e\n[ "$1" != remove ] || ldconfig\n' >"$root/DEBIAN/postrm"
chmod 755 "$root/DEBIAN/postinst" "$root/DEBIAN/postrm"
package=$build/libentropy_${version}_$architecture.deb
dpkg-deb --root-owner-group --build "$root" "$package" >/dev/null
echo "$package"
