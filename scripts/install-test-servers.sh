#!/usr/bin/env bash
# Finds, or installs, the real programs that the tests run against: redis-server, MySQL, MariaDB, HAProxy, Chromium, what
# reads a ticket's PDF and the fonts that it is printed with, and the C compiler that the race detector needs. It looks
# for Node, and does not install it.
#
#   install-test-servers.sh [redis] [mysql] [mariadb] [haproxy] [chromium] [poppler] [font] [compiler] [node]
#
# Without arguments it takes care of all of them. Standard output names the programs that are still missing, one on a
# line; it is empty when all are there. Standard error tells what is being done. The exit code is 0 in both cases: a
# test that lacks its server is skipped and says so, and the other tests still run.
#
# The four servers are not installed into the system, because installing such a package would start its service. Their
# packages are unpacked, with every library they need, into a private folder (INTERLOCK_CACHE, else ~/.cache/interlock)
# and run from there. That takes neither root nor a container, and removing the folder undoes it. A server that is
# installed already is used as it is. Chromium and the compiler are installed as packages.
set -euo pipefail

cache="${INTERLOCK_CACHE:-${XDG_CACHE_HOME:-${HOME:?neither INTERLOCK_CACHE nor HOME is set}/.cache}/interlock}"

# Servers live in sbin, which is not on every user's PATH.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

readonly tries=3
readonly fetch_seconds=300   # an index is some 10 MB, the largest server some 60 MB
readonly install_seconds=600 # chromium and what it needs is some 200 MB

say() { printf '%s\n' "$*" >&2; }

# retry COMMAND...: a mirror that stumbles once should not cost a test run.
retry() {
  local try
  for ((try = 1; try <= tries; try++)); do
    if "$@"; then return 0; fi
    say "  attempt $try of $tries failed: $1 $2"
  done
  return 1
}

# --- what is there ---------------------------------------------------------------------------------------------------

