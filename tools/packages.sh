#!/usr/bin/env bash
# Builds the packages for Debian (.deb) and for distributions with rpm, in dist/.
#
#   tools/packages.sh           build them
#   tools/packages.sh --check   build them twice, in two folders, and compare; ask
#                               lintian, mandoc, shellcheck and rpm what they think
#
# The same commit gives the same bytes. Variables, with their defaults:
#
#   VERSION            1.2.3 for the tag v1.2.3; for a commit after it
#                      1.2.3+git20261121093000.abcdef1, without a tag 0.1.0~git…, so
#                      that later ones are higher; with +dirty for a changed tree
#   SOURCE_DATE_EPOCH  the time of the commit: of all files in the packages
#   MAINTAINER         whom the packages name: Name <address>
#   ARCHS, FORMATS     amd64 arm64, deb rpm
#   OUT                dist
set -euo pipefail
umask 022
cd "$(dirname "$0")/.."

fail() { echo "packages: $*" >&2; exit 1; }

# describe prints the version of what is checked out.
describe() {
  local tag version at
  at=$(TZ=UTC git log -1 --date=format-local:%Y%m%d%H%M%S --format=git%cd.%h --abbrev=7)
  if tag=$(git describe --tags --exact-match --match 'v[0-9]*' 2>/dev/null); then
    version=${tag#v}
  elif tag=$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null); then
    version=${tag#v}+$at
  else
    version=0.1.0~$at
  fi
  [ -z "$(git status --porcelain)" ] || version+=+dirty
  # Neither format has a version with a hyphen in it: 1.0-rc1 comes before 1.0.
  echo "${version//-/\~}"
}

# defaults sets the variables that are not set.
defaults() {
  if [ -z "${VERSION:-}" ] || [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
    git rev-parse --git-dir >/dev/null 2>&1 ||
      fail "this is no git checkout; say VERSION=1.2.3 and SOURCE_DATE_EPOCH=$(date +%s)"
  fi
  VERSION=${VERSION:-$(describe)}
  SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
  MAINTAINER=${MAINTAINER:-The chatd authors <chatd@example.org>}
  ARCHS=${ARCHS:-amd64 arm64} FORMATS=${FORMATS:-deb rpm} OUT=${OUT:-dist}
  # Whether the programs know their commit: Go reads no linked worktree.
  STAMP=${STAMP:-$([ -d .git ] && echo true || echo false)}
  [[ $VERSION =~ ^[0-9][0-9A-Za-z.+~]*$ ]] ||
    fail "VERSION=$VERSION is none; it begins with a digit and has letters, digits and . + ~"
  export VERSION SOURCE_DATE_EPOCH MAINTAINER ARCHS FORMATS STAMP
}

# programs builds the static programs for one architecture into the folder $2.
# What go env says on this machine must not show in them.
programs() {
  CGO_ENABLED=0 GOOS=linux GOARCH=$1 GOAMD64=v1 GOARM64=v8.0 GOFLAGS="-trimpath -buildvcs=$STAMP" \
    go build -ldflags "-s -w -X main.version=$VERSION" -o "$2/" ./cmd/chatd ./cmd/chat
}

# modules prints what is linked into the programs for one architecture, with the
# licences, which ask to be handed on.
modules() {
  local path version dir file found
  echo "The programs are linked statically with these, under these licences."
  {
    echo "Go $(go env GOVERSION) $(go env GOROOT)"
    CGO_ENABLED=0 GOOS=linux GOARCH=$1 go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' \
      ./cmd/chatd ./cmd/chat | LC_ALL=C sort -u
  } | while read -r path version dir; do
    found=
    printf '\n\n==== %s %s\n' "$path" "$version"
    for file in "$dir"/LICEN[CS]E* "$dir"/COPYING* "$dir"/NOTICE*; do
      [ -f "$file" ] || continue
      found=1
      printf '\n== %s\n\n' "${file##*/}"
      cat "$file"
    done
    [ -n "$found" ] || fail "$path has no licence file; nobody may hand it on"
  done
}

# changelog prints the one that Debian's tools read.
changelog() {
  printf 'chatd (%s) unstable; urgency=medium\n\n' "$VERSION"
  printf '  * What is new in this version is in NEWS.gz.\n\n'
  printf ' -- %s  %s\n' "$MAINTAINER" "$(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")"
}

# stage puts what is not in the tree as it goes into the packages into folder $2.
stage() {
  local page
  mkdir -p "$2"
  programs "$1" "$2"
  for page in docs/man/*.[158]; do
    gzip -9n <"$page" >"$2/${page##*/}.gz"
  done
  modules "$1" | gzip -9n >"$2/modules.txt.gz"
  gzip -9n <CHANGELOG.md >"$2/NEWS.gz"
  changelog | gzip -9n >"$2/changelog.gz"
  { cat packaging/deb/copyright; sed '1,4d; s/^$/./; s/^/ /' LICENSE; } >"$2/copyright"
}

# build writes all packages into the folder $1.
build() {
  local arch format
  mkdir -p "$1"
  for arch in $ARCHS; do
    stage "$arch" "$scratch/stage/$arch"
    for format in $FORMATS; do
      ARCH=$arch STAGE=$scratch/stage/$arch go tool -modfile=tools/go.mod nfpm package \
        --config packaging/nfpm.yaml --packager "$format" --target "$1/" >"$scratch/nfpm" ||
        { cat "$scratch/nfpm" >&2; fail "no $format for $arch"; }
    done
  done
}

# copy makes another folder, $1, of the tree as it is here.
copy() {
  git clone --quiet --shared . "$1"
  git ls-files -z --deleted | (cd "$1" && xargs -0r rm -f --)
  git ls-files -z --cached --others --exclude-standard |
    while IFS= read -rd '' file; do [ ! -f "$file" ] || printf '%s\0' "$file"; done |
    xargs -0r cp --parents -pt "$1"
}

# compare builds everything once more, in another folder and with nothing that is
# compiled already, and compares.
compare() {
  local file
  copy "$scratch/copy"
  OUT=$scratch/again GOCACHE=$scratch/cache "$scratch/copy/tools/packages.sh"
  for file in "$scratch"/again/*; do
    cmp "$file" "$OUT/${file##*/}" || fail "${file##*/} differs when it is built in another folder"
  done
  echo "the same in another folder: $(cd "$scratch/again" && echo *)"
}

# inspect asks the tools of both distributions what they think.
inspect() {
  local file
  shellcheck tools/packages.sh packaging/deb/p* packaging/rpm/p*
  mandoc -T lint -W warning docs/man/*
  for file in "$OUT/chatd_${VERSION}_"*.deb; do
    lintian --allow-root --fail-on error,warning "$file"
  done
  for file in "$OUT/chatd-$VERSION-"*.rpm; do
    rpm -K --nosignature "$file" >&2
    rpm -qp --list --scripts "$file" >"$scratch/rpm" 2>&1 || fail "rpm cannot read ${file##*/}: $(cat "$scratch/rpm")"
    grep -qx /usr/bin/chatd "$scratch/rpm" || fail "${file##*/} has no /usr/bin/chatd"
  done
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
defaults
case ${1:-} in
  '')
    build "$OUT"
    ls "$OUT"/chatd[_-]*
    ;;
  --check)
    tools/deps.sh lintian:lintian mandoc:mandoc shellcheck:shellcheck rpm:rpm
    build "$OUT"
    inspect
    compare
    ;;
  *) fail "there is no option $1; there is --check" ;;
esac