# run_unpacked ROOT PROGRAM ARGUMENT...: runs a program of an unpacked tree with that tree's own loader and libraries.
run_unpacked() {
  local root="$1" program="$2" loader dir path=""
  shift 2
  loader="$(compgen -G "$root/usr/lib/*-linux-*/ld-linux*.so.*" ||
    compgen -G "$root/lib/*-linux-*/ld-linux*.so.*")" || return 1
  for dir in "$root"/usr/lib/*-linux-* "$root"/lib/*-linux-* "$root"/usr/lib/mysql/private; do
    path+="${path:+:}$dir"
  done
  "${loader%%$'\n'*}" --library-path "$path" "$root/$program" "$@"
}

# found NAME PROGRAM: whether PROGRAM is installed, or unpacked as NAME.
found() { command -v "$2" >/dev/null || [[ -e "$cache/$1/complete" ]]; }

found_redis() { found redis redis-server; }
found_mariadb() { found mariadb mariadbd; }
found_haproxy() { found haproxy haproxy; }
# MariaDB's package also installs a program named `mysqld`.
found_mysql() {
  if command -v mysqld >/dev/null && ! mysqld --version 2>/dev/null | grep -q MariaDB; then return 0; fi
  [[ -e "$cache/mysql/complete" ]]
}
found_chromium() {
  command -v chromium || command -v chromium-browser || command -v google-chrome || command -v google-chrome-stable
} >/dev/null
found_poppler() { command -v pdftotext && command -v pdftoppm; } >/dev/null
found_font() {
  [[ -e /usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf && -e /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf ]]
}
found_node() { command -v node && command -v npm; } >/dev/null
found_compiler() { command -v gcc >/dev/null && echo '#include <stdlib.h>' | gcc -E - >/dev/null 2>&1; }

# --- unpacking servers into the private folder ------------------------------------------------------------------------

work=""
trap '[[ -z "$work" ]] || rm -rf "$work"' EXIT

# private_apt FOLDER COMMAND...: an apt with lists and caches of its own, which changes nothing outside FOLDER. It takes
# nothing for installed, so that it resolves a package down to its C library. It reads the machine's sources, or
# FOLDER/only.sources.
private_apt() {
  local folder="$1" program="$2"
  shift 2
  local options=(
    -o "Dir::State=$folder/state" -o "Dir::State::Lists=$folder/lists" -o "Dir::State::status=$folder/status"
    -o "Dir::Cache=$folder/cache" -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
    -o APT::Install-Recommends=false -o APT::Sandbox::User=root -o Debug::NoLocking=true
    -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
    -o Acquire::IndexTargets::deb::CNF::DefaultEnabled=false -o Acquire::Retries=3
    -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30 -o APT::Update::Post-Invoke-Success=
  )
  if [[ -e "$folder/only.sources" ]]; then
    options+=(-o "Dir::Etc::sourcelist=$folder/only.sources" -o Dir::Etc::sourceparts=/dev/null)
  elif [[ -e "$folder/only.list" ]]; then
    options+=(-o "Dir::Etc::sourcelist=$folder/only.list" -o Dir::Etc::sourceparts=/dev/null)
  fi
  timeout -k 10 "$fetch_seconds" "$program" -qq "${options[@]}" "$@" </dev/null
}

# prepare_apt FOLDER: fetches the package index. It succeeds when it got any index, since a third party's source may be
# down.
prepare_apt() {
  local folder="$1"
  mkdir -p "$folder/lists/partial" "$folder/state" "$folder/cache/archives/partial"
  : >"$folder/status"
  private_apt "$folder" apt-get update >"$folder/update.log" 2>&1 || true
  compgen -G "$folder/lists/*_Packages*" >/dev/null || { cat "$folder/update.log" >&2; return 1; }
}

# unstable_source FOLDER: writes the machine's own Debian source into FOLDER with the suite unstable. The mirror, the
# key and the options stay. apt itself tells which entry of which file is the Debian archive.
unstable_source() {
  local folder="$1" entry file number
  # shellcheck disable=SC2016 # apt fills these in
  entry="$(private_apt "$work/own" apt-get indextargets --format '$(LABEL) $(COMPONENT) $(CODENAME) $(SOURCESENTRY)' \
    'Created-By: Packages' 2>/dev/null | awk '$1 == "Debian" && $2 == "main" && $3 !~ /-/ { print $4; exit }')"
  [[ -n "$entry" ]] || return 1
  file="${entry%:*}" number="${entry##*:}"
  mkdir -p "$folder"
  case "$file" in
    *.sources) # entries are paragraphs; a field may go on over indented lines
      awk -v number="$number" 'BEGIN { RS = ""; FS = "\n" } /(^|\n)URIs:/ && ++seen == number {
        for (i = 1; i <= NF; i++) {
          if ($i ~ /^[^ \t#]/) drop = ($i ~ /^(Types|Suites|Components):/)
          if (!drop) print $i
        }
        print "Types: deb\nSuites: sid\nComponents: main"
      }' "$file" >"$folder/only.sources"
      ;;
    *) # entries are lines
      sed -nE -e "$number!d" -e \
        's/^[[:space:]]*deb[[:space:]]+((\[[^]]*\][[:space:]]+)?[^[:space:]]+)[[:space:]].*/deb \1 sid main/p' \
        "$file" >"$folder/only.list"
      ;;
  esac
}

# download FOLDER PACKAGE: the package and everything it needs, as .deb files in FOLDER/debs. After a failure it fetches
# the index anew, since the archive may have replaced a package.
download() {
  local folder="$1" package="$2" names
  rm -rf "$folder/debs"
  mkdir -p "$folder/debs"
  names="$(private_apt "$folder" apt-get -s install "$package" | awk '$1 == "Inst" { print $2 }')"
  [[ -n "$names" ]] || return 1
  # shellcheck disable=SC2086 # package names hold no spaces and are meant to be split
  (cd "$folder/debs" && private_apt "$folder" apt-get download $names) || { prepare_apt "$folder"; return 1; }
}

# What a program tells its version for, where that is not --version.
declare -rA version_flags=([haproxy]=-v)

# unpack NAME PROGRAM FOLDER PACKAGE: puts PACKAGE and what it needs into the cache as NAME, whole or not at all.
unpack() {
  local name="$1" program="$2" folder="$3" package="$4" deb tree="$work/$1" version
  say "fetching $package"
  retry download "$folder" "$package" || return 1
  mkdir -p "$tree"
  for deb in "$folder"/debs/*.deb; do dpkg -x "$deb" "$tree" || return 1; done
  version="$(run_unpacked "$tree" "$program" "${version_flags[$name]:---version}" | head -n 1)" || return 1
  printf '%s\n' "$version" >"$tree/complete"
  rm -rf "${cache:?}/$name"
  mv "$tree" "$cache/$name" || return 1
  say "unpacked into $cache/$name: $version"
}

own=""

# own_apt: the index of the machine's own sources. It is fetched once, also where that fails.
own_apt() {
  if [[ -z "$own" ]]; then
    own=none
    if retry prepare_apt "$work/own"; then own=there; fi
  fi
  [[ "$own" == there ]]
}

newest_package() { # FOLDER REGULAR-EXPRESSION
  private_apt "$1" apt-cache search --names-only "$2" | awk '{ print $1 }' | sort -V | tail -n 1
}

install_redis() { own_apt && unpack redis usr/bin/redis-server "$work/own" redis-server; }

install_haproxy() { own_apt && unpack haproxy usr/sbin/haproxy "$work/own" haproxy; }

install_mariadb() { own_apt && unpack mariadb usr/sbin/mariadbd "$work/own" mariadb-server-core; }

# Ubuntu has MySQL. Debian has it in unstable alone, and its packages bring their own C library along.
install_mysql() {
  local package
  local names='^mysql-server-core(-[0-9.]+)?$'
  own_apt || return 1
  package="$(newest_package "$work/own" "$names")"
  if [[ -n "$package" ]]; then
    unpack mysql usr/sbin/mysqld "$work/own" "$package"
    return
  fi
  unstable_source "$work/unstable" || { say "no Debian source found to derive MySQL's from"; return 1; }
  retry prepare_apt "$work/unstable" || return 1
  package="$(newest_package "$work/unstable" "$names")"
  [[ -n "$package" ]] || { say "Debian unstable has no MySQL for this machine"; return 1; }
  unpack mysql usr/sbin/mysqld "$work/unstable" "$package"
}

# --- installing packages ----------------------------------------------------------------------------------------------

as_root=() # the command that makes the next one run as root

may_install() {
  if [[ "$(id -u)" == 0 ]]; then return 0; fi
  as_root=(sudo -n)
  sudo -n true 2>/dev/null
}

# system_apt ARGUMENT...: prints the end of apt's output when apt fails.
system_apt() {
  timeout -k 10 "$install_seconds" "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
    -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 "$@" </dev/null >"$work/apt.log" 2>&1 ||
    { tail -n 20 "$work/apt.log" >&2; return 1; }
}

updated=""

install_package() {
  may_install || { say "installing $* takes root, or sudo without a password"; return 1; }
  say "installing $*"
  [[ -n "$updated" ]] || retry system_apt update || true # a third party's source that is down does not matter
  updated=yes
  retry system_apt install --no-install-recommends "$@"
}

install_chromium() { install_package chromium; }
install_poppler() { install_package poppler-utils; }
install_font() { install_package fonts-droid-fallback fonts-dejavu-core; }
install_compiler() { install_package gcc libc6-dev; }
install_node() { false; } # a distribution's is often too old for the playground

# --- all of it --------------------------------------------------------------------------------------------------------

# prepare: makes the folders, before the first program is installed. Of two runs at once, one waits for the other.
prepare() {
  mkdir -p "$cache"
  exec 9>"$cache/install.lock"
  if flock -w "$install_seconds" 9; then rm -rf "$cache"/install.??????/; fi # left by a run that was killed
  work="$(mktemp -d "$cache/install.XXXXXX")" # on the cache's own disk, so that the last step is a rename
}

# What can be asked for, and the program that tells whether it is there.
declare -rA programs=(
  [redis]=redis-server [mysql]=mysqld [mariadb]=mariadbd [haproxy]=haproxy [chromium]=chromium [poppler]=pdftotext
  [font]=fonts-droid-fallback [compiler]=gcc [node]=node
)

main() {
  local it name
  (($#)) || set -- redis mysql mariadb haproxy chromium poppler font compiler node
  for it in "$@"; do
    name="${programs[$it]:?"$it is nothing that can be installed here"}"
    "found_$it" && continue
    if command -v apt-get >/dev/null; then
      [[ -n "$work" ]] || prepare
      if "found_$it"; then continue; fi # the run that was waited for got it
      if "install_$it" && "found_$it"; then continue; fi
    fi
    say "$name is missing, and this script could not install it"
    printf '%s\n' "$name"
  done
}

main "$@"
